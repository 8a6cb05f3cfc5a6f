"""A model folder of Hugging Face's transformers: config.json, preprocessor_config.json and the weights beside them."""

import re
from pathlib import Path

from . import checkpoint, fields
from .fields import FieldError

INDEX = ".index.json"  # beside weights in several files
WEIGHTS = ("model.safetensors", f"model.safetensors{INDEX}", "pytorch_model.bin", f"pytorch_model.bin{INDEX}")
# What a folder without such weights may have instead, and what to do about it.
_OTHERS = (
    ("adapter_config.json",
     "a PEFT adapter (LoRA or the like), which is a change to the weights of another model: merge it into "
     "that with merge_and_unload() and save_pretrained()"),
    ("tf_model.h5", "TensorFlow's weights: load them in transformers with from_tf=True and save_pretrained()"),
    ("flax_model.msgpack", "Flax's weights: load them in transformers with from_flax=True and save_pretrained()"),
    ("onnx/model.onnx", "an ONNX model: convert the PyTorch weights that it was made from"),
    ("model.onnx", "an ONNX model: convert the PyTorch weights that it was made from"),
)  # fmt: skip
_LISTS = {"channels": "hidden_sizes", "depths": "depths", "heads": "num_attention_heads", "reductions": "sr_ratios",
          "mlp_ratios": "mlp_ratios", "patch_sizes": "patch_sizes", "strides": "strides"}  # fmt: skip
_FIXED = {"model_type": "segformer", "hidden_act": "gelu", "num_channels": 3, "num_encoder_blocks": 4}
_EPS = 1e-5  # layer_norm_eps in config.json says otherwise; transformers does not read it


def _whole(value):
    """4.0 as 4: some files write ratios as floats."""
    return int(value) if isinstance(value, float) and value == int(value) else value


def configuration(value, classifier) -> dict:
    """The configuration of a parsed config.json."""
    if not isinstance(value, dict):
        raise FieldError("config.json: expected an object")
    for name, expected in _FIXED.items():
        if value.get(name, expected) != expected:
            raise FieldError(f"config.json: {name}: expected {expected!r}, got {value[name]!r:.60}")
    if "model_type" not in value:
        raise FieldError("config.json: model_type: expected 'segformer', got nothing")
    backbone = {"type": "mit", "norm_eps": _EPS, "patch_norm_eps": _EPS, "reduction_norm_eps": _EPS}
    for ours, theirs in _LISTS.items():
        if theirs in value:
            given = value[theirs]
            backbone[ours] = [_whole(n) for n in given] if isinstance(given, list) else given
    out = {"backbone": backbone}
    count = value.get("num_labels")
    if isinstance(value.get("id2label"), dict):
        numbers = _by_number(value["id2label"])
        # Of what has gaps, the weights say how many classes there are.
        count = len(numbers) if numbers is not None and sorted(numbers) == list(range(len(numbers))) else None
    if count is not None:
        out["num_classes"] = count
    if classifier:
        out["head"] = {"type": "classifier"}
    else:
        out["head"] = {"type": "segformer", "channels": value.get("decoder_hidden_size", 256), "projection": "linear",
                       "classifier": "linear"}  # fmt: skip
    return out


def _by_number(names):
    """{number: name}, or None where a key is no number."""
    try:
        return {int(key): str(name) for key, name in names.items()}
    except ValueError:
        return None


def class_names(value, count):
    """(names of the `count` classes of a parsed config.json, note); no names where it has none of its own."""
    names = value.get("id2label")
    if not isinstance(names, dict) or not names:
        return None, None
    by_number = _by_number(names)
    if by_number is None:
        raise FieldError("config.json: id2label: expected numbers as keys; --labels gives the names instead")
    if min(by_number) < 0 or max(by_number) >= count:
        raise FieldError(f"config.json: id2label: expected keys in 0..{count - 1}, as the weights have {count} classes, got "
                         f"{max(by_number) if min(by_number) >= 0 else min(by_number)}; --labels gives the names instead")  # fmt: skip
    missing = [i for i in range(count) if i not in by_number]
    ordered = [by_number.get(i, f"class {i}") for i in range(count)]
    if all(re.fullmatch(r"LABEL_\d+", name) for name in by_number.values()):
        return None, None
    note = f"id2label has no name for {', '.join(map(str, missing[:8]))}: made up" if missing else None
    return ordered, note


