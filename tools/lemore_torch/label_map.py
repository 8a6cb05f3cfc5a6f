"""--label-map FILE: what the values or colours of annotation pictures mean, where they are not class + offset.

    {"values": {"0": "background", "255": "object", "7": "ignore"}, "default": "ignore"}
    {"colors": {"#804080": "road", "0,0,0": 3}, "default": "error"}

A class is given by its name or its index. What is not listed is ignored with "default": "ignore", else an error.
`lemore eval --label-map` reads the same file in the same way.
"""

import json
import re
from pathlib import Path

import numpy as np

from .images import ImageError, Samples

UNKNOWN, IGNORED = -2, -1


class LabelMapError(ValueError):
    """A label map that can't be used; the message names the file and the field."""


def read_json(path):
    """JSON from a file, a byte order mark before it or not; a name that stands twice in one object is an error."""

    def once(items):
        value = dict(items)
        if len(value) != len(items):
            names = [name for name, _ in items]
            raise ValueError(f"'{next(n for n in names if names.count(n) > 1)}' stands there twice")
        return value

    return json.loads(Path(path).read_text(encoding="utf-8-sig"), object_pairs_hook=once)


class LabelMap:
    def __init__(self, value, names):
        """Of parsed JSON, for classes called `names`. Errors: LabelMapError, without the file."""
        kinds = [k for k in ("values", "colors") if isinstance(value, dict) and k in value]
        if len(kinds) != 1 or not isinstance(value[kinds[0]], dict) or not value[kinds[0]]:
            raise LabelMapError('expected {"values": {...}} or {"colors": {...}}')
        unknown = sorted(value.keys() - {*kinds, "default"})
        if unknown:
            raise LabelMapError(f"unknown field '{unknown[0]}'")
        self.by_color, self.names = kinds[0] == "colors", names
        default = value.get("default", "error")
        if default not in ("ignore", "error"):
            raise LabelMapError(f'default: expected "ignore" or "error", got {json.dumps(default)[:60]}')
        self.default = IGNORED if default == "ignore" else UNKNOWN
        self.classes = {}  # value, or colour as 0xRRGGBB: class or IGNORED
        for key, meaning in value[kinds[0]].items():
            number = self._color(key) if self.by_color else self._value(key)
            found = self._class(f"{kinds[0]}['{key}']", meaning)
            if self.classes.setdefault(number, found) != found:
                raise LabelMapError(f"{kinds[0]}: '{key}' stands there twice, with two meanings")

    @staticmethod
    def load(path, names):
        try:
            return LabelMap(read_json(path), names)
        except (OSError, ValueError) as error:
            raise LabelMapError(f"{path}: {error}") from None

    @staticmethod
    def _value(key):
        if not re.fullmatch(r"[0-9]{1,9}", key) or int(key) > 65535:
            raise LabelMapError(f"values: expected a value 0 to 65535, got '{key}'")
        return int(key)

    @staticmethod
    def _color(key):
        if re.fullmatch(r"#[0-9a-fA-F]{6}", key):
            return int(key[1:], 16)
        parts = (
            [int(p) for p in key.split(",")] if re.fullmatch(r"\s*[0-9]{1,9}\s*(,\s*[0-9]{1,9}\s*){2}", key) else [256]
        )
        if max(parts) > 255:
            raise LabelMapError(f"colors: expected '#RRGGBB' or 'R,G,B', got '{key}'")
        return parts[0] << 16 | parts[1] << 8 | parts[2]

    def _class(self, where, meaning):
        if meaning == "ignore":
            return IGNORED
        if isinstance(meaning, str):
            name = meaning.strip()
            if self.names.count(name) == 1:
                return self.names.index(name)
            raise LabelMapError(
                f"{where}: {'several classes are' if name in self.names else 'no class is'} called '{name}'"
            )
        if isinstance(meaning, bool) or not isinstance(meaning, int) or not 0 <= meaning < len(self.names):
            raise LabelMapError(f"{where}: expected a class's name, its index 0..{len(self.names) - 1} or \"ignore\", "
                                f"got {json.dumps(meaning)[:60]}")  # fmt: skip
        return meaning

    def to_json(self):
        """What decides about the classes of pixels, for a checkpoint."""
        return {"by_color": self.by_color, "default": self.default, "classes": sorted(map(list, self.classes.items()))}

    def classes_of(self, picture: Samples):
        """(class, IGNORED or UNKNOWN a pixel, the pixel's value or 0xRRGGBB), each int [h, w]. Errors: ImageError."""
        if self.by_color:
            pixels = picture.pixels(upright=False)
            if pixels.ndim == 2:
                pixels = np.stack([pixels] * 3, 2)
            keys = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
        elif picture.values.ndim == 3:
            raise ImageError('a picture of colours, but the label map lists "values"')
        else:
            keys = picture.values.astype(np.int64)
        found, inverse = np.unique(keys, return_inverse=True)
        meanings = np.array([self.classes.get(int(k), self.default) for k in found])
        return meanings[inverse].reshape(keys.shape), keys

    def describe(self, key):
        return f"colour #{key:06x}" if self.by_color else f"value {key}"
