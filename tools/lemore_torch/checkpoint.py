"""Reading tensors out of a PyTorch checkpoint without running anything that stands in it.

A pickle may name any function and have it called. This reader answers only to the few names that tensors need, with
stand-ins of its own that build numpy arrays; any other name is an error that says it. Both of torch.save's formats,
the zip archive and the older sequence of pickles, are read. BF16 becomes F32, everything else keeps its type.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

_STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bf16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001


class CheckpointError(ValueError):
    """A file that is no checkpoint, or one that asks for more than tensors; the message names the file."""


def bf16_to_f32(raw) -> np.ndarray:
    """Little-endian BF16 bytes to F32."""
    return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)


class _Inert:
    """Base of the stand-ins: no attributes can be set from the pickle."""

    __slots__ = ()

    def __setstate__(self, _state):
        raise pickle.UnpicklingError("sets attributes of a function")


class _StorageType(_Inert):
    __slots__ = ("dtype",)

    def __init__(self, dtype):
        self.dtype = dtype


class _Storage(_Inert):
    """Raw data of one storage; in the old format the bytes come after the pickle that names it."""

    __slots__ = ("dtype", "count", "raw")

    def __init__(self, dtype, count, raw=None):
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise pickle.UnpicklingError(f"storage of {count!r} elements")
        self.dtype, self.count, self.raw = dtype, count, raw

    @property
    def item_bytes(self):
        return 2 if self.dtype == "bf16" else np.dtype(self.dtype).itemsize

    def array(self):
        if self.raw is None or len(self.raw) != self.count * self.item_bytes:
            have = "no data" if self.raw is None else f"{len(self.raw)} bytes"
            raise pickle.UnpicklingError(f"storage of {self.count} elements has {have}")
        return bf16_to_f32(self.raw) if self.dtype == "bf16" else np.frombuffer(self.raw, self.dtype)


class _Tensor(_Inert):
    __slots__ = ("storage", "offset", "size", "stride")

    def array(self):
        """The tensor as an array of its own; every element checked to lie in the storage."""
        numbers = (self.offset, *self.size, *self.stride)
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in numbers) or len(self.size) != len(
            self.stride
        ):
            raise pickle.UnpicklingError(f"tensor of size {self.size}, stride {self.stride}, offset {self.offset}")
        flat, count = self.storage.array(), math.prod(self.size)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride)) if count else self.offset - 1
        if last >= len(flat) or count > len(flat):
            raise pickle.UnpicklingError(f"tensor of size {self.size} reaches beyond its {len(flat)} stored elements")
        if not count:
            return np.zeros(self.size, flat.dtype)
        strides = [s * flat.itemsize for s in self.stride]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.size, strides).copy()


class _RebuildTensor(_Inert):
    __slots__ = ()

    def __call__(self, storage, offset, size, stride, *_ignored):
        if not isinstance(storage, _Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
            raise pickle.UnpicklingError("a tensor without a storage")
        tensor = _Tensor()
        tensor.storage, tensor.offset, tensor.size, tensor.stride = storage, offset, size, stride
        return tensor


class _RebuildParameter(_Inert):
    __slots__ = ()

    def __call__(self, data, *_ignored):
        return data


class _MakeDict(_Inert):
    __slots__ = ()

    def __call__(self, pairs=()):
        return _Dict(pairs)


class _MakeSize(_Inert):
    __slots__ = ()

    def __call__(self, sizes=()):
        return tuple(sizes)


class _Dict(OrderedDict):
    def __setstate__(self, _state):
        pass  # state_dict()'s _metadata: versions of modules


_ALLOWED = {
    ("collections", "OrderedDict"): _MakeDict,
    ("torch", "Size"): _MakeSize,
    ("torch._utils", "_rebuild_tensor"): _RebuildTensor,
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor,
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, storage_of):
        super().__init__(file, encoding="utf-8")
        self._storage_of = storage_of

    def find_class(self, module, name):
        if module == "torch" and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        try:
            return _ALLOWED[module, name]()
        except KeyError:
            raise pickle.UnpicklingError(f"asks for {module}.{name}, which is not a tensor's") from None

    def persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], _StorageType):
            raise pickle.UnpicklingError("refers to something that is not a storage")
        if len(pid) > 5 and pid[5] is not None:
            raise pickle.UnpicklingError("storage that is a view of another")
        return self._storage_of(pid[1].dtype, str(pid[2]), pid[4])


def _read_zip(file):
    with zipfile.ZipFile(file) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise pickle.UnpicklingError("a zip archive, but not of torch.save (no data.pkl)")
        if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
            raise pickle.UnpicklingError("compressed entries, which torch.save never writes")
        root = pickles[0][: -len("data.pkl")]
        if root + "byteorder" in entries and archive.read(root + "byteorder") != b"little":
            raise pickle.UnpicklingError("byte order is not little-endian")
        storages = {}

        def storage_of(dtype, key, count):
            if key not in storages:
                if f"{root}data/{key}" not in entries:
                    raise pickle.UnpicklingError(f"storage '{key}' is missing")
                storages[key] = _Storage(dtype, count, archive.read(f"{root}data/{key}"))
            return storages[key]

        return _resolve(_Unpickler(io.BytesIO(archive.read(pickles[0])), storage_of).load())


def _read_legacy(file):
    storages = {}

    def storage_of(dtype, key, count):
        return storages.setdefault(key, _Storage(dtype, count))

    def load():
        return _Unpickler(file, storage_of).load()

    if load() != _LEGACY_MAGIC:
        raise pickle.UnpicklingError("not written by torch.save")
    if load() != _LEGACY_VERSION:
        raise pickle.UnpicklingError("unknown version of torch.save's older format")
    load()  # the writer's byte order and integer sizes
    value, keys = load(), load()
    if not isinstance(keys, list):
        raise pickle.UnpicklingError("no list of storages")
    for key in keys:
        storage = storages.get(str(key))
        if storage is None:
            raise pickle.UnpicklingError(f"storage '{key}' belongs to no tensor")
        count = int.from_bytes(file.read(8), "little", signed=True)
        if count != storage.count:
            raise pickle.UnpicklingError(f"storage '{key}' has {count} elements, not {storage.count}")
        storage.raw = file.read(count * storage.item_bytes)
    return _resolve(value)


def _resolve(value, depth=0):
    """Tensors to arrays, at any depth of dicts, lists and tuples."""
    if depth > 50:
        raise pickle.UnpicklingError("nested too deeply")
    if isinstance(value, _Tensor):
        return value.array()
    if isinstance(value, dict):
        return {key: _resolve(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_resolve(item, depth + 1) for item in value]
    if isinstance(value, _Inert):
        raise pickle.UnpicklingError("holds a function where data is expected")
    return value


def read(path):
    """What was saved: dicts, lists, numbers, strings, and arrays for tensors."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            if zipfile.is_zipfile(path):
                return _read_zip(file)
            file.seek(0)
            return _read_legacy(file)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # an unpickler fed with garbage may raise anything
        text = str(error) or type(error).__name__
        raise CheckpointError(f"{path}: not a checkpoint that can be read: {text}") from None
