"""Random changes to an image and all that belongs to its pixels, every one drawn from the generator that is given."""

import io
from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ..data import IGNORE, MEAN, STD

SOFT_STRIDE = 8  # a teacher's probabilities are learnt at the stride of the network's output


@dataclass
class Augmentation:
    """Ranges of the random changes; `scale` is relative to the whole image filling the network's input. What is
    called a probability is that of the change being made to an image at all."""

    scale: Tuple[float, float] = (0.5, 2.0)
    stretch: float = 0.0  # width and height apart by up to this, as the logarithm of their ratio
    color: float = 0.3
    sharpness: float = 1.0  # blur, sharpening and noise: other cameras than the training set's
    flip: bool = True
    rare_crop: float = 0.0  # probability of a window around a pixel of a rare class
    blur: float = 0.0  # probability of a stronger blur
    jpeg: float = 0.0  # probability of JPEG's artefacts
    cutout: float = 0.0  # probability of a covered rectangle, in which nothing counts
    antialias: float = 0.0  # probability of a smooth reduction instead of one that leaves out pixels


@dataclass
class Sample:
    """An image and what belongs to it, as the data set keeps it."""

    image: torch.Tensor  # uint8 [3, h, w]
    label: torch.Tensor  # uint8 [h, w]
    trust: Optional[torch.Tensor] = None  # uint8 [h, w]; none: 255 everywhere
    soft: Optional[torch.Tensor] = None  # uint8 [classes, h', w'] over the same field of view
    stretch: float = 1.0  # by which the image has to be widened to have its true shape


@dataclass
class Patch:
    image: torch.Tensor  # float [3, H, W], normalised
    label: torch.Tensor  # uint8 [H, W]
    trust: torch.Tensor  # uint8 [H, W]
    soft: Optional[torch.Tensor] = None  # float [classes, H / 8, W / 8], sums of 1, or of 0 where nothing is known


def _start(length, window, generator, around=None):
    """Where a window begins, so that it lies in the image, or the image in it; with `around` it holds that place."""
    low, high = min(0, length - window), max(0, length - window)
    if around is not None:
        low, high = max(low, min(high, around - window + 1)), min(high, max(low, around))
    return int(round(generator.uniform(low, high)))


def _rare_place(label, rarity, generator):
    """A pixel (y, x) of one of the classes that the image has, the rarer the likelier; none where it has none."""
    present = np.flatnonzero(np.bincount(label.numpy().ravel()[::7], minlength=256)[: len(rarity)])
    weights = rarity[present]
    if not weights.sum():
        return None
    chosen = generator.choice(present, p=weights / weights.sum())
    places = np.flatnonzero(label.numpy().ravel()[::7] == chosen) * 7
    return divmod(int(places[generator.integers(len(places))]), label.shape[1])


def _resized(part, size, smooth):
    return F.interpolate(part[None], size, mode="bilinear", align_corners=False, antialias=smooth)[0]


def _nearest(part, size):
    return F.interpolate(part[None, None].float(), size, mode="nearest-exact")[0, 0].to(torch.uint8)


