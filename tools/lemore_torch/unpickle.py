"""Reads what torch.save or pickle wrote without importing or calling anything that stands in it.

A pickle may name any class and any function and have it called. This reader answers every name with a stand-in of its
own. The stand-ins of tensors, numpy arrays and numbers, and the plain containers give their data. Every other name
becomes `Foreign`: it keeps what it was given and does nothing. A name that only an attack has a use for ends the
reading.

Read are torch.save's zip archives, its older sequence of pickles, and plain pickles. BF16 becomes F32.
"""

import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import PurePosixPath

import numpy as np

_STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bf16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip
# Known by name only, so that their bytes can be stepped over.
_OTHER_STORAGES = {
    "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "QInt8Storage": 1, "QUInt8Storage": 1, "QInt32Storage": 4,
    "QUInt4x2Storage": 1, "QUInt2x4Storage": 1, "UntypedStorage": 1,
}  # fmt: skip
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_MAX_PICKLE = 256 << 20  # bytes of one pickle; the tensors' data lies outside
_MAX_DEPTH = 100
_MAX_ARRAY = 1 << 31  # elements of an expanded tensor (stride 0), which may be more than are stored

# Names that no checkpoint has an honest use for. The stand-ins would keep them from doing harm too; a file that has
# them was made to attack its reader and is not to be trusted with anything.
_ATTACKS = {
    "os", "posix", "nt", "subprocess", "sys", "shutil", "runpy", "importlib", "socket", "ctypes", "pty", "code",
    "webbrowser", "commands", "timeit", "pdb", "bdb", "cProfile", "profile", "trace", "multiprocessing", "asyncio",
    "http", "urllib", "requests", "pip", "pickle", "_pickle", "cffi", "platform", "tempfile", "_io", "io", "signal",
    "pydoc", "doctest", "distutils", "ensurepip", "venv", "telnetlib", "ftplib", "smtplib", "_posixsubprocess",
}  # fmt: skip
_ATTACKS_BUILTIN = {"eval", "exec", "execfile", "compile", "open", "__import__", "input", "breakpoint", "globals",
                    "locals", "vars", "setattr", "delattr", "apply", "file"}  # fmt: skip
_BUILTINS = ("builtins", "__builtin__")


class Unreadable(pickle.UnpicklingError):
    """One line: what is wrong with the file."""


def bf16_to_f32(raw) -> np.ndarray:
    """Little-endian BF16 bytes to F32."""
    return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)


class Foreign:
    """Stands for a class, or an object, that this reader does not know. Keeps what the pickle gives it, does
    nothing."""

    def __init__(self, name, arguments=()):
        self.__dict__.update(name=name, arguments=arguments, members={}, items=[], state=None)

    # What an unpickler does with classes and objects.
    def __call__(self, *arguments):
        return Foreign(self.name, arguments)

    def __setstate__(self, state):
        self.__dict__["state"] = state

    def __setitem__(self, key, value):
        self.members[key] = value

    def append(self, value):
        self.items.append(value)

    def extend(self, values):
        self.items.extend(values)

    add = append

    def update(self, values):
        self.items.extend(values)

    def __setattr__(self, _name, _value):
        pass

    def __repr__(self):
        return f"<{self.name}>"

    __hash__ = object.__hash__


class _ForeignMaker(type):
    """Classes made for names: NEWOBJ wants a class whose __new__ it calls, and that must be ours."""


def _foreign_class(name):
    def new(_cls, *arguments, **_named):
        return Foreign(name, arguments)

    return _ForeignMaker("Foreign", (Foreign,), {"__new__": new, "__init__": lambda self, *a, **k: None, "full": name})


class _Storage:
    """Raw data of one storage; in the old format the bytes come after the pickle that names it."""

    def __init__(self, dtype, item_bytes, count, raw=None):
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise Unreadable(f"storage of {count!r} elements")
        self.dtype, self.item_bytes, self.count, self.raw, self.flat = dtype, item_bytes, count, raw, None

    def array(self):
        if self.flat is None:
            if self.raw is None or len(self.raw) != self.count * self.item_bytes:
                have = "no data" if self.raw is None else f"{len(self.raw)} bytes"
                raise Unreadable(f"storage of {self.count} elements has {have}")
            self.flat = bf16_to_f32(self.raw) if self.dtype == "bf16" else np.frombuffer(self.raw, self.dtype)
        return self.flat


