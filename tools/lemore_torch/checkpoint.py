"""Trained weights out of the files that people have, whatever wraps them. Nothing in a file is ever executed."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np

from . import fields, safetensors, unpickle

# Where training programs put the weights, the likeliest first.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params", "student",
            "generator", "state_dict_ema", "ema_state_dict", "model_ema", "ema_model", "ema", "teacher")  # fmt: skip
# Parts that wrappers of modules put into names.
_WRAPPED = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}
_WRAPPER_WORDS = {"model", "net", "network", "module", "student", "teacher", "generator", "ema", "swa", "avg",
                  "averaged",
                  "average", "shadow", "state", "dict", "weights", "params", "online", "target"}  # fmt: skip
_AVERAGED = {"ema", "swa", "teacher", "averaged", "average", "avg", "shadow"}
_NO_WEIGHTS = {"optim", "optimizer", "optimizers", "scheduler", "schedulers", "scaler", "rng", "message", "hub",
               "criterion", "loss", "discriminator", "callbacks", "loops"}  # fmt: skip
_COUNTERS = ("num_batches_tracked", "n_averaged", "total_ops", "total_params")  # kept beside weights, no part of them
_EXTRAS = ("config", "labels", "metrics", "meta", "format")


class CheckpointError(ValueError):
    """A file whose weights can't be had; one line that names the file."""


@dataclass
class Weights:
    """Tensors by name, wrappings removed, and what else the file says."""

    path: Path
    state: Dict[str, np.ndarray]
    names: Dict[str, str] = field(default_factory=dict)  # as the file has them
    extras: dict = field(default_factory=dict)  # config, labels, metrics, meta
    metadata: Dict[str, str] = field(default_factory=dict)  # of a safetensors file
    notes: List[str] = field(default_factory=list)  # lines to be shown: what was chosen, what was stepped over
    files: List[Path] = field(default_factory=list)  # that the tensors were read from

    def own(self, name):
        return self.names.get(name, name)

    @property
    def folded(self):
        """Whether this is a file that convert.py wrote."""
        return self.metadata.get("format") == "lemore"


