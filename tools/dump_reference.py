#!/usr/bin/env python3
"""Run the PyTorch reference in float64 and write every named stage as float32, for `lemore compare`."""

import argparse
import json
import sys

try:
    import torch
except ImportError as error:
    sys.exit(f"dump_reference.py: {error}; install it (apt-get install python3-torch) and run with /usr/bin/python3")

import convert
from lemore_torch import networks, preparing, safetensors
from lemore_torch.data import read_image


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", metavar="IN", help="a model folder or a checkpoint, as convert.py takes them")
    parser.add_argument("-o", "--output", required=True, help="the .safetensors dump to write")
    convert.add_input_options(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--image", help="photograph, prepared as the network's protocol says (or resized to --size)")
    source.add_argument("--seed", type=int, help="seed of a standard normal input")
    parser.add_argument("--size", help="HxW of the input (default: the configuration's)")
    return parser.parse_args(argv)


def parse_size(text, default):
    if text is None:
        return tuple(default)
    try:
        height, width = (int(n) for n in text.lower().split("x"))
    except ValueError:
        height = width = 0
    if min(height, width) < 32:
        raise convert.ConvertError(f"--size {text}: expected HxW, 32x32 or more")
    return height, width


def write_dump(model, image, path):
    """`image`: normalised input [1, 3, H, W]. Leaves the model in float64."""
    image = image.float()
    network = networks.of_model(model)
    stages = network.run_with_stages(model.double(), image.double())
    output = stages.pop("output")
    stages = {name: tensor for name, tensor in stages.items() if not network.folded_away(model.config, name)}
    tensors = {"input": image, **{f"out.{name}": tensor for name, tensor in stages.items()}, "output": output}
    metadata = {"format": "lemore-dump", "architecture": network.NAME, "config": json.dumps(model.config.to_json())}
    safetensors.write(path, {name: tensor.float().contiguous().numpy() for name, tensor in tensors.items()}, metadata)
    return tensors


def run(args):
    trained = convert.read_input(args)
    convert.say_notes(args, trained)
    model = trained.model
    size = parse_size(args.size, model.config.input_size)
    if args.image:
        image = read_image(args.image)
        preparation = trained.preprocessing if args.size is None else {**trained.preprocessing, "size_rule": "exact"}
        x = preparing.prepare(image, size, preparation)
        size = tuple(x.shape[2:])
    else:
        x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(args.seed))
    try:
        tensors = write_dump(model, x, args.output)
    except RuntimeError as error:  # a map smaller than a kernel
        raise convert.ConvertError(f"{args.input}: an input of {size[0]}x{size[1]} can't be run: {error}") from None
    print(f"{args.output}: {len(tensors)} tensors of a {size[0]}x{size[1]} input", file=sys.stderr)


def main(argv=None):
    return convert.one_line_errors(run, arguments(argv))


if __name__ == "__main__":
    sys.exit(main())