class _StorageType:
    def __init__(self, name):
        self.dtype = _STORAGES.get(name)
        self.item_bytes = (2 if self.dtype == "bf16" else np.dtype(self.dtype).itemsize) if self.dtype else \
            _OTHER_STORAGES[name]  # fmt: skip


class _Tensor:
    """A tensor; its array is made when the whole pickle has been read."""

    def __init__(self, storage, offset, size, stride):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def __setstate__(self, _state):
        pass  # attributes of a tensor

    def array(self):
        """A view of the storage, not to be written to; every element is checked to lie in it."""
        if self.storage.dtype is None:
            return Foreign("a tensor of an element type that is not read")
        numbers = (self.offset, *self.size, *self.stride)
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in numbers) or len(self.size) != len(
            self.stride
        ):
            raise Unreadable(f"tensor of size {self.size}, stride {self.stride}, offset {self.offset}")
        flat, count = self.storage.array(), math.prod(self.size)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride)) if count else self.offset - 1
        if last >= len(flat) or len(self.size) > 32 or count > max(len(flat), _MAX_ARRAY):
            raise Unreadable(f"tensor of size {self.size} reaches beyond its {len(flat)} stored elements")
        if not count:
            return np.zeros(self.size, flat.dtype)
        strides = [s * flat.itemsize for s in self.stride]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.size, strides, writeable=False)


class _NumpyType:
    """numpy.dtype('f8') and what BUILD adds to it: the byte order."""

    def __init__(self, text):
        self.text, self.order = text, "<"

    def __setstate__(self, state):
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = state[1]

    def dtype(self):
        text = self.text.lstrip("<>|=") if isinstance(self.text, str) else ""
        if text[:1] not in ("f", "i", "u", "b") or not text[1:].isdigit():
            return None  # strings, objects, records
        try:
            return np.dtype((self.order if self.order in "<>" else "") + text)
        except TypeError:
            return None


class _NumpyArray:
    """numpy.ndarray made empty, filled by BUILD."""

    def __init__(self):
        self.value = Foreign("numpy.ndarray")

    def __setstate__(self, state):
        if not isinstance(state, tuple) or len(state) != 5:
            return
        _version, shape, kind, fortran, raw = state
        dtype = kind.dtype() if isinstance(kind, _NumpyType) else None
        if isinstance(raw, str):
            raw = raw.encode("latin1")
        if dtype is None or not isinstance(raw, bytes) or not isinstance(shape, tuple):
            return
        array = np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")
        self.value = array.astype(dtype.newbyteorder("="), copy=False)


def _numpy_scalar(kind=None, raw=b""):
    dtype = kind.dtype() if isinstance(kind, _NumpyType) else None
    if isinstance(raw, str):
        raw = raw.encode("latin1")
    if dtype is None or not isinstance(raw, bytes) or len(raw) != dtype.itemsize:
        return Foreign("numpy.scalar")
    return np.frombuffer(raw, dtype)[0].item()


def _rebuild_tensor(storage, offset, size, stride, *_ignored):
    if not isinstance(storage, _Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        return Foreign("a tensor without a storage")
    return _Tensor(storage, offset, size, stride)


def _rebuild_from_type(function, _type, arguments, _state=None):
    return function(*arguments) if isinstance(function, _Call) and isinstance(arguments, tuple) else Foreign("a tensor")


class _Dict(OrderedDict):
    def __setstate__(self, _state):
        pass  # state_dict()'s _metadata: versions of modules


class _Call:
    """A name of the pickle that stands for one of this module's functions. Its attributes can't be set."""

    __slots__ = ("function",)

    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments):
        return self.function(*arguments)

    def __setstate__(self, _state):
        raise Unreadable("sets attributes of a function")


