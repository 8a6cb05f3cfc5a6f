"""What a run does, in one value: from a recipe file (tools/configs/camvid.json), or from the options of train.py.

A recipe file is strict JSON: unknown fields and wrong types are errors that name the field.
"""

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from .. import fields
from ..data import Labels
from .augmentation import Augmentation

KIND = "recipe"  # the field that tells a recipe from a network's configuration


@dataclass
class Phase:
    """Epochs at one size with one mixture of data sets. The learning rate falls from `lr` times the recipe's towards 0
    over this phase and those after it, up to the next that restarts."""

    name: str
    size: Tuple[int, int]
    epochs: int
    sets: Dict[str, float]  # share of each data set among the images
    scale: Tuple[float, float]
    lr: float = 1.0
    restarts: bool = False


@dataclass
class SetSource:
    """Where a data set lies, below the folder of --data, and how far its labels count."""

    folder: str
    split: Optional[str] = None  # a file of "NAME <tab> train|val" lines; none: folders train and val
    trust: Optional[str] = None  # a folder of gray PNGs: weight of each pixel, 255 for 1
    soft: Optional[str] = None  # a folder of NAME.npz: a teacher's probabilities "prob", uint8 [classes, h, w]
    aspect: Dict[str, float] = field(default_factory=dict)  # true width / height of images whose name begins so
    class_weights: Dict[str, float] = field(default_factory=dict)  # factor on the pixels of a class


@dataclass
class Loss:
    weight_power: float = 0.5  # class weights (median / share)^power
    weight_cap: float = 4.0  # ... within 1 / cap and cap
    lovasz: float = 0.5  # weight of the Lovasz loss beside cross entropy
    boundary: float = 0.0  # additional weight of pixels at the edge between two classes
    deep: float = 0.0  # weight of the losses of auxiliary classifiers on the stages
    hard: float = 1.0  # share of hardest pixels in the cross entropy
    stride: int = 2  # the loss looks at every n-th pixel each way
    trust: bool = True  # whether the trust of pixels counts


@dataclass
class Distillation:
    weight: float = 0.0
    soft: bool = True  # learn from the teacher's probabilities that lie beside the data
    teacher: Optional[str] = None  # a checkpoint of a network to learn from
    agreeing: bool = True  # only where the teacher's best class is the label
    gains: Dict[str, float] = field(default_factory=dict)  # factors on the probabilities of `soft`, by class


@dataclass
class Recipe:
    phases: List[Phase]
    augmentation: Augmentation
    loss: Loss
    distillation: Distillation
    sets: Dict[str, SetSource] = field(default_factory=dict)
    validate: List[str] = field(default_factory=list)  # the first chooses the best weights, others are reported
    epoch_images: Optional[int] = None  # images an epoch; none: all of the set
    balance: float = 0.0  # 0: every image alike; 1: images in proportion to the rarity of their classes
    batch: int = 8
    seed: int = 0
    lr: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 200
    power: float = 0.9
    ema: float = 0.998
    val_every: int = 8
    save_every: int = 500
    source: Optional[dict] = None  # the file's JSON, overrides included; none: made from options


def _range(value, where, low, high):
    pair = tuple(fields.number(n, f"{where}[{i}]", low, high) for i, n in enumerate(fields.items(value, where, 2)))
    if pair[0] > pair[1]:
        fields.fail(where, "[low, high] with low <= high", value)
    return pair


def _factors(value, where, high, names=None):
    fields.check_object(value, where, value if names is None else names)
    return {name: fields.number(n, f"{where}.{name}", 0, high) for name, n in value.items()}


def _relative(value, where):
    text = fields.string(value, where)
    if not text or text.startswith("/") or ".." in Path(text).parts:
        fields.fail(where, "a path below the data folder", value)
    return text


def _part(cls, value, where, readers):
    """An object whose fields are those of the dataclass `cls`; `readers` reads each one that is given."""
    fields.check_object(value, where, readers)
    return cls(**{name: readers[name](item, f"{where}.{name}") for name, item in value.items()})