def what_it_is(head: bytes) -> Optional[str]:
    """What a file that holds no weights seems to be, by its first bytes, with advice; None when it may hold some."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        return "an empty file"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the weights: fetch the file itself with 'git lfs pull'"
    if text.startswith(b"<"):
        return "HTML or XML: the download was a web page, not the file"
    if text.startswith(b"{"):
        return "JSON text, not weights"
    for magic, name in ((b"\x89HDF", "an HDF5 file (Keras)"), (b"GGUF", "a GGUF file"),
                        (b"\x1f\x8b", "gzip: unpack it"),
                        (b"\x89PNG", "a PNG picture"), (b"\xff\xd8\xff", "a JPEG picture"),
                        (b"\x93NUMPY", "a .npy array"),
                        (b"7z\xbc\xaf", "a 7z archive: unpack it"), (b"BZh", "bzip2: unpack it"),
                        (b"\xfd7zXZ", "xz: unpack it"), (b"Rar!", "a RAR archive: unpack it")):  # fmt: skip
        if head.startswith(magic):
            return name
    if head[257:262] == b"ustar" or (head.startswith(b"sys_info") or head.startswith(b"storages")):
        return "a tar archive (or a file of PyTorch before 0.1.10): unpack it, or save it anew with a later PyTorch"
    if head.startswith(b"\x08") and b"onnx" in head[:64].lower():
        return "an ONNX model: convert the PyTorch checkpoint that it was made from"
    return None


def _looks_like_safetensors(head):
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= safetensors.MAX_HEADER


def _head(path):
    try:
        if path.is_dir():
            raise CheckpointError(f"{path}: is a folder")
        with open(path, "rb") as file:
            return file.read(512)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from None


def read(path):
    """What torch.save (or pickle) wrote: dicts, lists, numbers, strings, arrays for tensors, unpickle.Foreign for
    objects of classes that are not known. The arrays are not to be written to."""
    path = Path(path)
    kind = what_it_is(_head(path))
    if kind:
        raise CheckpointError(f"{path}: is {kind}")
    try:
        return unpickle.read(path)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # an unpickler fed with garbage may raise anything
        text = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise CheckpointError(f"{path}: not a checkpoint that can be read: {text}") from None


def _tokens(name):
    return set(re.split("[^a-z]+", str(name).lower())) - {""}


def _is_wrapper(part):
    """Whether a part of a name says where the weights were, not what they are: model, ema_model, teacher."""
    words = _tokens(part)
    return bool(words) and words <= _WRAPPER_WORDS


def _is_state(value):
    return any(isinstance(k, str) and "." in k and isinstance(v, np.ndarray) for k, v in value.items())


def _unwrap(name):
    parts = [part for part in name.split(".") if part not in _WRAPPED]
    return ".".join(parts)


def _wrappers(name):
    """The parts at the beginning of a name that are wrappers: ("model", "net") of model.net.stem.conv.weight."""
    parts = _unwrap(name).split(".")[:-1]
    count = next((i for i, part in enumerate(parts) if not _is_wrapper(part)), len(parts))
    return tuple(parts[:count])


def _split(path, value):
    """The state dicts that lie in `value` side by side as names: model.x, teacher.x."""
    groups, rest = {}, {}
    for name, item in value.items():
        first = _wrappers(name) if isinstance(name, str) and isinstance(item, np.ndarray) else ()
        if first:
            groups.setdefault(first, {})[name] = item
        else:
            rest[name] = item
    if not groups:
        return [(path, value)]
    largest = max(len(group) for group in groups.values())
    found = [(path + first, group) for first, group in groups.items() if 2 * len(group) > largest]
    return found + ([(path, rest)] if _is_state(rest) and 2 * len(rest) > largest else [])


def _candidates(value, path=(), depth=0):
    """[(path of keys, state dict)] in the order of the file."""
    if not isinstance(value, dict) or depth > 6:
        return []
    found = _split(path, value) if _is_state(value) else []
    for key, item in value.items():
        if isinstance(item, list) and len(item) <= 16:
            item = _by_number(item)
        if isinstance(key, str) and isinstance(item, dict) and not _tokens(key) & _NO_WEIGHTS:
            found += _candidates(item, path + (key,), depth + 1)
    return found


def _by_number(items):
    return {str(i): item for i, item in enumerate(items)}


def _listing(found):
    return ", ".join(f"'{'.'.join(path) or '(top)'}' ({len(state)})" for path, state in found[:8])


def _choose(found, value, key, where):
    """One of the candidates, and the line that says which where there was a choice."""
    if key is not None:
        for path, state in found:
            if key == ".".join(path):
                return path, state, []
        inside = [c for c in found if (".".join(c[0]) + ".").startswith(key + ".")]
        if len(inside) == 1:
            return (*inside[0], [])
        item = value
        for part in key.split("."):
            item = item.get(part) if isinstance(item, dict) else None
        if isinstance(item, dict) and any(isinstance(v, np.ndarray) for v in item.values()):
            return tuple(key.split(".")), item, []
        hint = f"weights are under {_listing(found)}" if found else "no weights are in the file"
        raise CheckpointError(f"{where}: no weights under '{key}'; {hint}")
    if not found:
        return (), value, []

    # mmengine swaps the two on saving: then 'state_dict' holds the average, and 'ema_state_dict' the last weights.
    meta = value.get("meta")
    saved_by_mmengine = "message_hub" in value or (isinstance(meta, dict) and "mmengine_version" in meta)
    swapped = saved_by_mmengine and {("state_dict",), ("ema_state_dict",)} <= {path[:1] for path, _ in found}

    def averaged(path):
        if swapped and path[:1] in (("state_dict",), ("ema_state_dict",)):
            return path[0] == "state_dict"
        return any(_tokens(part) & _AVERAGED for part in path)

    def rank(candidate):
        path = candidate[0]
        if averaged(path):
            return 0, 0
        known = [WRAPPERS.index(part) for part in path if part in WRAPPERS]
        return (1, min(known, default=0)) if known or not path else (2, 0)

    ordered = sorted(found, key=rank)
    path, state = ordered[0]
    if len(found) > 1:
        if rank(ordered[0])[0] == 2 and rank(ordered[1])[0] == 2:
            raise CheckpointError(f"{where}: several sets of weights: {_listing(found)}; choose with --key NAME")
        others = ", ".join(f"'{'.'.join(p) or '(top)'}'" for p, _ in ordered[1:5])
        kind = "the averaged weights" if averaged(path) else "the weights"
        return path, state, [f"takes {kind} under '{'.'.join(path) or '(top)'}'; --key chooses another: {others}"]
    return path, state, ["takes the averaged weights under '" + ".".join(path) + "'"] if averaged(path) else []


def _clean(tensors, prefix, where):
    """(state, names): wrappings and counters gone."""
    state, names = {}, {}
    for name, array in tensors.items():
        if not isinstance(name, str) or not name.startswith(prefix):
            continue
        short = _unwrap(name[len(prefix) :])
        short = ".".join(short.split(".")[len(_wrappers(short)) :])
        if short.split(".")[-1] in _COUNTERS or short == "steps":
            continue
        if short in state:
            raise CheckpointError(f"{where}: two tensors called '{short}': '{names[short]}' and '{name}'")
        state[short], names[short] = array, name
    flat = {_unwrap(name[len(prefix) :]).replace(".", "_") for name in tensors if isinstance(name, str)}
    for name in [n for n in state if n.startswith("ema_") and "." not in n and n[4:] in flat]:
        del state[name], names[name]  # mmcv's copies: the last weights, when the named ones are the average
    return state, names


def _instead(value, path=(), depth=0):
    """What stands where tensors were looked for."""
    for key, item in value.items():
        if isinstance(item, unpickle.Foreign):
            return f": '{'.'.join((*path, str(key)))[:80]}' is {item!r:.80}"
        if isinstance(item, dict) and depth < 6:
            said = _instead(item, (*path, str(key)), depth + 1)
            if said:
                return said
    return f"; it has {', '.join(repr(key)[:40] for key in list(value)[:6])}" if value and not path else ""


def load(path, key=None, prefix="") -> Weights:
    """The weights of a .pth, .pt, .bin, .pkl or .safetensors file (told by its bytes, not by its name)."""
    path = Path(path)
    value, metadata = _contents(path)
    return _weights(path, [path], value, metadata, key, prefix)


def load_shards(index, key=None, prefix="") -> Weights:
    """The weights that lie in several files beside `index`, a JSON file that says which tensor is in which."""
    index = Path(index)
    try:
        listed = fields.load_json(index)
    except fields.FieldError as error:
        raise CheckpointError(str(error)) from None
    places = listed.get("weight_map") if isinstance(listed, dict) else None
    if not isinstance(places, dict) or not places:
        raise CheckpointError(f"{index}: weight_map: expected an object of file names by tensor")
    for name, file in places.items():
        if not isinstance(file, str) or file in ("", ".", "..") or "/" in file or "\\" in file:
            raise CheckpointError(
                f"{index}: weight_map: '{name}': expected the name of a file beside it, got {file!r:.60}"
            )
    files = [index.with_name(file) for file in sorted(set(places.values()))]
    absent = [file.name for file in files if not file.is_file()]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise CheckpointError(
            f"{index}: names the file '{absent[0]}'{more}, which is not there: the download is incomplete"
        )
    value, metadata = {}, {}
    for file in files:
        part, said = _contents(file)
        metadata.update(said)
        for name, item in part.items():
            if name in value:
                raise CheckpointError(f"{file}: has '{name}', which another of the files has too")
            value[name] = item
        lost = next((name for name, place in places.items() if place == file.name and name not in part), None)
        if lost is not None:
            raise CheckpointError(f"{file}: has no '{lost}', which {index.name} says it has")
    return _weights(index, files, value, metadata, key, prefix)


def _contents(path):
    """(dict of what a file holds, metadata of a safetensors file)."""
    if _looks_like_safetensors(_head(path)):
        try:
            return safetensors.read(path)
        except safetensors.FormatError as error:
            raise CheckpointError(str(error)) from None
    value = read(path)
    if isinstance(value, list) and len(value) <= 16:  # (weights, epoch)
        value = _by_number(value)
    if not isinstance(value, dict):
        kind = repr(value) if isinstance(value, unpickle.Foreign) else f"a {type(value).__name__}"
        raise CheckpointError(f"{path}: holds {kind[:80]}, not a dict of tensors")
    return value, {}


def _extras(path, value, metadata):
    extras = {name: value[name] for name in _EXTRAS if isinstance(value.get(name), dict)}
    for name in _EXTRAS[:3]:
        if name in metadata:
            try:
                extras[name] = json.loads(metadata[name])
            except (ValueError, RecursionError) as error:
                raise CheckpointError(f"{path}: metadata '{name}': {error}") from None
    pictured = value.get("input")  # the input of a recorded network
    if isinstance(pictured, np.ndarray) and pictured.ndim == 4:
        extras["input_shape"] = pictured.shape[2:]
    return extras


def _weights(path, files, value, metadata, key, prefix):
    extras = _extras(path, value, metadata)
    found = [] if prefix and key is None else _candidates(value)
    _, tensors, notes = _choose(found, value, key, path)
    if prefix and key is None:  # the user says which names count: take the first dict that has any
        for _, state in [((), value)] + _candidates(value):
            if any(isinstance(name, str) and name.startswith(prefix) for name in state):
                tensors = state
                break
    state, names = _clean(tensors, prefix, path)
    if not any(isinstance(array, np.ndarray) for array in state.values()):
        said = f" called '{prefix}...'" if prefix else ""
        raise CheckpointError(f"{path}: no tensors{said}{_instead(value)}")
    return Weights(path, state, names, extras, metadata, notes, files)
