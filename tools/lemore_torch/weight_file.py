"""What the C++ library asks of a weight file, and the check of every file that is written.

The bounds here are those of `src/weights/`; tests/test_weight_file.py walks both sides over a table of cases.
"""

import json
import math
import re
from pathlib import Path

import numpy as np

from . import safetensors
from .config import Config, ConfigError

FORMAT_VERSION = "1"
MAX_JSON_BYTES = 4 << 20
MAX_JSON_VALUES = 1 << 20
MAX_JSON_DEPTH = 32
MAX_RANK = 8


class WeightFileError(ValueError):
    """One line: the field, what was expected, what came."""


def parse_json(text, where, finite=True):
    """JSON as the C++ reads it: no NaN, no name twice, bounded depth and size, no lone surrogates."""

    def constant(name):
        raise ValueError(f"expected a JSON value, got {name}")

    if len(text.encode("utf-8", "surrogatepass")) > MAX_JSON_BYTES:
        raise WeightFileError(f"{where}: expected at most {MAX_JSON_BYTES} bytes of JSON, got {len(text)}")
    try:
        value = json.loads(text, parse_constant=constant, object_pairs_hook=safetensors.no_duplicates)
    except (ValueError, RecursionError) as error:
        raise WeightFileError(f"{where}: {error if str(error) else 'nested too deeply'}") from None
    values, level, depth = 0, [value], 0
    while level:
        values += len(level)
        below = []
        for item in level:
            if isinstance(item, str):
                _text(item, where)
            elif isinstance(item, dict):
                for key in item:
                    _text(key, where)
                below += item.values()
            elif isinstance(item, list):
                below += item
        depth += any(isinstance(item, (dict, list)) for item in level)
        level = below
    if depth > MAX_JSON_DEPTH:
        raise WeightFileError(f"{where}: expected at most {MAX_JSON_DEPTH} levels, got {depth}")
    if values > MAX_JSON_VALUES:
        raise WeightFileError(f"{where}: expected at most {MAX_JSON_VALUES} values, got {values}")
    return value


def _text(value, where):
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise WeightFileError(f"{where}: expected text that UTF-8 can hold, got half of a surrogate pair") from None


class Fields:
    """Typed, bounded reading of JSON, with errors that name the field."""

    @staticmethod
    def fail(where, expected, got):
        raise WeightFileError(f"{where}: expected {expected}, got {json.dumps(got)[:60]}")

    @classmethod
    def object(cls, value, where, known):
        if not isinstance(value, dict):
            cls.fail(where, "an object", value)
        for key in value:
            if key not in known:
                raise WeightFileError(f"{where}: unknown field '{key}'")
        return value

    @classmethod
    def integer(cls, value, where, low, high):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            cls.fail(where, f"an integer in {low}..{high}", value)
        return value

    @classmethod
    def number(cls, value, where, low, high):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            cls.fail(where, f"a number in {low}..{high}", value)
        return value

    @classmethod
    def string(cls, value, where):
        if not isinstance(value, str):
            cls.fail(where, "a string", value)
        return value

    @classmethod
    def one_of(cls, value, where, choices):
        if value not in choices:
            cls.fail(where, " or ".join(f"'{c}'" for c in choices), value)
        return value

    @classmethod
    def list(cls, value, where, low, high=None):
        high = low if high is None else high
        if not isinstance(value, list):
            cls.fail(where, "a list", value)
        if not low <= len(value) <= high:
            raise WeightFileError(f"{where}: expected a list of {low}..{high} items, got {len(value)}")
        return value


def check_labels(value, count):
    known = ("name", "ignore_label", "annotation_offset", "annotation_note", "classes")
    Fields.object(value, "labels", known)
    Fields.string(value.get("name"), "labels.name")
    Fields.integer(value.get("ignore_label"), "labels.ignore_label", -1, 65535)
    Fields.integer(value.get("annotation_offset"), "labels.annotation_offset", 0, 65535)
    for i, item in enumerate(Fields.list(value.get("classes"), "labels.classes", count)):
        where = f"labels.classes[{i}]"
        Fields.object(item, where, ("name", "color"))
        Fields.string(item.get("name"), f"{where}.name")
        for part in Fields.list(item.get("color"), f"{where}.color", 3):
            Fields.integer(part, f"{where}.color", 0, 255)