def _bounded(low, high):
    return lambda value, where: fields.number(value, where, low, high)


def _whole(low, high):
    return lambda value, where: fields.integer(value, where, low, high)


def _required(value, where, names):
    for name in names:
        if name not in value:
            raise fields.FieldError(f"{where}: the field '{name}' is missing")


MANY = 10**6
_share, _flag = _bounded(0, 1), fields.boolean


def _stride(value, where):
    if fields.integer(value, where, 1, 8) not in (1, 2, 4, 8):
        fields.fail(where, "1, 2, 4 or 8", value)
    return value


def _scale(value, where):
    return _range(value, where, 0.05, 20)


def from_json(value, where="recipe") -> Recipe:
    """The recipe in parsed JSON. Errors: FieldError."""
    known = ("recipe", "network", "labels", "phases", "augmentation", "loss", "distillation", "sets", "validate",
             "epoch_images", "balance", "batch", "seed", "lr", "weight_decay", "warmup", "power", "ema", "val_every",
             "save_every")  # fmt: skip
    fields.check_object(value, where, known)
    _required(value, where, ("network", "labels", "phases", "sets", "validate"))
    fields.string(value["network"], f"{where}.network")
    try:
        names = Labels.from_json(value["labels"]).names
    except ValueError as error:
        raise fields.FieldError(f"{where}.labels: {error}") from None

    def folder(item, at):
        return None if item is None else _relative(item, at)

    sets = {}
    for name, item in fields.check_object(value["sets"], f"{where}.sets", value["sets"]).items():
        at = f"{where}.sets.{name}"
        fields.check_object(item, at, SetSource.__dataclass_fields__)
        _required(item, at, ("folder",))
        sets[name] = _part(SetSource, item, at, {
            "folder": _relative, "split": folder, "trust": folder, "soft": folder,
            "aspect": lambda v, w: _factors(v, w, 100),
            "class_weights": lambda v, w: _factors(v, w, 100, names),
        })  # fmt: skip
    augmentation = _part(Augmentation, value.get("augmentation", {}), f"{where}.augmentation", {
        "scale": _scale, "stretch": _bounded(0, 1), "color": _share, "sharpness": _bounded(0, 10), "flip": _flag,
        **{name: _share for name in ("rare_crop", "blur", "jpeg", "cutout", "antialias")},
    })  # fmt: skip
    loss = _part(Loss, value.get("loss", {}), f"{where}.loss", {
        "weight_power": _bounded(0, 10), "weight_cap": _bounded(1, 1000), "hard": _bounded(1e-6, 1),
        "stride": _stride, "trust": _flag, **{name: _bounded(0, 100) for name in ("lovasz", "boundary", "deep")},
    })  # fmt: skip
    distillation = _part(Distillation, value.get("distillation", {}), f"{where}.distillation", {
        "weight": _bounded(0, 100), "soft": _flag, "agreeing": _flag, "gains": lambda v, w: _factors(v, w, 100, names),
        "teacher": lambda v, w: None if v is None else fields.string(v, w),
    })  # fmt: skip
    phases = []
    for i, item in enumerate(fields.items(value["phases"], f"{where}.phases", 1, 16)):
        at = f"{where}.phases[{i}]"
        fields.check_object(item, at, Phase.__dataclass_fields__)
        _required(item, at, ("name", "size", "epochs", "sets"))
        phase = _part(Phase, {"scale": list(augmentation.scale), **item}, at, {
            "name": fields.string, "epochs": _whole(0, MANY), "scale": _scale, "lr": _bounded(0, 1000),
            "restarts": _flag,
            "size": lambda v, w: fields.integers(v, w, 2, 32, fields.MAX_SIZE),
            "sets": lambda v, w: _factors(v, w, 1e6, sets),
        })  # fmt: skip
        if any(n % 32 for n in phase.size):
            fields.fail(f"{at}.size", "multiples of 32", list(phase.size))
        if sum(phase.sets.values()) <= 0:
            fields.fail(f"{at}.sets", "a data set with a share above 0", item["sets"])
        phases.append(phase)
    if not sum(phase.epochs for phase in phases):
        raise fields.FieldError(f"{where}.phases: no phase has an epoch, there is nothing to train")
    chosen = [fields.one_of(name, f"{where}.validate[{i}]", tuple(sets))
              for i, name in enumerate(fields.items(value["validate"], f"{where}.validate", 1, 16))]  # fmt: skip
    readers = {
        "epoch_images": _whole(1, 10**9), "balance": _share, "batch": _whole(2, 65536), "seed": _whole(0, 2**63 - 1),
        "lr": _bounded(1e-12, 1), "weight_decay": _bounded(0, 10), "warmup": _whole(0, MANY), "power": _bounded(0, 10),
        "ema": _bounded(0, 0.9999999), "val_every": _whole(1, MANY), "save_every": _whole(1, 10**9),
    }  # fmt: skip
    numbers = {name: read(value[name], f"{where}.{name}") for name, read in readers.items() if name in value}
    return Recipe(phases, augmentation, loss, distillation, sets, chosen, source=value, **numbers)


