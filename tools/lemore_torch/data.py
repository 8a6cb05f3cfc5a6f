"""Data sets laid out as {train,val}/{images,labels}: names, class colours, decoding.

Images are uint8 RGB [3, h, w]; labels uint8 [h, w] of class indices, IGNORE where nothing counts.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np
import torch

from . import images as pictures
from .label_map import UNKNOWN, LabelMap, LabelMapError, read_json

MEAN = (123.675, 116.28, 103.53)  # of RGB in 0..255
STD = (58.395, 57.12, 57.375)
IGNORE = 255


class DataError(ValueError):
    """A data set or labels file that can't be used; the message names the file."""


def _integer(value, where, low, high):
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{where}: expected an integer in {low}..{high}, got {str(value)[:60]}")
    return value


def _object(value, where, known):
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object, got {str(value)[:60]}")
    for key in value:
        if key not in known:
            hint = "; the value that does not count is called 'ignore_label'" if "ignore" in key else ""
            raise ValueError(f"{where}: unknown field '{key}'{hint}")
    return value


@dataclass
class Labels:
    """The class names and how annotation values map to classes: class = value - annotation_offset."""

    name: str
    ignore_label: int
    annotation_offset: int
    names: List[str]
    colors: List[Tuple[int, int, int]]

    @staticmethod
    def load(path) -> "Labels":
        try:
            return Labels.from_json(read_json(path))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: not a labels file ({error})") from None

    @staticmethod
    def from_json(value) -> "Labels":
        """Strict, as the library reads weight files: unknown fields and wrong types are errors (ValueError)."""
        _object(value, "labels", ("name", "ignore_label", "annotation_offset", "annotation_note", "classes"))
        if not isinstance(value.get("classes"), list) or not value["classes"]:
            raise ValueError("classes: expected a list of classes")
        names, colors = [], []
        for number, item in enumerate(value["classes"]):
            where = f"classes[{number}]"
            _object(item, where, ("name", "color"))
            color = item.get("color")
            if not isinstance(item.get("name"), str):
                raise ValueError(f"{where}.name: expected a text, got {str(item.get('name'))[:60]}")
            if not isinstance(color, (list, tuple)) or len(color) != 3:
                raise ValueError(f"{where}.color: expected three numbers, got {str(color)[:60]}")
            names.append(item["name"].strip())
            colors.append(tuple(_integer(c, f"{where}.color", 0, 255) for c in color))
        name = value.get("name", "")
        if not isinstance(name, str):
            raise ValueError(f"name: expected a text, got {str(name)[:60]}")
        ignore = _integer(value.get("ignore_label", IGNORE), "ignore_label", -1, 65535)
        offset = _integer(value.get("annotation_offset", 0), "annotation_offset", 0, 65535)
        return Labels(name.strip(), ignore, offset, names, colors)

    @staticmethod
    def generated(count: int) -> "Labels":
        """Names 'class 0'.. and distinct colours (PASCAL's bit-reversal palette, shifted so that none is black)."""

        def color(index):
            rgb, index = [0, 0, 0], index + 1
            for bit in range(7, -1, -1):
                for channel in range(3):
                    rgb[channel] |= (index >> channel & 1) << bit
                index >>= 3
            return tuple(rgb)

        return Labels("", IGNORE, 0, [f"class {i}" for i in range(count)], [color(i) for i in range(count)])

    def to_json(self) -> dict:
        classes = [{"name": n, "color": list(c)} for n, c in zip(self.names, self.colors)]
        return {"name": self.name, "ignore_label": self.ignore_label, "annotation_offset": self.annotation_offset,
                "classes": classes}  # fmt: skip

    def decode(self, values: np.ndarray, where) -> np.ndarray:
        """Annotation values [h, w] of 8 bits to class indices with IGNORE; a value that is neither is an error."""
        value, count = np.arange(256), len(self.names)
        index = value - self.annotation_offset
        ignored = (index < 0) | (value == self.ignore_label)
        table = np.where(ignored, IGNORE, np.where(index < count, index, -1))
        out = table[values]
        if (out < 0).any():
            y, x = np.argwhere(out < 0)[0]
            raise DataError(f"{where}: value {values[y, x]} at pixel x {x}, y {y}: expected {self.annotation_offset} to "
                            f"{self.annotation_offset + count - 1} or {self.ignore_label} (ignored); --label-map gives "
                            "values another meaning")  # fmt: skip
        return out.astype(np.uint8)


