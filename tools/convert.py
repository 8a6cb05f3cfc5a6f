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
    from lemore_torch import checkpoint, safetensors
    from lemore_torch.config import Config, ConfigError
    from lemore_torch.data import MEAN, STD, DataError, Labels
    from lemore_torch.inference_form import inference_form
    from lemore_torch.model import LeMoRe
except ImportError as error:
    sys.exit(
        f"convert.py: {error}; install it (apt-get install python3-torch python3-pil) and run with /usr/bin/python3"
    )

FORMAT_VERSION = "1"
WRAPPERS = ("state_dict", "model")
PREFIXES = ("module.", "backbone.")


class ConvertError(ValueError):
    """One line for the user, naming the tensor."""


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="training form: .pth, .pt or .safetensors")
    parser.add_argument("-o", "--output", required=True, help="the .safetensors file to write")
    parser.add_argument("--config", help="configuration JSON (default: the one in the input)")
    parser.add_argument("--labels", help="labels JSON (default: those in the input, else made up)")
    parser.add_argument("--prefix", default="", help="take only the tensors whose names start with this")
    parser.add_argument("--license", default="unspecified", help="terms of the weights, kept in the file")
    parser.add_argument("--metrics", help="JSON file of measured figures (default: those in the input)")
    parser.add_argument(
        "--label-map", choices=("direct", "two_step"), default="direct", help="how logits become labels"
    )
    return parser.parse_args(argv)


def strip(name):
    while name.startswith(PREFIXES):
        name = name.split(".", 1)[1]
    return name


def read_training_form(path, prefix=""):
    """Returns ({name: array}, extras) with the extras that the file carries: config, labels, metrics."""
    if Path(path).suffix == ".safetensors":
        try:
            tensors, metadata = safetensors.read(path)
        except OSError as error:
            raise ConvertError(f"{path}: {error.strerror}") from None
        extras = {}
        for key in ("config", "labels", "metrics"):
            if key in metadata:
                try:
                    extras[key] = json.loads(metadata[key])
                except ValueError as error:
                    raise ConvertError(f"{path}: metadata '{key}': {error}") from None
    else:
        value = checkpoint.read(path)
        if not isinstance(value, dict):
            raise ConvertError(f"{path}: holds a {type(value).__name__}, not a dict of tensors")
        extras = {key: value[key] for key in ("config", "labels", "metrics") if isinstance(value.get(key), dict)}
        while True:
            inner = next((value[key] for key in WRAPPERS if isinstance(value.get(key), dict)), None)
            if inner is None:
                break
            value = inner
        tensors = value
    out = {}
    for name, array in tensors.items():
        if not isinstance(name, str) or not name.startswith(prefix):
            continue
        short = strip(name[len(prefix) :])
        if short in out:
            raise ConvertError(f"{path}: two tensors called '{short}'")
        if not isinstance(array, np.ndarray):
            raise ConvertError(f"{path}: '{name}' is a {type(array).__name__}, not a tensor")
        out[short] = array
    if not out:
        raise ConvertError(f"{path}: no tensors" + (f" called '{prefix}...'" if prefix else ""))
    return {name: array for name, array in out.items() if not name.endswith("num_batches_tracked")}, extras


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
    if state.keys() - wanted.keys():
        raise ConvertError(f"{where}: not part of this configuration: {some(state.keys() - wanted.keys())}")
    for name, shape in wanted.items():
        array = state[name]
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
    model.load_state_dict({name: torch.from_numpy(array).float() for name, array in state.items()}, strict=False)
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
    safetensors.write(output, tensors, metadata)
    return tensors


def load_json(path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConvertError(f"{path}: {error}") from None


def run(args):
    if Path(args.output).resolve() == Path(args.input).resolve():
        raise ConvertError(f"{args.output}: is the input")
    state, extras = read_training_form(args.input, args.prefix)
    config = configuration(args, extras)
    labels = Labels.load(args.labels) if args.labels else None
    if labels is None and "labels" in extras:
        try:
            labels = Labels.from_json(extras["labels"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConvertError(f"{args.input}: labels: {type(error).__name__}: {error}") from None
    metrics = load_json(args.metrics) if args.metrics else extras.get("metrics")
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
