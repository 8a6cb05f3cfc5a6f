#!/usr/bin/env python3
"""Convert trained weights to the file that the C++ library loads.

IN is a Hugging Face model folder, or a checkpoint of MMSegmentation, of the SegFormer authors or of this package's
train.py (.pth, .pt, .bin, .safetensors). The network, its naming and its classes are recognised; nothing in a file
is ever executed; missing, extra, mis-shaped and non-finite tensors are refused by the name that the file gives them.

  from a Hugging Face folder to a picture:
    python3 tools/convert.py segformer-b0-finetuned-ade-512-512 -o b0.safetensors
    lemore info b0.safetensors
    lemore run -m b0.safetensors photo.jpg -o photo.png
  an MMSegmentation checkpoint, classes and colours taken from it:
    python3 tools/convert.py segformer_mit-b0_8x1_1024x1024_160k_cityscapes.pth -o b0.safetensors
  the averaged weights of a training, chosen by name:
    python3 tools/convert.py last.pth --key state_dict_ema --config lemore-camvid -o mine.safetensors
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

try:
    import numpy as np
    from lemore_torch import checkpoint, fields, loading, protocol, safetensors, weight_file
    from lemore_torch.data import DataError
    from lemore_torch.folding import inference_form
    from lemore_torch.weight_file import FORMAT_VERSION
except ImportError as error:
    sys.exit(
        f"convert.py: {error}; install it (apt-get install python3-torch python3-pil) and run with /usr/bin/python3"
    )


class ConvertError(ValueError):
    """One line for the user, naming the tensor."""


def add_input_options(parser):
    """The options that say how a trained network is read; dump_reference.py and others have them too."""
    parser.add_argument("--config", metavar="NAME|FILE",
                        help="what the file does not say: a configuration of tools/configs (segformer-b0) or a JSON file")  # fmt: skip
    parser.add_argument(
        "--key", metavar="NAME", help="where in the checkpoint the weights are, with dots: ema.state_dict"
    )
    parser.add_argument("--prefix", default="", help="take only the tensors whose names start with this")


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="IN", help="a model folder or a checkpoint")
    parser.add_argument("-o", "--output", required=True, help="the .safetensors file to write")
    add_input_options(parser)
    parser.add_argument("--labels", help="labels JSON: names, colours (default: those in the input, else made up)")
    parser.add_argument("--protocol", choices=protocol.PROTOCOLS,
                        help="how its authors test it (default: the file's own, else told by the number of classes)")  # fmt: skip
    parser.add_argument("--license", default="unspecified", help="terms of the weights, kept in the file")
    parser.add_argument("--metrics", help="JSON file of measured figures (default: those in the input)")
    parser.add_argument("--label-map", choices=("direct", "two_step"), help="how logits become labels")
    return parser.parse_args(argv)


def read_input(args, labels=None, protocol_name=None):
    """The trained network that the options of `args` name."""
    return loading.load(args.input, args.config, args.key, args.prefix, labels, protocol_name)


def say_notes(args, trained):
    """What was chosen or made up, to stderr."""
    for note in trained.weights.notes:
        print(f"{args.input}: {note}", file=sys.stderr)


def plain_figures(value, depth=0):
    """Measured figures of a checkpoint as JSON has them: tensors and numpy numbers become numbers, NaN
    (the score of a class that was not there) becomes null, and whatever is not a figure is left out."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, (bool, int, str, type(None))):
        return value
    if isinstance(value, dict) and depth < 16:
        return {str(k): plain_figures(v, depth + 1) for k, v in value.items() if _is_figure(v)}
    if isinstance(value, (list, tuple)) and depth < 16:
        return [plain_figures(v, depth + 1) for v in value if _is_figure(v)]
    return None


def _is_figure(value):
    return isinstance(value, (bool, int, float, str, dict, list, tuple, np.ndarray, type(None)))


def digest(paths):
    """SHA-256 of the files that the weights were read from, one after the other."""
    sha = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                sha.update(block)
    return sha.hexdigest()


def write(trained, output, source, license_text="unspecified", metrics=None):
    """Writes the inference form of a trained network to `output`; `source` is the name that provenance keeps."""
    tensors = inference_form(trained.model)
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise ConvertError(f"{source}: '{name}' overflows when the norm beside it is folded into it")
    provenance = {
        "source": Path(source).resolve().name.encode("utf-8", "replace").decode(),
        "source_sha256": digest(trained.weights.files), "license": license_text,
        "converter": f"tools/convert.py, format {FORMAT_VERSION}", "metrics": metrics or {},
    }  # fmt: skip
    texts = {"config": trained.config.to_json(), "labels": trained.labels.to_json(),
             "preprocessing": trained.preprocessing, "provenance": provenance}  # fmt: skip
    metadata = {"format": "lemore", "format_version": FORMAT_VERSION, "architecture": trained.network.NAME}
    metadata.update({key: json.dumps(value, ensure_ascii=False) for key, value in texts.items()})
    try:
        safetensors.write(output, tensors, metadata, weight_file.check)
    except fields.FieldError as error:
        raise ConvertError(f"{source}: would become a file that lemore refuses: {error}") from None
    return tensors


def run(args):
    if Path(args.output).resolve() == Path(args.input).resolve():
        raise ConvertError(f"{args.output}: is the input")
    trained = read_input(args, args.labels, args.protocol)
    if args.label_map:
        trained.preprocessing["label_map"] = args.label_map
    metrics = fields.load_json(args.metrics) if args.metrics else plain_figures(trained.weights.extras.get("metrics"))
    tensors = write(trained, args.output, args.input, args.license, metrics)
    say_notes(args, trained)
    count = sum(array.size for array in tensors.values())
    print(f"{args.output}: {trained.network.NAME}, {trained.config.outputs} classes, {len(tensors)} tensors, {count:,} "
          f"values, {Path(args.output).stat().st_size / 1e6:.2f} MB", file=sys.stderr)  # fmt: skip


def one_line_errors(run, args) -> int:
    """Runs `run(args)` and returns an exit code: whatever is wrong with files from outside becomes one line on
    stderr."""
    try:
        run(args)
    except (
        ConvertError,
        DataError,
        checkpoint.CheckpointError,
        fields.FieldError,
        safetensors.FormatError,
        OSError,
    ) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1
    return 0


def main(argv=None):
    return one_line_errors(run, arguments(argv))


if __name__ == "__main__":
    sys.exit(main())
