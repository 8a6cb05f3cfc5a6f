#!/usr/bin/env python3
"""Convert trained LeMoRe weights (.pth, .pt or .safetensors) to the file the C++ library loads.

Nothing in a checkpoint is ever executed. Missing, extra, mis-shaped, non-finite tensors are refused by name.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

try:
    import numpy as np
    import torch
    from lemore_torch import checkpoint, safetensors, weight_file
    from lemore_torch.config import Config, ConfigError
    from lemore_torch.data import MEAN, STD, DataError, Labels
    from lemore_torch.inference_form import inference_form
    from lemore_torch.model import LeMoRe
    from lemore_torch.weight_file import FORMAT_VERSION
except ImportError as error:
    sys.exit(
        f"convert.py: {error}; install it (apt-get install python3-torch python3-pil) and run with /usr/bin/python3"
    )


class ConvertError(ValueError):
    """One line for the user, naming the tensor."""


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="training form: .pth, .pt or .safetensors")
    parser.add_argument("-o", "--output", required=True, help="the .safetensors file to write")
    parser.add_argument("--config", help="configuration JSON (default: the one in the input)")
    parser.add_argument("--labels", help="labels JSON (default: those in the input, else made up)")
    parser.add_argument("--key", metavar="NAME", help="where in the checkpoint the weights are, with dots: ema.state_dict")
    parser.add_argument("--prefix", default="", help="take only the tensors whose names start with this")
    parser.add_argument("--license", default="unspecified", help="terms of the weights, kept in the file")
    parser.add_argument("--metrics", help="JSON file of measured figures (default: those in the input)")
    parser.add_argument(
        "--label-map", choices=("direct", "two_step"), default="direct", help="how logits become labels"
    )
    return parser.parse_args(argv)


def read_training_form(path, prefix="", key=None):
    """Returns ({name: array}, extras) with the extras that the file carries: config, labels, metrics."""
    weights = checkpoint.load(path, key, prefix)
    if weights.folded:
        raise ConvertError(f"{path}: is a file that convert.py wrote; it needs the checkpoint that was converted")
    for note in weights.notes:
        print(f"{path}: {note}", file=sys.stderr)
    return checkpoint.training_state(weights), weights.extras


def some(names, limit=3):
    names = sorted(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(f"'{n}'" for n in names[:limit]) + more


def check_state(state, config, where):
    """Exactly the tensors of LeMoRe(config), right shapes, float, finite, no negative variance."""
    wanted = {
        k: tuple(v.shape) for k, v in LeMoRe(config).state_dict().items() if not k.endswith("num_batches_tracked")
    }
    if wanted.keys() - state.keys():
        raise ConvertError(f"{where}: missing {some(wanted.keys() - state.keys())}")
    extra = {name for name in state.keys() - wanted.keys() if isinstance(state[name], np.ndarray)}
    if extra:
        raise ConvertError(f"{where}: not part of this configuration: {some(extra)}")
    for name, shape in wanted.items():
        array = state[name]
        if not isinstance(array, np.ndarray):
            raise ConvertError(f"{where}: '{name}' is {array!r:.60}, not a tensor")
        if array.shape != shape:
            raise ConvertError(f"{where}: '{name}' is {list(array.shape)}, the configuration asks for {list(shape)}")
        if array.dtype.kind != "f":
            raise ConvertError(f"{where}: '{name}' is {array.dtype}, not floating point")
        if not np.isfinite(array).all():
            raise ConvertError(f"{where}: '{name}' has values that are not finite")
        if name.endswith("running_var") and (array < 0).any():
            raise ConvertError(f"{where}: '{name}' has a negative variance")


def build_model(state, config, where):
    """LeMoRe(config) with the weights of `state`, checked, in evaluation mode."""
    check_state(state, config, where)
    model = LeMoRe(config).eval()
    model.load_state_dict({name: torch.tensor(state[name]).float() for name in state if isinstance(state[name], np.ndarray)}, strict=False)
    return model


def configuration(args, extras):
    """From --config, else from the input."""
    if args.config:
        return Config.load(args.config)
    if "config" not in extras:
        raise ConvertError(f"{args.input}: carries no configuration; give one with --config")
    return Config.from_json(extras["config"])


def convert(state, config, labels, output, source, license_text="unspecified", metrics=None, label_map="direct"):
    """Writes the inference form of `state` to `output`; `source` is the path that provenance is taken from."""
    classes = config.num_classes if config.classes_only is None else config.classes_only
    labels = labels or Labels.generated(classes)
    if len(labels.names) != classes:
        raise ConvertError(f"{len(labels.names)} class names, but the configuration has {classes} classes")
    check_state(state, config, source)
    with np.errstate(all="ignore"):
        tensors = inference_form(config, state)
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise ConvertError(f"{source}: '{name}' overflows when BatchNorm is folded into it")
    provenance = {
        "source": Path(source).name, "source_sha256": hashlib.sha256(Path(source).read_bytes()).hexdigest(),
        "license": license_text, "converter": f"tools/convert.py, format {FORMAT_VERSION}", "metrics": metrics or {},
    }  # fmt: skip
    preprocessing = {
        "channel_order": "rgb",
        "mean": list(MEAN),
        "std": list(STD),
        "resize": "bilinear",
        "label_map": label_map,
    }
    texts = {
        "config": config.to_json(),
        "labels": labels.to_json(),
        "preprocessing": preprocessing,
        "provenance": provenance,
    }
    metadata = {"format": "lemore", "format_version": FORMAT_VERSION, "architecture": "lemore"}
    metadata.update({key: json.dumps(value, ensure_ascii=False) for key, value in texts.items()})
    try:
        safetensors.write(output, tensors, metadata, weight_file.check)
    except weight_file.WeightFileError as error:
        raise ConvertError(f"{source}: would become a file that lemore refuses: {error}") from None
    return tensors


def load_json(path):
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConvertError(f"{path}: {error}") from None
    try:
        return weight_file.parse_json(text, path)
    except weight_file.WeightFileError as error:
        raise ConvertError(str(error)) from None


def plain_figures(value, depth=0):
    """Measured figures of a checkpoint as JSON has them: tensors and numpy numbers become numbers, what is no number
    (NaN, the score of a class that was not there) null, and what is no figure at all is left out."""
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


def run(args):
    if Path(args.output).resolve() == Path(args.input).resolve():
        raise ConvertError(f"{args.output}: is the input")
    state, extras = read_training_form(args.input, args.prefix, args.key)
    config = configuration(args, extras)
    labels = Labels.load(args.labels) if args.labels else None
    if labels is None and "labels" in extras:
        try:
            labels = Labels.from_json(extras["labels"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConvertError(f"{args.input}: labels: {type(error).__name__}: {error}") from None
    metrics = load_json(args.metrics) if args.metrics else plain_figures(extras.get("metrics"))
    tensors = convert(state, config, labels, args.output, args.input, args.license, metrics, args.label_map)
    count = sum(array.size for array in tensors.values())
    print(f"{args.output}: {len(tensors)} tensors, {count:,} values, {Path(args.output).stat().st_size / 1e6:.2f} MB",
          file=sys.stderr)  # fmt: skip


def one_line_errors(run, args) -> int:
    """Runs `run(args)` and returns an exit code: whatever is wrong with files from outside becomes one line on stderr."""
    try:
        run(args)
    except (
        ConvertError,
        ConfigError,
        DataError,
        checkpoint.CheckpointError,
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