def override(value, path, new):
    """A copy of the recipe's JSON with the field at `path` (loss.lovasz, phases.0.epochs) set to `new`."""
    value = copy.deepcopy(value)
    *parts, last = path.split(".")
    at = value
    for i, part in enumerate([*parts, last]):
        inside = isinstance(at, list)
        if inside and not (part.isdigit() and int(part) < len(at)) or not isinstance(at, (dict, list)):
            raise fields.FieldError(f"--set {path}: '{'.'.join([*parts, last][: i + 1])}' is not in the recipe")
        key = int(part) if inside else part
        if i < len(parts):
            if not inside:
                at.setdefault(key, {})
            at = at[key]
        else:
            at[key] = new
    return value


def overrides(value, settings):
    """`settings`: texts PATH=JSON, as --set takes them."""
    for text in settings:
        path, equals, new = text.partition("=")
        if not equals or not path:
            raise fields.FieldError(f"--set: expected NAME=VALUE, got '{text}'")
        value = override(value, path, fields.parse_json(new, f"--set {path}"))
    return value


def from_options(args, half, full) -> Recipe:
    """The recipe that the options of train.py state: one data set, half size first, full size last."""
    augmentation = Augmentation(tuple(args.scale), color=args.color, sharpness=args.sharpness)
    phases = [Phase("half size", tuple(half), args.epochs, {"": 1.0}, tuple(args.scale), restarts=True),
              Phase("full size", tuple(full), args.full_epochs, {"": 1.0}, tuple(args.full_scale))]  # fmt: skip
    loss = Loss(weight_power=args.weight_power, lovasz=args.lovasz, hard=args.hard, stride=args.loss_stride)
    same = ("batch", "seed", "lr", "weight_decay", "warmup", "power", "ema", "val_every", "save_every")
    return Recipe(phases, augmentation, loss, Distillation(), **{name: getattr(args, name) for name in same})


def differences(before, now) -> str:
    """The first field in which two recipes' JSON differ, for a message."""

    def flat(value, path=""):
        if isinstance(value, dict):
            return {k: v for name, item in value.items() for k, v in flat(item, f"{path}.{name}").items()}
        if isinstance(value, list):
            return {k: v for i, item in enumerate(value) for k, v in flat(item, f"{path}.{i}").items()}
        return {path: value}

    one, other = flat(before), flat(now)
    names = [name for name in {**one, **other} if one.get(name) != other.get(name) or (name in one) != (name in other)]
    first = names[0]
    return f"{first.lstrip('.')}: {json.dumps(one.get(first))} then, {json.dumps(other.get(first))} now"