def _encode(text="", encoding="latin1", *_ignored):
    """How pickles of the older protocols write bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "ascii", "utf-8", "utf8"):
        raise Unreadable("bytes in an unknown encoding")
    return text.encode(encoding)


def _reconstructor(kind=None, _base=None, _state=None):
    return kind() if isinstance(kind, (_ForeignMaker, _Call)) else Foreign("an object")


def _bytes(value=b"", *_encoding):
    return value if isinstance(value, bytes) else value.encode("latin1") if isinstance(value, str) else b""


def _sequence(values=()):
    return list(values) if isinstance(values, (list, tuple, set, frozenset)) else []


def _path(*parts):
    return str(PurePosixPath(*(part for part in parts if isinstance(part, str))))


def _mapping(*pairs):
    pairs = [p for p in pairs if isinstance(p, (list, tuple, dict))]
    return _Dict(pairs[-1]) if pairs else _Dict()


_FUNCTIONS = {
    "collections.OrderedDict": _mapping, "collections.defaultdict": _mapping, "collections.Counter": _mapping,
    "collections.deque": lambda values=(), *_: _sequence(values),
    "torch.Size": lambda sizes=(): tuple(sizes),
    "torch._utils._rebuild_tensor": _rebuild_tensor, "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": lambda data=None, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data=None, *_: data,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type, "torch._tensor._rebuild_from_type": _rebuild_from_type,
    "numpy.dtype": lambda text="", *_: _NumpyType(text),
    "_codecs.encode": _encode, "copyreg._reconstructor": _reconstructor, "copy_reg._reconstructor": _reconstructor,
}  # fmt: skip
_FUNCTIONS.update({f"numpy.{core}.multiarray.scalar": _numpy_scalar for core in ("core", "_core")})
_FUNCTIONS.update({f"numpy.{core}.multiarray._reconstruct": lambda *_: _NumpyArray() for core in ("core", "_core")})
_FUNCTIONS.update({f"pathlib.{kind}": _path for kind in ("Path", "PosixPath", "WindowsPath", "PurePath",
                                                         "PurePosixPath", "PureWindowsPath")})  # fmt: skip
_FUNCTIONS.update({f"{module}.{kind}": function for module in _BUILTINS for kind, function in {
    "set": _sequence, "frozenset": _sequence, "list": _sequence, "tuple": lambda values=(): tuple(_sequence(values)),
    "dict": _mapping, "bytes": _bytes, "bytearray": _bytes}.items()})  # fmt: skip


class _Unpickler(pickle.Unpickler):
    def __init__(self, data, storage_of):
        super().__init__(io.BytesIO(data), encoding="latin1")  # bytes of Python 2 are strings
        self._storage_of, self._classes = storage_of, {}

    def find_class(self, module, name):
        full = f"{module}.{name}"
        kind = name if name in _STORAGES or name in _OTHER_STORAGES else name.lstrip("_")
        if module in ("torch", "torch.cuda", "torch.storage") and (kind in _STORAGES or kind in _OTHER_STORAGES):
            return _StorageType(kind)
        if full in _FUNCTIONS:
            return _Call(_FUNCTIONS[full])
        root = module.split(".")[0]
        if root in _ATTACKS or (module in _BUILTINS and name.split(".")[0] in _ATTACKS_BUILTIN):
            raise Unreadable(f"asks for {full[:80]} to be called; nothing was, and a file that does so is an attack")
        if full not in self._classes:
            self._classes[full] = _foreign_class(full)
        return self._classes[full]

    def persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], _StorageType):
            raise Unreadable("refers to something that is not a storage")
        if len(pid) > 5 and pid[5] is not None:
            raise Unreadable("storage that is a view of another")
        return self._storage_of(pid[1], str(pid[2]), pid[4])


def _pickle_at(data, begin):
    """The pickle that begins at `begin`, up to its end. Bounds what the unpickler allocates beforehand."""
    stream = io.BytesIO(data[begin : begin + _MAX_PICKLE])
    stored = 0
    for opcode, argument, _at in pickletools.genops(stream):
        if "PUT" in opcode.name:
            stored += 1
            if argument > stored + 1024:  # the memo is an array of this many entries
                raise Unreadable(f"memo entry {argument} after {stored}")
    return data[begin : begin + stream.tell()]


def _read_zip(file):
    with zipfile.ZipFile(file) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise Unreadable("a zip archive, but not of torch.save (no data.pkl)")
        root = pickles[0][: -len("data.pkl")]
        if root + "constants.pkl" in entries:
            raise Unreadable("a TorchScript archive; save model.state_dict() with torch.save instead")
        if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
            raise Unreadable("compressed entries, which torch.save never writes")
        if root + "byteorder" in entries and archive.read(root + "byteorder") != b"little":
            raise Unreadable("byte order is not little-endian")
        if entries[pickles[0]].file_size > _MAX_PICKLE:
            raise Unreadable(f"a pickle of {entries[pickles[0]].file_size} bytes, at most {_MAX_PICKLE} are read")
        storages = {}

        def storage_of(kind, key, count):
            if key not in storages:
                if f"{root}data/{key}" not in entries:
                    raise Unreadable(f"storage '{key}' is missing")
                raw = archive.read(f"{root}data/{key}")
                storages[key] = _Storage(kind.dtype, kind.item_bytes, count, raw)
            return storages[key]

        return _Unpickler(_pickle_at(archive.read(pickles[0]), 0), storage_of).load()


def _read_pickles(data):
    """torch.save's older format, or one plain pickle."""
    storages, at = {}, 0

    def storage_of(kind, key, count):
        return storages.setdefault(key, _Storage(kind.dtype, kind.item_bytes, count))

    def load():
        nonlocal at
        program = _pickle_at(data, at)
        at += len(program)
        return _Unpickler(program, storage_of).load()

    first = load()
    if first != _LEGACY_MAGIC:
        if at == len(data) and isinstance(first, (dict, list, Foreign)):
            return first  # a plain pickle, with numpy arrays
        raise Unreadable("not written by torch.save")
    if load() != _LEGACY_VERSION:
        raise Unreadable("unknown version of torch.save's older format")
    load()  # the writer's byte order and integer sizes
    value, keys = load(), load()
    if not isinstance(keys, list):
        raise Unreadable("no list of storages")
    for key in keys:
        storage = storages.get(str(key))
        if storage is None:
            raise Unreadable(f"storage '{key}' belongs to no tensor")
        count = int.from_bytes(data[at : at + 8], "little", signed=True)
        if count != storage.count:
            raise Unreadable(f"storage '{key}' has {count} elements, not {storage.count}")
        storage.raw = memoryview(data)[at + 8 : at + 8 + max(0, count) * storage.item_bytes]
        at += 8 + count * storage.item_bytes
    return value


