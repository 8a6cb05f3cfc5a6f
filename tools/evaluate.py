#!/usr/bin/env python3
"""Score a trained LeMoRe checkpoint against label images: the Python reference of `lemore eval`.

Each image is resized to the network's input size, its logits straight to the label's size, then argmax. IoU comes from
integer confusion counts; classes in neither truth nor prediction are left out of the means.
"""

import argparse
import json
import os
import sys
from pathlib import Path

try:
    import torch
except ImportError as error:
    sys.exit(f"evaluate.py: {error}; install it (apt-get install python3-torch) and run with /usr/bin/python3")

import convert
from dump_reference import parse_size
from lemore_torch.data import DataError, Labels, pairs, read_image, read_label
from lemore_torch.evaluation import evaluate


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="CHECKPOINT", help="training form: .pth, .pt or .safetensors")
    parser.add_argument("--images", required=True, help="folder of images")
    parser.add_argument("--labels", required=True, help="folder of label PNGs of the same names")
    parser.add_argument("--classes", help="labels JSON (default: the one in the checkpoint)")
    parser.add_argument("--config", help="configuration JSON (default: the one in the checkpoint)")
    parser.add_argument("--prefix", default="", help="take only the tensors whose names start with this")
    parser.add_argument("--size", help="HxW of the network's input (default: the configuration's)")
    parser.add_argument("--label-map", choices=("direct", "two_step"), default="direct")
    parser.add_argument("--json", metavar="FILE", help="write all figures here, the confusion counts too")
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args(argv)


def run(args):
    if args.threads:
        torch.set_num_threads(args.threads)
    state, extras = convert.read_training_form(args.input, args.prefix)
    model = convert.build_model(state, convert.configuration(args, extras), args.input)
    size = parse_size(args.size, model.config.input_size)
    if args.classes:
        labels = Labels.load(args.classes)
    else:
        labels = (
            Labels.from_json(extras["labels"]) if "labels" in extras else Labels.generated(model.config.num_classes)
        )
    if model.config.classes_only is not None or len(labels.names) != model.config.num_classes:
        raise convert.ConvertError(
            f"{args.input}: the network does not predict the {len(labels.names)} classes of the labels"
        )
    files = pairs(args.images, args.labels)

    def items():
        for number, (image_path, label_path) in enumerate(files, 1):
            image, label = read_image(image_path), read_label(label_path, labels)
            if image.shape[1:] != label.shape:
                raise DataError(f"{image_path}: {tuple(image.shape[1:])}, but {label_path} is {tuple(label.shape)}")
            if sys.stderr.isatty():
                print(f"\r{number}/{len(files)}\033[K", end="", file=sys.stderr, flush=True)
            yield image, label

    result = evaluate(model, items(), labels.names, size, two_step=args.label_map == "two_step")
    if args.json:
        path = Path(args.json)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    width = max(len(c["name"]) for c in result["classes"])
    for c in result["classes"]:
        figures = [f"{c[key]:.4f}" if c[key] is not None else "-" for key in ("iou", "accuracy")]
        print(f"{c['name']:{width}}  iou {figures[0]:>6}  accuracy {figures[1]:>6}")
    means = "  ".join(f"{key} {result[key]:.4f}" for key in ("miou", "mean_accuracy", "pixel_accuracy"))
    print(f"{means}  ({len(files)} images)")


def main(argv=None):
    return convert.one_line_errors(run, arguments(argv))


if __name__ == "__main__":
    sys.exit(main())
