"""Typed, bounded reading of JSON, as the C++ library does it; every error names the field, what was expected, what
came."""

import json
from pathlib import Path

# Far beyond any sensible network; src/graph/config_reader.h has the same.
MAX_SIZE = 16384
MAX_CHANNELS = 8192
MAX_LAYERS = 64
MAX_WIDE_CHANNELS = 65536
MAX_WEIGHT_BYTES = 1 << 31
MAX_CLASSES = 256  # a label map has 8 bits a pixel
MAX_CLASSIFIER_CLASSES = 65536

MAX_JSON_BYTES = 4 << 20
MAX_JSON_VALUES = 1 << 20
MAX_JSON_DEPTH = 32


class FieldError(ValueError):
    """One line."""


def fail(where, expected, got):
    raise FieldError(f"{where}: expected {expected}, got {json.dumps(got)[:60]}")


def check_object(value, where, known):
    if not isinstance(value, dict):
        fail(where, "an object", value)
    for key in value:
        if key not in known:
            raise FieldError(f"{where}: unknown field '{key}'")
    return value


def integer(value, where, low, high):
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        fail(where, f"an integer in {low}..{high}", value)
    return value


def number(value, where, low, high):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        fail(where, f"a number in {low}..{high}", value)
    return float(value)


def boolean(value, where):
    if not isinstance(value, bool):
        fail(where, "true or false", value)
    return value


def string(value, where):
    if not isinstance(value, str):
        fail(where, "a string", value)
    return value


def one_of(value, where, choices):
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        fail(where, " or ".join("null" if c is None else f"'{c}'" for c in choices), value)
    return value


def items(value, where, low, high=None):
    """A list of low..high items."""
    high = low if high is None else high
    if not isinstance(value, list):
        fail(where, "a list", value)
    if not low <= len(value) <= high:
        raise FieldError(
            f"{where}: expected a list of {low if low == high else f'{low}..{high}'} items, got {len(value)}"
        )
    return value


def integers(value, where, count, low, high):
    return tuple(integer(n, f"{where}[{i}]", low, high) for i, n in enumerate(items(value, where, count)))


def at_most(where, value, high=MAX_WIDE_CHANNELS):
    if value > high:
        raise FieldError(f"{where}: expected at most {high}, got {value}")


def check_weight_bytes(floats):
    if 4 * floats > MAX_WEIGHT_BYTES:
        raise FieldError(f"config: expected a network of at most {MAX_WEIGHT_BYTES} bytes of weights, got {4 * floats}")


def no_duplicates(pairs):
    """For json.loads: an object with a name twice is an error."""
    out = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"duplicate key '{key}'")
        out[key] = value
    return out


def _check_text(value, where):
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise FieldError(f"{where}: expected text that UTF-8 can hold, got half of a surrogate pair") from None


def parse_json(text, where):
    """JSON as the C++ reads it: no NaN, no name twice, bounded depth and size, no lone surrogates."""

    def constant(name):
        raise ValueError(f"expected a JSON value, got {name}")

    if len(text.encode("utf-8", "surrogatepass")) > MAX_JSON_BYTES:
        raise FieldError(f"{where}: expected at most {MAX_JSON_BYTES} bytes of JSON, got {len(text)}")
    try:
        value = json.loads(text, parse_constant=constant, object_pairs_hook=no_duplicates)
    except RecursionError:
        raise FieldError(f"{where}: expected at most {MAX_JSON_DEPTH} levels, got far more") from None
    except ValueError as error:
        raise FieldError(f"{where}: {error}") from None
    values, level, depth = 0, [value], 0
    while level:
        values += len(level)
        below = []
        for item in level:
            if isinstance(item, str):
                _check_text(item, where)
            elif isinstance(item, dict):
                for key in item:
                    _check_text(key, where)
                below += item.values()
            elif isinstance(item, list):
                below += item
        depth += any(isinstance(item, (dict, list)) for item in level)
        level = below
    if depth > MAX_JSON_DEPTH:
        raise FieldError(f"{where}: expected at most {MAX_JSON_DEPTH} levels, got {depth}")
    if values > MAX_JSON_VALUES:
        raise FieldError(f"{where}: expected at most {MAX_JSON_VALUES} values, got {values}")
    return value


def load_json(path):
    """The JSON of a file, a byte order mark before it allowed."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise FieldError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return parse_json(text, path)