def load_label_map(path, labels: Labels) -> Optional[LabelMap]:
    """The label map of a file, for the classes of `labels`; none where there is no path."""
    try:
        return LabelMap.load(path, labels.names) if path else None
    except LabelMapError as error:
        raise DataError(str(error)) from None


def _bytes_of(path) -> bytes:
    path = Path(path)
    if path.stat().st_size > pictures.MAX_FILE_BYTES:
        raise pictures.ImageError("the file is larger than 2 GB")
    return path.read_bytes()


def read_image(path) -> torch.Tensor:
    """RGB uint8 [3, h, w], upright; the same pixels as the command line reads (lemore_torch/images.py)."""
    try:
        picture = pictures.samples_of(_bytes_of(path))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except pictures.ImageError as error:
        raise DataError(f"{path}: {error}") from None
    if picture.warning:
        print(f"warning: {path}: {picture.warning}", file=sys.stderr)
    pixels = picture.pixels()
    if pixels.ndim == 2:
        return torch.from_numpy(pixels)[None].repeat(3, 1, 1)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_label(path, labels: Labels, label_map: Optional[LabelMap] = None) -> torch.Tensor:
    """Class indices, uint8 [h, w], IGNORE where nothing counts. Without a label map the picture is a gray PNG
    of at most 8 bits, whose values are never scaled, or an indexed one (the places in its palette are the values); with
    one it may be a PNG of any kind."""
    if len(labels.names) > IGNORE:
        raise DataError(f"{path}: {len(labels.names)} classes; training and evaluation in Python take at most {IGNORE}")
    try:
        data = _bytes_of(path)
        if pictures.format_of(data) != "PNG":
            raise pictures.ImageError(f"{pictures.format_of(data) or 'not a picture'}; labels are PNGs")
        picture = pictures.png_samples(data)
        if label_map is not None:
            return torch.from_numpy(_mapped(picture, label_map, path))
        kind = ("colours" if picture.values.ndim == 3 else "gray with alpha" if picture.alpha
                else "16-bit gray" if picture.max > 255 else None)  # fmt: skip
        if kind:
            raise pictures.ImageError(f"a PNG of {kind}; labels are gray PNGs of at most 8 bits or indexed PNGs, unless "
                                      "--label-map says what others mean")  # fmt: skip
        return torch.from_numpy(labels.decode(picture.values, path))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except pictures.ImageError as error:
        raise DataError(f"{path}: {error}") from None


def _mapped(picture, label_map, path):
    classes, keys = label_map.classes_of(picture)
    if (classes == UNKNOWN).any():
        y, x = np.argwhere(classes == UNKNOWN)[0]
        raise DataError(f"{path}: {label_map.describe(keys[y, x])} at pixel x {x}, y {y} is not in the label map")
    return np.where(classes < 0, IGNORE, classes).astype(np.uint8)


def _files_of(folder: Path, recursive=False) -> List[Path]:
    """The image files of a folder below it, as the command line counts them: not hidden, with an image's ending."""
    found = []
    try:
        for path in folder.iterdir():
            if path.name.startswith("."):
                continue
            if path.is_dir():  # folders behind links are not followed: they may lead in circles
                below = _files_of(path, True) if recursive and not path.is_symlink() else []
                found += [Path(path.name) / each for each in below]
            elif path.suffix.lower() in pictures.ENDINGS and path.is_file():
                found.append(Path(path.name))
    except OSError as error:
        raise DataError(f"{folder}: {'no such folder' if not folder.is_dir() else error.strerror}") from None
    return sorted(found, key=str)


