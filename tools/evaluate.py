#!/usr/bin/env python3
"""Score a trained network against label images: the Python reference of `lemore eval`.

Images are prepared and label maps made as the network's authors test it; plainly, each image is resized to the
network's input size, its logits straight to the label's size, then argmax. IoU comes from
integer confusion counts; classes in neither truth nor prediction are left out of the means.
"""

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
from lemore_torch import preparing, protocol
from lemore_torch.data import DataError, load_label_map, pairs, read_pair
from lemore_torch.evaluation import evaluate
from lemore_torch.options import Parser, add_pairing, integer

RULES = ("direct", "two_step")


def arguments(argv=None):
    parser = Parser(__doc__)
    add = parser.add_argument
    add("input", metavar="IN", help="a model folder or a checkpoint, as convert.py takes them")
    add("--images", required=True, help="folder of images")
    add("--labels", required=True, help="folder of label PNGs of the same names")
    add_pairing(parser)
    add("--label-map", metavar="FILE", help="what values or colours of the label pictures mean (docs/images.md)")
    add("--classes", help="labels JSON (default: the one in the checkpoint)")
    convert.add_input_options(parser)
    add("--size", help="HxW of the network's input (default: the configuration's)")
    add("--protocol", choices=protocol.PROTOCOLS, help="how its authors test it (default: as convert.py takes it)")
    add("--logits", choices=RULES, help="how logits become labels: resized straight to the label's size, or to the "
        "network's input first (default: the protocol's)")  # fmt: skip
    add("--json", metavar="FILE", help="write all figures here, the confusion counts too")
    add("--threads", type=integer(0, 1024), default=0, help="CPU threads (default: as PyTorch chooses)")
    args = parser.parse_args(argv)
    if args.label_map in RULES:  # what --logits was called before
        args.logits, args.label_map = args.label_map, None
    return args


def run(args):
    if args.threads:
        torch.set_num_threads(args.threads)
    trained = convert.read_input(args, args.classes, args.protocol)
    convert.say_notes(args, trained)
    model, labels = trained.model, trained.labels
    size = parse_size(args.size, model.config.input_size)
    if model.config.is_classifier:
        raise DataError(f"{args.input}: a classifier has no label maps to be scored")
    label_map = load_label_map(args.label_map, labels)
    files = pairs(args.images, args.labels, args.pair, args.recursive)

    def items():
        for number, paths in enumerate(files, 1):
            pair = read_pair(*paths, labels, label_map)
            if sys.stderr.isatty():
                print(f"\r{number}/{len(files)}\033[K", end="", file=sys.stderr, flush=True)
            yield pair

    preparation = {**trained.preprocessing, **({"label_map": args.logits} if args.logits else {})}
    result = evaluate(model, items(), labels.names, size,
                      predict=lambda image: preparing.predict(model, image, size, preparation))  # fmt: skip
    if not any(map(sum, result["confusion"])):
        raise DataError(f"{args.labels}: every pixel is ignored, nothing can be scored")
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