def check_preprocessing(value):
    Fields.object(value, "preprocessing", ("channel_order", "mean", "std", "resize", "label_map"))
    Fields.one_of(value.get("channel_order"), "preprocessing.channel_order", ("rgb",))
    Fields.one_of(value.get("resize"), "preprocessing.resize", ("bilinear",))
    Fields.one_of(value.get("label_map"), "preprocessing.label_map", ("direct", "two_step"))
    for field, low in (("mean", -1e6), ("std", 1e-6)):
        for part in Fields.list(value.get(field), f"preprocessing.{field}", 3):
            Fields.number(part, f"preprocessing.{field}", low, 1e6)


def check_provenance(value):
    Fields.object(value, "provenance", ("source", "source_sha256", "license", "converter", "metrics"))
    for field in ("source", "source_sha256", "license", "converter"):
        Fields.string(value.get(field), f"provenance.{field}")
    if not re.fullmatch("([0-9a-f]{64})?", value["source_sha256"]):
        Fields.fail("provenance.source_sha256", "64 hexadecimal digits in lower case, or ''", value["source_sha256"])
    if not isinstance(value.get("metrics"), (dict, type(None))):
        Fields.fail("provenance.metrics", "an object or null", value["metrics"])


def check_metadata(metadata):
    """Raises a WeightFileError where the C++ library would refuse these strings."""
    for key, expected in (("format", "lemore"), ("format_version", FORMAT_VERSION), ("architecture", "lemore")):
        if metadata.get(key) != expected:
            raise WeightFileError(f"metadata '{key}': expected '{expected}', got {metadata.get(key)!r}")
    try:
        config = Config.from_json(parse_json(metadata["config"], "config"))
    except ConfigError as error:
        raise WeightFileError(str(error)) from None
    outputs = config.num_classes if config.classes_only is None else config.classes_only
    check_labels(parse_json(metadata["labels"], "metadata 'labels'"), outputs)
    check_preprocessing(parse_json(metadata["preprocessing"], "metadata 'preprocessing'"))
    check_provenance(parse_json(metadata["provenance"], "metadata 'provenance'"))


def check_container(data, where):
    """(header, bytes before the data) of a file of the profile; every record is checked."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 10 or not 2 <= size <= min(safetensors.MAX_HEADER, len(data) - 8):
        raise WeightFileError(f"{where}: header of {size} bytes in a file of {len(data)}")
    header = parse_json(bytes(data[8 : 8 + size]).decode("utf-8"), f"{where}: header")
    for key, value in header.get("__metadata__", {}).items():
        Fields.string(value, f"__metadata__.{key}")
    records, end = [], 0
    for name, record in header.items():
        if name == "__metadata__":
            continue
        path = f"tensor '{name}'"
        Fields.object(record, path, ("dtype", "shape", "data_offsets"))
        for extent in Fields.list(record.get("shape"), f"{path}.shape", 0, MAX_RANK):
            Fields.integer(extent, f"{path}.shape", 0, 1 << 62)
        begin, stop = Fields.list(record.get("data_offsets"), f"{path}.data_offsets", 2)
        item = safetensors.item_size(record["dtype"])
        if begin != end or stop - begin != math.prod(record["shape"]) * item:
            raise WeightFileError(f"{path}.data_offsets: {begin}..{stop} for {record['shape']} of {record['dtype']}")
        end = stop
        records.append((name, record))
    if 8 + size + end != len(data):
        raise WeightFileError(f"{where}: expected {end} bytes of data, got {len(data) - 8 - size}")
    return header.get("__metadata__", {}), records, 8 + size


def check(path):
    """Reads a written file as the C++ does; raises a WeightFileError for whatever it would refuse."""
    data = memoryview(Path(path).read_bytes())
    metadata, records, start = check_container(data, "the file written")
    check_metadata(metadata)
    for name, record in records:
        if name.startswith(safetensors.FILLER_PREFIX):
            if record["dtype"] != "U8":
                raise WeightFileError(f"tensor '{name}': expected U8, as fillers are, got {record['dtype']}")
            continue
        if record["dtype"] != "F32":
            raise WeightFileError(f"tensor '{name}': expected F32, got {record['dtype']}")
        begin, stop = record["data_offsets"]
        if not np.isfinite(np.frombuffer(data[start + begin : start + stop], "<f4")).all():
            raise WeightFileError(f"tensor '{name}': expected finite values, got infinity or NaN")
