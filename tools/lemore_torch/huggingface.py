"""A model folder of Hugging Face's transformers: config.json, preprocessor_config.json and the weights beside them."""

import re
from pathlib import Path

from . import checkpoint, fields
from .fields import FieldError

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
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
    count = len(value["id2label"]) if isinstance(value.get("id2label"), dict) else value.get("num_labels")
    if count is not None:
        out["num_classes"] = count
    if classifier:
        out["head"] = {"type": "classifier"}
    else:
        out["head"] = {"type": "segformer", "channels": value.get("decoder_hidden_size", 256), "projection": "linear",
                       "classifier": "linear"}  # fmt: skip
    return out


def class_names(value):
    """The names of a parsed config.json in the order of their numbers, or None where it has none of its own."""
    names = value.get("id2label")
    if not isinstance(names, dict) or not names:
        return None
    try:
        by_number = {int(key): name for key, name in names.items()}
    except ValueError:
        raise FieldError("config.json: id2label: expected numbers as keys") from None
    if sorted(by_number) != list(range(len(names))):
        raise FieldError(f"config.json: id2label: expected the keys 0..{len(names) - 1}")
    ordered = [str(by_number[i]) for i in range(len(names))]
    return None if all(re.fullmatch(r"LABEL_\d+", name) for name in ordered) else ordered


def preprocessing(value) -> tuple:
    """(input size, preprocessing, annotation offset) of a parsed preprocessor_config.json, of the new or the old style."""
    where = "preprocessor_config.json"
    if not isinstance(value, dict):
        raise FieldError(f"{where}: expected an object")
    size = value.get("size", 512)
    if isinstance(size, dict):
        if {"height", "width"} <= size.keys():
            size = [size["height"], size["width"]]
        else:
            raise FieldError(f"{where}: size: expected height and width, got {sorted(size)}")
    elif isinstance(size, list):
        size = size[::-1]  # the old style wrote [width, height]
    else:
        size = [size, size]
    size = list(fields.integers(size, f"{where}: size", 2, fields.MIN_SIZE, fields.MAX_SIZE))
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
        numbers = [fields.number(n, f"{where}: image_{name}", -1e6, 1e6) for n in fields.items(numbers, where, 3)]
        out[name] = [round(n / factor, 6) for n in numbers]
    if value.get("do_center_crop") or value.get("do_pad"):
        raise FieldError(f"{where}: do_center_crop and do_pad are not read")
    reduce = value.get("do_reduce_labels", value.get("reduce_labels", False))
    return size, out, 1 if reduce is True else 0


def read(folder, key=None, prefix="") -> checkpoint.Weights:
    """The weights of a folder; its configuration, class names and protocol are among the extras."""
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise checkpoint.CheckpointError(f"{folder}: a folder without config.json is no Hugging Face model")
    found = [folder / name for name in WEIGHTS if (folder / name).is_file()]
    if not found:
        sharded = any(folder.glob("*.index.json"))
        hint = "; weights in several files are not read" if sharded else ""
        raise checkpoint.CheckpointError(f"{folder}: expected {' or '.join(WEIGHTS)} beside config.json{hint}")
    weights = checkpoint.load(found[0], key, prefix)
    weights.own_folder = folder
    try:
        config = fields.load_json(folder / "config.json")
        classifier = not any(name.startswith("decode_head.") for name in weights.state)
        given = configuration(config, classifier)
        names, ignore = class_names(config), config.get("semantic_loss_ignore_index", 255)
        offset, protocol = 0, None
        if (folder / "preprocessor_config.json").is_file():
            given["input_size"], protocol, offset = preprocessing(fields.load_json(folder / "preprocessor_config.json"))
        else:
            weights.notes.append("no preprocessor_config.json: taken as 512x512, Pillow's bilinear, ImageNet's mean and std")
            given["input_size"], protocol, offset = preprocessing({})
    except FieldError as error:
        raise checkpoint.CheckpointError(f"{folder}: {str(error).replace(str(folder) + '/', '')}") from None
    weights.extras = {"config": given, "preprocessing": protocol, "names": names, "annotation_offset": offset,
                      "ignore_label": ignore if isinstance(ignore, int) and -1 <= ignore <= 65535 else 255}  # fmt: skip
    return weights
