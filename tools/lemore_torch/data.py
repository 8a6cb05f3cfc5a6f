"""Data sets laid out as {train,val}/{images,labels}: names, class colours, decoding, augmentation.

Images are uint8 RGB [3, h, w]; labels uint8 [h, w] of class indices, IGNORE where nothing counts.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

MEAN = (123.675, 116.28, 103.53)  # of RGB in 0..255
STD = (58.395, 57.12, 57.375)
IGNORE = 255
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class DataError(ValueError):
    """A data set or labels file that can't be used; the message names the file."""


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
            value = json.loads(Path(path).read_text(encoding="utf-8"))
            return Labels.from_json(value)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not a labels file ({type(error).__name__}: {error})") from None

    @staticmethod
    def from_json(value) -> "Labels":
        colors = [tuple(int(v) for v in c["color"]) for c in value["classes"]]
        if any(len(c) != 3 or min(c) < 0 or max(c) > 255 for c in colors):
            raise ValueError("a colour is not three numbers in 0..255")
        names = [str(c["name"]).strip() for c in value["classes"]]
        ignore, offset = int(value.get("ignore_label", IGNORE)), int(value.get("annotation_offset", 0))
        return Labels(str(value.get("name", "")).strip(), ignore, offset, names, colors)

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
        """Annotation values [h, w] to class indices with IGNORE; a value that is neither is an error."""
        value, count = np.arange(256), len(self.names)
        index = value - self.annotation_offset
        ignored = (index < 0) | (value == self.ignore_label)
        table = np.where(ignored, IGNORE, np.where(index < count, index, -1))
        out = table[values]
        if (out < 0).any():
            raise DataError(f"{where}: value {values[out < 0][0]} is neither one of the {count} classes nor ignored")
        return out.astype(np.uint8)


def read_image(path) -> torch.Tensor:
    """RGB uint8 [3, h, w], turned upright as its EXIF orientation says (so does the C++)."""
    try:
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: {error}") from None


def read_label(path, labels: Labels) -> torch.Tensor:
    """Class indices, uint8 [h, w]."""
    try:
        image = Image.open(path)
        if image.mode not in ("L", "P"):
            raise DataError(f"{path}: mode {image.mode}, expected an 8-bit gray or indexed picture")
        return torch.from_numpy(labels.decode(np.array(image), path))
    except (OSError, SyntaxError) as error:
        raise DataError(f"{path}: {error}") from None


def pairs(images, annotations) -> List[Tuple[Path, Path]]:
    """(image, label) paths by stem, sorted; a missing partner is an error."""
    images, annotations = Path(images), Path(annotations)
    for folder in (images, annotations):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
    labels = {p.stem: p for p in sorted(annotations.iterdir()) if p.suffix.lower() == ".png"}
    found = [p for p in sorted(images.iterdir()) if p.suffix.lower() in SUFFIXES]
    if not found:
        raise DataError(f"{images}: no images")
    for path in found:
        if path.stem not in labels:
            raise DataError(f"{path}: no label {annotations / (path.stem + '.png')}")
    for stem in labels.keys() - {p.stem for p in found}:
        raise DataError(f"{labels[stem]}: no image of that name in {images}")
    return [(path, labels[path.stem]) for path in found]


class SegmentationSet:
    """All images and labels of one split, decoded once and kept as uint8."""

    def __init__(self, folder, labels: Labels):
        self.items, self.labels = [], labels
        for image_path, label_path in pairs(Path(folder) / "images", Path(folder) / "labels"):
            image, label = read_image(image_path), read_label(label_path, labels)
            if image.shape[1:] != label.shape:
                raise DataError(f"{image_path}: {tuple(image.shape[1:])} but its label is {tuple(label.shape)}")
            self.items.append((image, label))

    def __len__(self):
        return len(self.items)

    def frequencies(self) -> torch.Tensor:
        """Share of each class among the labelled pixels, float64 [classes]."""
        count = sum(torch.bincount(label.flatten().long(), minlength=256) for _, label in self.items)
        count = count[: len(self.labels.names)].double()
        return count / count.sum().clamp(min=1)


def normalise(image: torch.Tensor) -> torch.Tensor:
    """Float RGB in 0..255 [..., 3, h, w] to network input."""
    mean, std = (torch.tensor(v, dtype=image.dtype, device=image.device)[:, None, None] for v in (MEAN, STD))
    return (image - mean) / std


@dataclass
class Augmentation:
    """Ranges of the random changes; `scale` is relative to the whole image filling the network's input."""

    scale: Tuple[float, float] = (0.5, 2.0)
    color: float = 0.3
    sharpness: float = 1.0  # blur, sharpening and noise: other cameras than the training set's
    flip: bool = True


def augment(image, label, size, settings: Augmentation, generator: np.random.Generator):
    """A random window of (image, label), resized to `size`: float [3, H, W] normalised, uint8 [H, W]."""
    (height, width), (h, w) = size, label.shape
    low, high = (np.log(s) for s in settings.scale)
    scale = float(np.exp(generator.uniform(low, high))) * min(height / h, width / w)  # output pixels per image pixel
    wh, ww = max(1, round(height / scale)), max(1, round(width / scale))  # the window, in image pixels
    top, left = (int(round(generator.uniform(min(0, n - k), max(0, n - k)))) for n, k in ((h, wh), (w, ww)))
    y0, x0, y1, x1 = max(0, top), max(0, left), min(h, top + wh), min(w, left + ww)
    pad = (x0 - left, left + ww - x1, y0 - top, top + wh - y1)
    patch, target = image[:, y0:y1, x0:x1].float(), label[y0:y1, x0:x1].float()
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    patch = patch - mean  # so that padding with zeros is padding with the mean
    if any(pad):
        patch, target = F.pad(patch, pad), F.pad(target, pad, value=float(IGNORE))
    patch = F.interpolate(patch[None], (height, width), mode="bilinear", align_corners=False)[0]
    target = F.interpolate(target[None, None], (height, width), mode="nearest-exact")[0, 0].to(torch.uint8)
    if settings.color:
        c = settings.color
        contrast, brightness = 1 + generator.uniform(-c, c), 100 * generator.uniform(-c, c)
        saturation = max(0.0, 1 + generator.uniform(-2 * c, 2 * c))  # 0: gray
        balance = torch.tensor(generator.uniform(-c / 3, c / 3, 3), dtype=torch.float32)[:, None, None]
        gray = patch.mean(0, keepdim=True)
        patch = (gray + (patch - gray) * saturation) * contrast + brightness
        patch = patch + (patch + mean) * balance
    if settings.sharpness:
        detail = patch - F.avg_pool2d(patch[None], 3, 1, 1, count_include_pad=False)[0]
        patch = patch + detail * (settings.sharpness * generator.choice([0.0, generator.uniform(-1, 2)]))
        if generator.random() < 0.3:
            noise = generator.standard_normal(patch.shape, dtype=np.float32)
            patch = patch + torch.from_numpy(noise) * (8 * settings.sharpness * generator.random())
    if settings.flip and generator.random() < 0.5:
        patch, target = patch.flip(2), target.flip(1)
    return patch / std, target