def _soft_window(soft, window, image_size, size):
    """The teacher's probabilities in the window (top, left, height, width), at the stride of the network's output."""
    (top, left, wh, ww), (h, w) = window, image_size
    theta = torch.tensor([[ww / w, 0, (2 * left + ww) / w - 1], [0, wh / h, (2 * top + wh) / h - 1]])[None]
    shape = (1, len(soft), size[0] // SOFT_STRIDE, size[1] // SOFT_STRIDE)
    grid = F.affine_grid(theta, shape, align_corners=False)
    out = F.grid_sample(soft[None].float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    total = out.sum(0, keepdim=True)
    return torch.where(total > 128, out / total.clamp(min=1), torch.zeros(()))


def _jpeg(patch, quality):
    """`patch` (float RGB in 0..255) as JPEG leaves it."""
    file = io.BytesIO()
    pixels = patch.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float()


def augment(sample: Sample, size, settings: Augmentation, generator: np.random.Generator, rarity=None) -> Patch:
    """A random window of the sample, resized to `size`. `rarity`: weight of each class in choosing a rare one."""
    (height, width), (h, w) = size, sample.label.shape
    low, high = (np.log(s) for s in settings.scale)
    true_width = w * sample.stretch
    scale = float(np.exp(generator.uniform(low, high))) * min(height / h, width / true_width)  # output pixels a pixel
    ratio = float(np.exp(generator.uniform(-0.5, 0.5) * settings.stretch)) if settings.stretch else 1.0
    wh = max(1, round(height / scale * ratio))  # the window, in pixels of the image
    ww = max(1, round(width / (scale * sample.stretch) / ratio))
    place = None
    if settings.rare_crop and rarity is not None and generator.random() < settings.rare_crop:
        place = _rare_place(sample.label, rarity, generator)
    top = _start(h, wh, generator, place and place[0])
    left = _start(w, ww, generator, place and place[1])

    # The part of the window that lies in the image goes to rows a0..a1 and columns b0..b1 of the output.
    y0, x0, y1, x1 = max(0, top), max(0, left), min(h, top + wh), min(w, left + ww)
    a0, a1 = round((y0 - top) * height / wh), max(1, round((y1 - top) * height / wh))
    b0, b1 = round((x0 - left) * width / ww), max(1, round((x1 - left) * width / ww))
    a0, b0 = min(a0, a1 - 1), min(b0, b1 - 1)
    inner = (a1 - a0, b1 - b0)
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    smooth = bool(settings.antialias and generator.random() < settings.antialias and wh > height)
    patch = torch.zeros(3, height, width)  # the mean has been taken away: what lies outside is the mean
    patch[:, a0:a1, b0:b1] = _resized(sample.image[:, y0:y1, x0:x1].float() - mean, inner, smooth)
    target = torch.full((height, width), IGNORE, dtype=torch.uint8)
    target[a0:a1, b0:b1] = _nearest(sample.label[y0:y1, x0:x1], inner)
    trust = torch.full((height, width), 255, dtype=torch.uint8)
    if sample.trust is not None:
        trust[a0:a1, b0:b1] = _nearest(sample.trust[y0:y1, x0:x1], inner)
    soft = None if sample.soft is None else _soft_window(sample.soft, (top, left, wh, ww), (h, w), size)

    if settings.color:
        c = settings.color
        contrast, brightness = 1 + generator.uniform(-c, c), 100 * generator.uniform(-c, c)
        saturation = max(0.0, 1 + generator.uniform(-2 * c, 2 * c))  # 0: gray
        balance = torch.tensor(generator.uniform(-c / 3, c / 3, 3), dtype=torch.float32)[:, None, None]
        gray = patch.mean(0, keepdim=True)
        patch = (gray + (patch - gray) * saturation) * contrast + brightness
        patch = patch + (patch + mean) * balance
    if settings.blur and generator.random() < settings.blur:
        reach = int(generator.integers(1, 3))
        patch = F.avg_pool2d(patch[None], 2 * reach + 1, 1, reach, count_include_pad=False)[0]
    if settings.sharpness:
        detail = patch - F.avg_pool2d(patch[None], 3, 1, 1, count_include_pad=False)[0]
        patch = patch + detail * (settings.sharpness * generator.choice([0.0, generator.uniform(-1, 2)]))
        if generator.random() < 0.3:
            noise = generator.standard_normal(patch.shape, dtype=np.float32)
            patch = patch + torch.from_numpy(noise) * (8 * settings.sharpness * generator.random())
    if settings.jpeg and generator.random() < settings.jpeg:
        patch = _jpeg(patch + mean, int(generator.integers(25, 96))) - mean
    if settings.cutout and generator.random() < settings.cutout:
        ch, cw = (max(1, int(n * generator.uniform(0.1, 0.4))) for n in size)
        y, x = (int(generator.integers(0, n - k + 1)) for n, k in ((height, ch), (width, cw)))
        patch[:, y : y + ch, x : x + cw] = 0
        target[y : y + ch, x : x + cw] = IGNORE
    if settings.flip and generator.random() < 0.5:
        patch, target, trust = patch.flip(2), target.flip(1), trust.flip(1)
        soft = None if soft is None else soft.flip(2)
    return Patch(patch / std, target, trust, soft)
