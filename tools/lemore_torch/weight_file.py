"""What the C++ library asks of a weight file, and the check of every file that is written.

The bounds here are those of `src/weights/`; tests/test_weight_file.py walks both sides over a table of cases.
"""

import math
import re
from pathlib import Path

import numpy as np

from . import fields, safetensors
from .fields import FieldError
from .networks import NETWORKS

FORMAT_VERSION = "1"
MAX_RANK = 8


def check_labels(value, count):
    known = ("name", "ignore_label", "annotation_offset", "annotation_note", "classes")
    fields.check_object(value, "labels", known)
    fields.string(value.get("name"), "labels.name")
    fields.integer(value.get("ignore_label"), "labels.ignore_label", -1, 65535)
    fields.integer(value.get("annotation_offset"), "labels.annotation_offset", 0, 65535)
    for i, item in enumerate(fields.items(value.get("classes"), "labels.classes", count)):
        where = f"labels.classes[{i}]"
        fields.check_object(item, where, ("name", "color"))
        fields.string(item.get("name"), f"{where}.name")
        for part in fields.items(item.get("color"), f"{where}.color", 3):
            fields.integer(part, f"{where}.color", 0, 255)


def check_preprocessing(value):
    where = "preprocessing"
    known = (
        "channel_order",
        "mean",
        "std",
        "resize",
        "size_rule",
        "fit",
        "divisor",
        "mode",
        "window",
        "stride",
        "label_map",
    )
    fields.check_object(value, where, known)
    fields.one_of(value.get("channel_order"), f"{where}.channel_order", ("rgb",))
    fields.one_of(value.get("resize"), f"{where}.resize", ("bilinear", "opencv", "pillow"))
    fields.one_of(value.get("label_map"), f"{where}.label_map", ("direct", "two_step"))
    for name, low in (("mean", -1e6), ("std", 1e-6)):
        for part in fields.items(value.get(name), f"{where}.{name}", 3):
            fields.number(part, f"{where}.{name}", low, 1e6)
    rule = fields.one_of(value.get("size_rule", "exact"), f"{where}.size_rule", ("exact", "fit", "native"))
    mode = fields.one_of(value.get("mode", "whole"), f"{where}.mode", ("whole", "slide"))
    for name, there in (("fit", rule == "fit"), ("window", mode == "slide"), ("stride", mode == "slide")):
        if there:
            fields.integers(value.get(name), f"{where}.{name}", 2, 1, fields.MAX_SIZE)
        elif name in value:
            raise FieldError(f"{where}.{name}: has no meaning with size_rule '{rule}' and mode '{mode}'")
    if "divisor" in value:
        fields.integer(value["divisor"], f"{where}.divisor", 1, 4096)
    if mode == "slide" and any(s > w for s, w in zip(value["stride"], value["window"])):
        fields.fail(f"{where}.stride", f"at most the window {value['window']}", value["stride"])


def check_provenance(value):
    fields.check_object(value, "provenance", ("source", "source_sha256", "license", "converter", "metrics"))
    for field in ("source", "source_sha256", "license", "converter"):
        fields.string(value.get(field), f"provenance.{field}")
    if not re.fullmatch("([0-9a-f]{64})?", value["source_sha256"]):
        fields.fail("provenance.source_sha256", "64 hexadecimal digits in lower case, or ''", value["source_sha256"])
    if not isinstance(value.get("metrics"), (dict, type(None))):
        fields.fail("provenance.metrics", "an object or null", value["metrics"])


def check_metadata(metadata):
    """Raises a FieldError where the C++ library would refuse these strings."""
    for key, expected in (("format", ("lemore",)), ("format_version", (FORMAT_VERSION,)), ("architecture", NETWORKS)):
        fields.one_of(metadata.get(key), f"metadata '{key}'", tuple(expected))
    for key in ("config", "labels", "preprocessing", "provenance"):
        if key not in metadata:
            raise FieldError(f"metadata '{key}': expected JSON, got nothing")
    config = NETWORKS[metadata["architecture"]].Config.from_json(fields.parse_json(metadata["config"], "config"))
    check_labels(fields.parse_json(metadata["labels"], "metadata 'labels'"), config.outputs)
    check_preprocessing(fields.parse_json(metadata["preprocessing"], "metadata 'preprocessing'"))
    check_provenance(fields.parse_json(metadata["provenance"], "metadata 'provenance'"))


def check_container(data, where):
    """(header, bytes before the data) of a file of the profile; every record is checked."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 10 or not 2 <= size <= min(safetensors.MAX_HEADER, len(data) - 8):
        raise FieldError(f"{where}: header of {size} bytes in a file of {len(data)}")
    header = fields.parse_json(bytes(data[8 : 8 + size]).decode("utf-8"), f"{where}: header")
    for key, value in header.get("__metadata__", {}).items():
        fields.string(value, f"__metadata__.{key}")
    records, end = [], 0
    for name, record in header.items():
        if name == "__metadata__":
            continue
        path = f"tensor '{name}'"
        fields.check_object(record, path, ("dtype", "shape", "data_offsets"))
        for extent in fields.items(record.get("shape"), f"{path}.shape", 0, MAX_RANK):
            fields.integer(extent, f"{path}.shape", 0, 1 << 62)
        begin, stop = fields.items(record.get("data_offsets"), f"{path}.data_offsets", 2)
        item = safetensors.item_size(record["dtype"])
        if begin != end or stop - begin != math.prod(record["shape"]) * item:
            raise FieldError(f"{path}.data_offsets: {begin}..{stop} for {record['shape']} of {record['dtype']}")
        end = stop
        records.append((name, record))
    if 8 + size + end != len(data):
        raise FieldError(f"{where}: expected {end} bytes of data, got {len(data) - 8 - size}")
    return header.get("__metadata__", {}), records, 8 + size


def check(path):
    """Reads a written file as the C++ does; raises a FieldError for whatever it would refuse."""
    data = memoryview(Path(path).read_bytes())
    metadata, records, start = check_container(data, "the file written")
    check_metadata(metadata)
    for name, record in records:
        if name.startswith(safetensors.FILLER_PREFIX):
            if record["dtype"] != "U8":
                raise FieldError(f"tensor '{name}': expected U8, as fillers are, got {record['dtype']}")
            continue
        if record["dtype"] != "F32":
            raise FieldError(f"tensor '{name}': expected F32, got {record['dtype']}")
        begin, stop = record["data_offsets"]
        if not np.isfinite(np.frombuffer(data[start + begin : start + stop], "<f4")).all():
            raise FieldError(f"tensor '{name}': expected finite values, got infinity or NaN")
