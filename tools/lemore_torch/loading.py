"""From whatever people have to a module ready to run: the weights, the network they are of, its configuration, its
classes and how its images are prepared."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import checkpoint, fields, huggingface, networks, protocol
from .checkpoint import CheckpointError
from .data import Labels

CONFIGS = Path(__file__).resolve().parent.parent / "configs"


@dataclass
class Trained:
    """A trained network and everything that its weight file will say."""

    weights: checkpoint.Weights
    naming: str
    model: torch.nn.Module
    labels: Labels
    preprocessing: dict

    @property
    def config(self):
        return self.model.config

    @property
    def network(self):
        return networks.of_model(self.model)


def network_configs():
    """Names of the networks in tools/configs, where recipes of training lie too."""
    found = {path.stem: fields.load_json(path) for path in CONFIGS.glob("*.json")}
    return sorted(name for name, value in found.items() if not {"recipe", "runs"} & value.keys())


def named_config(text) -> dict:
    """The configuration in the file `text`, or the one of that name in tools/configs."""
    path = Path(text)
    if not path.exists() and "/" not in text and (CONFIGS / f"{text}.json").is_file():
        path = CONFIGS / f"{text}.json"
    elif not path.exists() and "/" not in text and not path.suffix:
        known = ", ".join(network_configs())
        raise fields.FieldError(f"{text}: no such file, and none of the configurations {known}")
    value = fields.load_json(path)
    if not isinstance(value, dict):
        raise fields.FieldError(f"{path}: expected an object")
    return value


def configuration(text, classes=None):
    """The Config, of whatever network, in the file `text` or of that name in tools/configs; of `classes` classes
    where it does not say."""
    value = dict(named_config(text))
    if classes is not None and "classes_only" not in value:
        value.setdefault("num_classes", classes)
    try:
        network = networks.of_json(value)
        value.pop("architecture", None)
        return network.Config.from_json(value)
    except fields.FieldError as error:
        raise fields.FieldError(f"{text}: {error}") from None


def read(path, key=None, prefix="") -> checkpoint.Weights:
    """The weights of a file or of a Hugging Face folder."""
    return huggingface.read(path, key, prefix) if Path(path).is_dir() else checkpoint.load(path, key, prefix)


def configuration_of(path, key=None, classes=None):
    """The Config of the network in a file or folder, but for `classes` classes where that is given."""
    weights = read(path, key)
    try:
        given = dict(weights.extras.get("config") or {})
        if weights.folded:
            network, told = networks.of_json({"architecture": weights.metadata.get("architecture")}), given
        else:
            network, naming = networks.of_state(weights.state)
            if network is None:
                raise fields.FieldError("is of no network that is known")
            told = network.configuration(weights.state, naming, given)
        told.pop("architecture", None)
        return network.Config.from_json({**told, **({} if classes is None else {"num_classes": classes})})
    except fields.FieldError as error:
        raise CheckpointError(f"{path}: {error}") from None


def _labels(weights, config, offset):
    """Labels that the file carries, else generated ones; what is made up is noted."""
    extras, count = weights.extras, config.outputs
    if isinstance(extras.get("labels"), dict):
        return Labels.from_json(extras["labels"])
    generated = Labels.generated(count)
    generated.annotation_offset = offset
    generated.ignore_label = extras.get("ignore_label", generated.ignore_label)
    if "names" in extras.get("problems", ()):
        raise CheckpointError(f"{weights.path}: {extras['problems']['names']}")
    meta = extras.get("meta") or {}
    inner = meta.get("dataset_meta") if isinstance(meta.get("dataset_meta"), dict) else {}
    names = extras.get("names") or inner.get("classes") or inner.get("CLASSES") or meta.get("CLASSES")
    colors = inner.get("palette") or inner.get("PALETTE") or meta.get("PALETTE")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        weights.notes.append("no class names in the file: made up; --labels gives them")
        return generated
    if len(names) != count:
        raise CheckpointError(f"{weights.path}: {len(names)} class names, but {count} classes")
    generated.names = [name.strip() for name in names]
    if isinstance(colors, list) and len(colors) == count:
        try:
            generated.colors = [tuple(int(c) for c in color) for color in colors]
        except (TypeError, ValueError):
            colors = None
    if (
        not isinstance(colors, list)
        or len(colors) != count
        or any(len(c) != 3 or min(c) < 0 or max(c) > 255 for c in generated.colors)
    ):
        weights.notes.append("no class colours in the file: made up; --labels gives them")
        generated.colors = Labels.generated(count).colors
    if inner.get("reduce_zero_label") is True:
        generated.annotation_offset = 1
    return generated


def load(path, config=None, key=None, prefix="", labels=None, protocol_name=None) -> Trained:
    """Everything about a trained network. `config` is a file or a name of tools/configs, `labels` a file,
    `protocol_name` one of protocol.PROTOCOLS; each says what the file itself can't, or instead of it. Errors are a
    CheckpointError of one line."""
    weights = read(path, key, prefix)
    if weights.folded:
        raise CheckpointError(f"{path}: is a file that convert.py wrote; it needs the checkpoint that was converted")
    network, naming = networks.of_state(weights.state)
    if network is None:
        shown = ", ".join(f"'{weights.own(name)}'" for name in sorted(weights.state)[:3])
        raise CheckpointError(f"{path}: is of no network that is known; its tensors are {shown} ...")
    try:
        own = weights.extras.get("config")
        if own is not None and not isinstance(own, dict):
            raise fields.FieldError("the configuration in it is not an object")
        given = named_config(config) if config else dict(own or {})
        if given and (config or "architecture" in given) and networks.of_json(given) is not network:
            raise fields.FieldError(f"holds a {network.NAME} network, the configuration is of another")
        given.pop("architecture", None)
        if config and own and network is networks.segformer:  # what is not given is as the file says
            parts = {part: {**own.get(part, {}), **given.get(part, {})} for part in ("backbone", "head")}
            given = {**own, **given, **parts}
        sized = "input_size" in given
        own_form = "config" in weights.extras or network is networks.lemore  # trained here, or a Hugging Face folder
        told = network.configuration(weights.state, naming, given)
        offset_learning = told.get("head", {}).get("classifier") == "offset_learning"
        classes = told.get("num_classes")
        name = protocol_name or (None if own_form else protocol.by_classes(classes))
        offset = weights.extras.get("annotation_offset", 0)
        classifier = told.get("head", {}).get("type") == "classifier"
        if "preprocessing" in weights.extras.get("problems", ()) and not protocol_name:
            raise fields.FieldError(
                f"{weights.extras['problems']['preprocessing']}; --protocol chooses another preparation"
            )
        if name and not classifier:
            size, preparation = protocol.of_form(naming, name, offset_learning)
            offset = 1 if name.startswith("ade20k") else offset
            if not protocol_name:
                weights.notes.append(f"{classes} classes: prepared as for {name}; --protocol chooses another")
        else:
            size, preparation = [512, 512], weights.extras.get("preprocessing") or protocol.plain()
            if classifier and "preprocessing" not in weights.extras:
                size = [224, 224]
            if not own_form and not classifier:
                weights.notes.append("the file does not say how images are prepared: resized to the input size; "
                                     "--protocol chooses")  # fmt: skip
        if not sized:
            recorded = weights.extras.get("input_shape")
            told["input_size"] = list(recorded) if recorded else size if network.NAME != "lemore" else [512, 512]
            if network.NAME == "lemore":
                del told["input_size"]
        model = networks.build(network.Config.from_json(told), weights, naming)
    except (fields.FieldError, networks.MisfitError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    try:
        chosen = Labels.load(labels) if labels else _labels(weights, model.config, offset)
    except CheckpointError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        if labels:
            raise
        raise CheckpointError(f"{path}: labels: {error}") from None
    if len(chosen.names) != model.config.outputs:
        raise CheckpointError(f"{path}: {len(chosen.names)} class names, but the configuration has "
                              f"{model.config.outputs} classes")  # fmt: skip
    return Trained(weights, naming, model, chosen, preparation)
