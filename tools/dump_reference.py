#!/usr/bin/env python3
"""Run the PyTorch reference in float64 and write every named stage as float32, for `lemore compare`."""

import argparse
import json
import sys

try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    sys.exit(f"dump_reference.py: {error}; install it (apt-get install python3-torch) and run with /usr/bin/python3")

import convert
from lemore_torch import networks, safetensors
from lemore_torch.data import normalise, read_image


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", metavar="IN", help="a model folder or a checkpoint, as convert.py takes them")
    parser.add_argument("-o", "--output", required=True, help="the .safetensors dump to write")
    convert.add_input_options(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--image", help="photograph, resized to --size and normalised")
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
        x = read_image(args.image)[None].float()
        if tuple(x.shape[2:]) != size:
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        x = normalise(x)
    else:
        x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(args.seed))
    tensors = write_dump(model, x, args.output)
    print(f"{args.output}: {len(tensors)} tensors of a {size[0]}x{size[1]} input", file=sys.stderr)


def main(argv=None):
    return convert.one_line_errors(run, arguments(argv))


if __name__ == "__main__":
    sys.exit(main())
