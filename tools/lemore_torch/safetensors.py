"""Reading and writing safetensors with numpy alone (Debian has no package of it)."""

import json
import math
import os
from pathlib import Path
from typing import Dict, Tuple

import numpy as np

from .fields import no_duplicates

MAX_HEADER = 4 << 20
ALIGNMENT = 64
FILLER_PREFIX = "__pad."

_DTYPES = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"), "I32": np.dtype("<i4"), "I16": np.dtype("<i2"), "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"), "U32": np.dtype("<u4"), "U16": np.dtype("<u2"), "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"), "BF16": np.dtype("<u2"),  # BF16 is read as F32, never written
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _DTYPES.items() if name != "BF16"}


class FormatError(ValueError):
    """Not a well-formed safetensors file; the message names the file and the field."""


def item_size(dtype) -> int:
    """Bytes of one element of a safetensors type."""
    return _DTYPES[dtype].itemsize


def read(path) -> Tuple[Dict[str, np.ndarray], Dict[str, str]]:
    """Returns (tensors, metadata); fillers are left out."""
    data = Path(path).read_bytes()
    if len(data) < 8:
        raise FormatError(f"{path}: {len(data)} bytes are no safetensors file")
    size = int.from_bytes(data[:8], "little")
    if size > MAX_HEADER or 8 + size > len(data) or data[8:9] != b"{":
        raise FormatError(f"{path}: bad header (length {size}, file {len(data)} bytes)")
    try:
        header = json.loads(data[8 : 8 + size].decode("utf-8"), object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: header: {error}") from None
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError(f"{path}: header: __metadata__ is not an object of strings")
    body, tensors = memoryview(data)[8 + size :], {}
    for name, record in header.items():
        try:
            dtype, shape = _DTYPES[record["dtype"]], [int(n) for n in record["shape"]]
            begin, end = record["data_offsets"]
        except (KeyError, TypeError, ValueError):
            raise FormatError(f"{path}: tensor '{name}': bad record {record}") from None
        if (
            min(shape, default=0) < 0
            or begin < 0
            or end > len(body)
            or end - begin != math.prod(shape) * dtype.itemsize
        ):
            raise FormatError(
                f"{path}: tensor '{name}': offsets {begin}..{end} do not hold {shape} of {record['dtype']}"
            )
        if not name.startswith(FILLER_PREFIX):
            array = np.frombuffer(body[begin:end], dtype)
            if record["dtype"] == "BF16":
                array = (array.astype(np.uint32) << 16).view(np.float32)
            tensors[name] = array.reshape(shape).copy()
    return tensors, metadata


def write(path, tensors: Dict[str, np.ndarray], metadata: Dict[str, str], check=None) -> None:
    """Writes atomically. Every tensor starts at a multiple of 64 bytes: padded header, filler tensors between.

    `check` is called with the path of the complete file before it gets its name; what it raises leaves no file behind.
    """
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name, array in tensors.items():
        array = np.asarray(array, order="C")
        raw = array.tobytes()
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(raw)],
        }
        blobs.append(raw)
        offset += len(raw)
        gap = -offset % ALIGNMENT
        if gap:
            header[f"{FILLER_PREFIX}{offset}"] = {"dtype": "U8", "shape": [gap], "data_offsets": [offset, offset + gap]}
            blobs.append(bytes(gap))
            offset += gap
    try:
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise FormatError(f"{path}: a name or text has half of a surrogate pair, which UTF-8 can't hold") from None
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise FormatError(f"{path}: header of {len(text)} bytes, at most {MAX_HEADER}")
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.writelines(blobs)
            file.flush()
            os.fsync(file.fileno())
        if check:
            check(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