class _Resolver:
    """Stand-ins to data at any depth. Every object is resolved once, so shared ones stay shared and cycles end."""

    def __init__(self):
        self.done, self.kept = {}, []

    def __call__(self, value, depth=0):
        if isinstance(value, (str, int, float, bytes, type(None))):
            return value
        if depth > _MAX_DEPTH:
            raise Unreadable("nested too deeply")
        if id(value) not in self.done:
            self.kept.append(value)  # so that its id stays its own
            self.done[id(value)] = Foreign("a reference to itself")
            self.done[id(value)] = self.resolve(value, depth + 1)
        return self.done[id(value)]

    def resolve(self, value, depth):
        if isinstance(value, _Tensor):
            return value.array()
        if isinstance(value, _NumpyArray):
            return value.value
        if isinstance(value, dict):
            return {key: self(item, depth) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self(item, depth) for item in value]
        if isinstance(value, Foreign):
            return self.foreign(value, depth)
        if isinstance(value, _ForeignMaker):
            return Foreign(value.full)
        if isinstance(value, complex):
            return value
        return Foreign("a function" if isinstance(value, _Call) else "an object")

    def foreign(self, value, depth):
        """Own kinds of dicts and lists are read as such, whole modules as their state dict."""
        state = value.state if isinstance(value.state, dict) else {}
        if isinstance(state.get("_parameters"), dict) and isinstance(state.get("_modules"), dict):
            return self.module(state, depth)
        if value.members:
            return {key: self(item, depth) for key, item in value.members.items()}
        if value.items:
            return [self(item, depth) for item in value.items]
        return value

    def module(self, state, depth):
        out = {}
        for group in ("_parameters", "_buffers"):
            members = state.get(group)
            out.update(
                {k: self(v, depth) for k, v in members.items() if v is not None} if isinstance(members, dict) else {}
            )
        for name, inner in state["_modules"].items():
            members = self(inner, depth)
            if isinstance(members, dict):
                out.update({f"{name}.{key}": item for key, item in members.items()})
        return out


def read(path):
    """What was saved: dicts, lists, numbers, strings, arrays for tensors (not to be written to), Foreign for the
    rest."""
    with open(path, "rb") as file:
        if zipfile.is_zipfile(file):
            value = _read_zip(file)
        else:
            file.seek(0)
            value = _read_pickles(file.read())
    return _Resolver()(value)
