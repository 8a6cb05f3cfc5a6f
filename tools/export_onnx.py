#!/usr/bin/env python3
"""Write a trained network as ONNX, for other runtimes and to compare with them.

What is written is the plain PyTorch module as torch.onnx exports it, for one input size: `image` [1, 3, H, W],
normalised RGB, to `logits`; with --labels to `labels`, the uint8 label map at the input's size.

    python3 tools/export_onnx.py segformer-b0-finetuned-ade-512-512 -o b0.onnx --size 512x512
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    sys.exit(f"export_onnx.py: {error}; install it (apt-get install python3-torch) and run with /usr/bin/python3")

import convert
from dump_reference import parse_size

OPSET = 17  # the first with LayerNormalization


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="IN", help="a model folder or a checkpoint, as convert.py takes them")
    parser.add_argument("-o", "--output", required=True, help="the .onnx file to write")
    convert.add_input_options(parser)
    parser.add_argument("--size", help="HxW of the input (default: the configuration's)")
    parser.add_argument("--labels", action="store_true", help="end with the label map instead of the logits")
    return parser.parse_args(argv)


class LabelMap(torch.nn.Module):
    """Logits resized to `size`, the first maximum of each pixel."""

    def __init__(self, network, size):
        super().__init__()
        self.network, self.size = network, size

    def forward(self, image):
        logits = F.interpolate(self.network(image), self.size, mode="bilinear", align_corners=False)
        return logits.argmax(1).to(torch.uint8)


def export(model, size, path, labels=False):
    """Writes `model` for inputs of `size` to `path`; raises a ConvertError where ONNX can't express it."""
    module = (LabelMap(model, size) if labels else model).float().eval()
    # Newer PyTorch has another exporter, which needs more packages; this one writes the same graph everywhere.
    newer = {} if tuple(int(n) for n in torch.__version__.split(".")[:2]) < (2, 5) else {"dynamo": False}
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the tracer's notes on sizes, which are fixed here
            torch.onnx.export(module, torch.zeros(1, 3, *size), str(temporary), opset_version=OPSET,
                              input_names=["image"], output_names=["labels" if labels else "logits"],
                              **newer)  # fmt: skip
        os.replace(temporary, path)
    except RuntimeError as error:
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise convert.ConvertError(f"{path}: an input of {size[0]}x{size[1]} can't be exported: {said[:200]}") from None
    finally:
        temporary.unlink(missing_ok=True)


def run(args):
    trained = convert.read_input(args)
    if args.labels and trained.config.is_classifier:
        raise convert.ConvertError(f"{args.input}: a classifier has no label map")
    size = parse_size(args.size, trained.config.input_size)
    export(trained.model, size, args.output, args.labels)
    print(f"{args.output}: {trained.network.NAME}, input 1x3x{size[0]}x{size[1]}, "
          f"{Path(args.output).stat().st_size / 1e6:.2f} MB", file=sys.stderr)  # fmt: skip


def main(argv=None):
    return convert.one_line_errors(run, arguments(argv))


if __name__ == "__main__":
    sys.exit(main())