@dataclass
class Side:
    """How images, or labels, are called: `before` and `after` around what an image and its label share."""

    before: str = ""
    after: str = ""

    def shared(self, path: Path) -> Optional[str]:
        """What a file shares with its partner, its folders included; None where it is called otherwise."""
        name = path.name if "." in self.after else path.stem
        middle = len(name) - len(self.before) - len(self.after)
        if middle <= 0 or not (name.startswith(self.before) and name.endswith(self.after)):
            return None
        return str(path.parent / name[len(self.before) : len(self.before) + middle])

    def called(self, shared: str) -> str:
        path = Path(shared)
        ending = "" if "." in self.after else ".png"
        return str(path.parent / f"{self.before}{path.name}{self.after}{ending}")


def pair_pattern(text: str) -> Tuple[Side, Side]:
    """--pair 'IMAGE=LABEL', {} in each for what the names share, as `lemore eval` takes it. Errors: ValueError."""
    sides = text.split("=")
    if len(sides) != 2:
        raise ValueError(f"expected IMAGE=LABEL with {{}} in each, got '{text}'")
    for side in sides:
        if side.count("{}") != 1:
            raise ValueError(f"'{side}' does not have {{}} once")
        if "/" in side:
            raise ValueError(f"'{side}' has a folder; expected a file's name")
    image, label = (Side(*side.split("{}")) for side in sides)
    return image, label


def pairs(images, annotations, pattern: Optional[Tuple[Side, Side]] = None, recursive=False) -> List[Tuple[Path, Path]]:
    """(image, label) paths by name without ending, or by the pattern; sorted. A missing partner, or two of a name,
    is an error; with a pattern, files that are called otherwise are passed over."""
    images, annotations = Path(images), Path(annotations)
    image_side, label_side = pattern or (Side(), Side())
    found, labels = {}, {}
    for path in _files_of(images, recursive):
        name = image_side.shared(path)
        if name in found:
            raise DataError(f"{found[name]} and {images / path}: both would have the label {label_side.called(name)}")
        if name is not None:
            found[name] = images / path
    for path in _files_of(annotations, recursive):
        name = label_side.shared(path)
        if name is None or ("." not in label_side.after and path.suffix.lower() != ".png"):
            continue
        if name in labels:
            raise DataError(f"{labels[name]} and {annotations / path}: both are labels of one image")
        labels[name] = annotations / path
    if not found:
        called = f" called '{image_side.before}{{}}{image_side.after}' (--pair)" if pattern else ""
        raise DataError(f"{images}: no images{called}")
    for name in sorted(found.keys() ^ labels.keys()):
        if name in found:
            raise DataError(f"{found[name]}: no label {annotations / label_side.called(name)}")
        raise DataError(f"{labels[name]}: no image of that name in {images}")
    return [(found[name], labels[name]) for name in sorted(found)]


def read_pair(image_path, label_path, labels: Labels, label_map: Optional[LabelMap] = None):
    """(image, label) of one size."""
    image, label = read_image(image_path), read_label(label_path, labels, label_map)
    if image.shape[1:] != label.shape:
        raise DataError(f"{image_path}: {tuple(image.shape[1:])}, but {label_path} is {tuple(label.shape)}")
    return image, label


def normalise(image: torch.Tensor) -> torch.Tensor:
    """Float RGB in 0..255 [..., 3, h, w] to network input."""
    mean, std = (torch.tensor(v, dtype=image.dtype, device=image.device)[:, None, None] for v in (MEAN, STD))
    return (image - mean) / std


def __getattr__(name):
    """Scripts outside the repository import SegmentationSet from here; it lives with the other data sets."""
    if name == "SegmentationSet":
        from .training.sets import SegmentationSet

        return SegmentationSet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