def preprocessing(value) -> tuple:
    """(input size, preprocessing, annotation offset) of a parsed preprocessor_config.json, of the new or the old
    style."""
    where = "preprocessor_config.json"
    if not isinstance(value, dict):
        raise FieldError(f"{where}: expected an object")
    size = value.get("size", 512)
    if isinstance(size, dict):
        if {"height", "width"} <= size.keys():
            size = [size["height"], size["width"]]
        else:
            raise FieldError(f"{where}: size: expected height and width, got {', '.join(sorted(size))}")
    elif isinstance(size, list):
        size = size[::-1]  # the old style wrote [width, height]
    else:
        size = [size, size]
    size = list(fields.integers(size, f"{where}: size", 2, 1, fields.MAX_SIZE))
    out = {"channel_order": "rgb", "resize": "pillow", "size_rule": "exact", "mode": "whole", "label_map": "direct"}
    if not value.get("do_resize", True):
        out["size_rule"] = "native"
    elif value.get("resample", 2) != 2:
        raise FieldError(f"{where}: resample: expected 2 (bilinear), got {value['resample']!r:.40}")
    factor = value.get("rescale_factor", 1 / 255) if value.get("do_rescale", True) else 1.0
    factor = fields.number(factor, f"{where}: rescale_factor", 1e-6, 1e6)
    mean, std = [0.0] * 3, [1.0] * 3
    if value.get("do_normalize", True):
        mean, std = value.get("image_mean", [0.485, 0.456, 0.406]), value.get("image_std", [0.229, 0.224, 0.225])
    for name, numbers in (("mean", mean), ("std", std)):
        numbers = [numbers] * 3 if isinstance(numbers, (int, float)) else numbers
        lowest = 1e-6 if name == "std" else -1e6
        numbers = [fields.number(n, f"{where}: image_{name}", lowest, 1e6) for n in fields.items(numbers, where, 3)]
        out[name] = [round(n / factor, 6) for n in numbers]
    if value.get("do_center_crop") or value.get("do_pad"):
        raise FieldError(f"{where}: do_center_crop and do_pad are not read")
    reduce = value.get("do_reduce_labels", value.get("reduce_labels", False))
    return size, out, 1 if reduce is True else 0


def _weights_of(folder, key, prefix):
    """The weights of a folder, in one file or in several."""
    for name in WEIGHTS:
        path = folder / name
        if path.is_file():
            return (
                checkpoint.load_shards(path, key, prefix)
                if name.endswith(INDEX)
                else checkpoint.load(path, key, prefix)
            )
    variants = sorted(p for pattern in ("model.*.safetensors", "pytorch_model.*.bin") for p in folder.glob(pattern))
    if len(variants) == 1:  # model.fp16.safetensors
        weights = checkpoint.load(variants[0], key, prefix)
        weights.notes.append(f"takes {variants[0].name}")
        return weights
    for name, what in _OTHERS:
        if (folder / name).is_file():
            raise checkpoint.CheckpointError(f"{folder}: '{name}' is {what}")
    raise checkpoint.CheckpointError(f"{folder}: expected {' or '.join(WEIGHTS[::2])} beside config.json")


def _no_model(folder):
    """Why a folder without config.json is none, and where one may be."""
    if (folder / "adapter_config.json").is_file():
        return f"'adapter_config.json' is {_OTHERS[0][1]}"
    below = sorted(folder.glob("*/config.json")) or sorted(folder.glob("snapshots/*/config.json"))
    hint = f"; there is one in '{below[-1].parent.relative_to(folder)}'" if below else ""
    return f"a folder without config.json is no Hugging Face model{hint}"


def read(folder, key=None, prefix="") -> checkpoint.Weights:
    """The weights of a folder; its configuration, class names and protocol are among the extras.

    What is wrong with class names or protocol is kept as `problems` there, since options may give them instead.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise checkpoint.CheckpointError(f"{folder}: {_no_model(folder)}")
    weights = _weights_of(folder, key, prefix)
    extras = {"annotation_offset": 0, "problems": {}}
    try:
        config = fields.load_json(folder / "config.json")
        classifier = not any(name.startswith("decode_head.") for name in weights.state)
        given = configuration(config, classifier)
    except FieldError as error:
        raise checkpoint.CheckpointError(f"{folder}: {str(error).replace(str(folder) + '/', '')}") from None
    output = weights.state.get("classifier.weight" if classifier else "decode_head.classifier.weight")
    try:
        names, note = class_names(config, len(output)) if output is not None and output.ndim else (None, None)
        extras["names"] = names
        weights.notes += [note] if note else []
    except FieldError as error:
        extras["problems"]["names"] = str(error)
    try:
        described = {}
        if (folder / "preprocessor_config.json").is_file():
            described = fields.load_json(folder / "preprocessor_config.json")
        else:
            weights.notes.append(
                "no preprocessor_config.json: taken as 512x512, Pillow's bilinear, ImageNet's mean and std"
            )
        given["input_size"], extras["preprocessing"], extras["annotation_offset"] = preprocessing(described)
        kind = described.get("image_processor_type", described.get("feature_extractor_type", "Segformer"))
        if not str(kind).startswith("Segformer"):
            weights.notes.append(f"preprocessor_config.json is of {kind!s:.60}: read as SegFormer's")
    except FieldError as error:
        extras["problems"]["preprocessing"] = str(error).replace(f"{folder}/", "")
    ignore = config.get("semantic_loss_ignore_index", 255)
    extras["ignore_label"] = ignore if isinstance(ignore, int) and -1 <= ignore <= 65535 else 255
    weights.extras = {"config": given, **extras}
    return weights
