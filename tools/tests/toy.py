"""A toy data set that it draws itself: coloured squares and discs on noise, 64x64, four classes."""

import json

import numpy as np
from PIL import Image

NAMES, COLORS = ("ground", "square", "disc", "stripe"), ((90, 90, 90), (200, 40, 40), (40, 200, 40), (40, 40, 200))
CONFIG = {
    "input_size": [64, 64], "num_classes": 4, "stem_channels": 8,
    "stages": [{"channels": c, "down": {"expansion": 3, "kernel": 3}, "blocks": []} for c in (8, 12, 20, 28)],
    "nested": {"layers": 1, "key_dim": 8, "value_dim": 8, "branches": 2}, "token_stride": 32,
    "ffn_expansion": 1, "fusion_channels": 24, "fusion_stride": 4,
}  # fmt: skip


def draw(generator, size=64, radii=(7, 15)):
    """(image uint8 [size, size, 3], label uint8 [size, size]) of three shapes; 255 along the border is ignored."""
    label = np.zeros((size, size), np.uint8)
    y, x = np.mgrid[:size, :size]
    for _ in range(3):
        kind, (cy, cx), r = generator.integers(1, 4), generator.integers(8, size - 8, 2), generator.integers(*radii)
        inside = {
            1: np.maximum(abs(y - cy), abs(x - cx)) < r,
            2: (y - cy) ** 2 + (x - cx) ** 2 < r * r,
            3: abs(y - cy) < r // 2,
        }
        label[inside[int(kind)]] = kind
    image = np.array(COLORS, float)[label] + generator.normal(0, 12, (size, size, 3))
    label[:1] = 255
    return image.clip(0, 255).astype(np.uint8), label


def write(folder, train=12, val=4, seed=0, radii=(7, 15)):
    """Writes the data set, labels.json and config.json below `folder`."""
    generator = np.random.default_rng(seed)
    for split, count in (("train", train), ("val", val)):
        for kind in ("images", "labels"):
            (folder / split / kind).mkdir(parents=True)
        for i in range(count):
            image, label = draw(generator, radii=radii)
            Image.fromarray(image).save(folder / split / "images" / f"{i:03}.png")
            Image.fromarray(label).save(folder / split / "labels" / f"{i:03}.png")
    classes = [{"name": n, "color": list(c)} for n, c in zip(NAMES, COLORS)]
    (folder / "labels.json").write_text(json.dumps({"name": "toy", "ignore_label": 255, "classes": classes}))
    (folder / "config.json").write_text(json.dumps(CONFIG))
