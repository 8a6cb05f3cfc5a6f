"""The options of tools/train.py."""

import argparse
import datetime
import sys
from pathlib import Path

import torch

from .. import loading
from ..fields import FieldError
from . import recipe
from ..options import Parser, add_pairing, integer, number, size

BESIDE_A_RECIPE = ("--config", "--set", "--data", "--cache", "--out", "--resume", "--threads", "--workers", "--device")


def _moment(text):
    """A date and time as seconds since 1970."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"expected an ISO date and time such as 2030-01-31T18:00, got '{text}'"
        ) from None


def _device(text):
    if text == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number_ = text.partition(":")
    if kind not in ("cpu", "cuda") or (number_ and not number_.isdigit()) or (kind == "cpu" and number_):
        raise argparse.ArgumentTypeError(f"expected cpu, cuda, cuda:N or auto, got '{text}'")
    if kind == "cuda" and int(number_ or 0) >= torch.cuda.device_count():
        raise argparse.ArgumentTypeError(f"'{text}' is not here: PyTorch sees {torch.cuda.device_count()} CUDA devices")
    return text


def arguments(description, argv=None):
    """The options; with a recipe its JSON in `recipe`. Errors in a --set are a FieldError."""
    parser = Parser(description)
    add = parser.add_argument
    scale, many = number(0.05, 20), 10**6
    add("--data", help="folder with {train,val}/{images,labels}; with a recipe, the folder of its data sets ('data')")
    add("--labels", help="labels file: class names, colours, ignore value, annotation offset")
    add("--label-map", metavar="FILE", help="what values or colours of the label pictures mean (docs/images.md)")
    add_pairing(parser)
    add("--config", metavar="FILE",
        help="network configuration (default: that of --init, with the classes of --labels), "
        "or a recipe, which states all but --data, --cache, --out, --resume, --threads, --workers and --device")  # fmt: skip
    add("--set", action="append", default=[], metavar="FIELD=JSON", help="changes a field of the recipe: loss.lovasz=0")
    add("--cache", metavar="DIR", help="where a recipe's data sets are kept decoded (default: cache in the run folder)")
    add("--size", type=size, metavar="HxW", help="final size of the network's input (default: the configuration's)")
    add("--out", help="run folder: last.pth, best.pth, log.csv, curve.png (with a recipe, runs/ and its name)")
    add("--init", metavar="FILE", help="weights to start from: whatever convert.py takes, and what it writes")
    add("--key", metavar="NAME", help="which weights of --init, where it holds several")
    add("--resume", action="store_true", help="go on from last.pth in the run folder, if there is one")
    add("--epochs", type=integer(0, many), default=120, help="epochs at half size")
    add("--full-epochs", type=integer(0, many), default=20, help="epochs at full size, after those")
    add(
        "--deadline",
        type=_moment,
        help="ISO date and time (2030-01-31T18:00) to be done by: epochs are left out to keep it",
    )
    add("--batch", type=integer(1, 65536), default=8, help="images a step")
    add("--lr", type=number(0, 1, above=True), default=2e-3, help="learning rate")
    add("--weight-decay", type=number(0, 10), default=0.01, help="not on norms, biases and other vectors")
    add("--warmup", type=integer(0, many), default=200, help="steps of linear warm-up")
    add("--power", type=number(0, 10), default=0.9, help="of the poly schedule")
    add("--ema", type=number(0, 1, below=True), default=0.998, help="decay of the averaged weights a step")
    add("--scale", type=scale, nargs=2, default=(0.5, 2.0), metavar=("LOW", "HIGH"), help="random scale at half size")
    add("--full-scale", type=scale, nargs=2, metavar=("LOW", "HIGH"), help="random scale at full size (default: same)")
    add("--color", type=number(0, 1), default=0.3, help="strength of colour changes, 0 for none")
    add("--sharpness", type=number(0, 10), default=1.0, help="strength of blur, sharpening and noise, 0 for none")
    add("--weight-power", type=number(0, 10), default=0.5, help="class weights (median/share)^P; 0 for none")
    add("--lovasz", type=number(0, 100), default=0.5, help="weight of the Lovasz loss beside cross entropy; 0 for none")
    add(
        "--hard",
        type=number(0, 1, above=True),
        default=1.0,
        help="share of hardest pixels in the cross entropy; 1 for all",
    )
    add("--loss-stride", type=integer(1, 32), default=2, help="the loss looks at every n-th pixel each way")
    add("--val-every", type=integer(1, many), default=8, help="epochs between validations")
    add("--save-every", type=integer(1, 10**9), default=500, help="steps between checkpoints inside an epoch")
    add("--seed", type=integer(0, 2**63 - 1), default=0, help="of everything random")
    add("--threads", type=integer(0, 1024), default=0, help="CPU threads (default: as PyTorch chooses)")
    add("--workers", type=integer(0, 256), default=0, help="processes that prepare batches; the result is the same")
    add("--device", type=_device, default="auto", help="cpu, cuda, cuda:N or auto")
    argv = sys.argv[1:] if argv is None else list(argv)
    args = parser.parse_args(argv)
    args.device = _device(args.device)
    try:
        value = loading.named_config(args.config) if args.config else {}
    except FieldError:
        value = {}  # the trainer says it, once the options are known to be right
    args.recipe = recipe.overrides(value, args.set) if recipe.KIND in value else None
    if args.recipe:
        stated = [
            word.split("=")[0] for word in argv if word.startswith("--") and word.split("=")[0] not in BESIDE_A_RECIPE
        ]
        if stated:
            parser.error(f"{stated[0]}: {args.config} is a recipe, which states it; --set changes one of its fields")
        args.data = args.data or "data"
        args.out = f"runs/{Path(args.config).stem}" if args.out is None else args.out
        if not args.out:
            parser.error("--out: expected a folder, got ''")
        return args
    for name in ("set", "cache"):
        if getattr(args, name):
            parser.error(f"--{name}: is for recipes, and --config names none")
    missing = [f"--{name}" for name in ("data", "labels", "out") if getattr(args, name) is None]
    if missing:
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    args.full_scale = args.full_scale or args.scale
    for name in ("scale", "full_scale"):
        low, high = getattr(args, name)
        if low > high:
            parser.error(f"--{name.replace('_', '-')}: expected LOW HIGH with LOW <= HIGH, got {low} {high}")
    if args.epochs + args.full_epochs == 0:
        parser.error("--epochs and --full-epochs are both 0: there is nothing to train")
    if args.epochs and any(n % 64 for n in args.size or ()):
        parser.error("--size: expected multiples of 64, as half of it comes first, in multiples of 32, or --epochs 0")
    if not args.out:
        parser.error("--out: expected a folder, got ''")
    if not args.config and not args.init:
        parser.error("--config: expected a configuration, or with --init a file that carries one")
    if args.key and not args.init:
        parser.error("--key chooses weights of --init, which is not there")
    return args
