"""Images prepared and label maps made as the protocols say; against Pillow and OpenCV where they are installed."""

import numpy as np
import pytest

import make_test_goldens
from lemore_torch import preparing, protocol

import torch

SIZES = [
    ((37, 53), (64, 96)),
    ((61, 47), (20, 33)),
    ((50, 50), (25, 25)),
    ((40, 64), (20, 33)),
    ((9, 7), (7, 9)),
    ((5, 1), (3, 4)),
]


def pixels(h, w, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)


@pytest.mark.parametrize("size, target", SIZES)
def test_opencv(size, target):
    cv2 = pytest.importorskip("cv2")
    image = pixels(*size)
    wanted = cv2.resize(image, target[::-1], interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(preparing.resize_opencv(image, target), wanted)


def pillow_by_hand(image, target):
    """Pillow's antialiased bilinear, one axis after the other, in whole numbers."""
    for axis in (1, 0):
        n, out = image.shape[axis], target[axis]
        scale, rows = n / out, []
        support = max(scale, 1)
        for o in range(out):
            centre = (o + 0.5) * scale
            taps = np.arange(max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), n))
            weights = np.maximum(0, 1 - np.abs((taps - centre + 0.5) / support))
            weights = np.floor(weights / weights.sum() * (1 << 22) + 0.5).astype(np.int64)
            part = np.take(image, taps, axis).astype(np.int64)
            total = np.tensordot(weights, part, (0, axis))
            rows.append(np.clip((total + (1 << 21)) >> 22, 0, 255))
        image = np.stack(rows, axis).astype(np.uint8)
    return image


@pytest.mark.parametrize("size, target", SIZES)
def test_pillow(size, target):
    image = pixels(*size)
    got = preparing.resize_image(torch.from_numpy(image).permute(2, 0, 1), target, "pillow")
    assert np.array_equal(got[0].permute(1, 2, 0).numpy().astype(np.uint8), pillow_by_hand(image, target))


@pytest.mark.parametrize("size, added, wanted", [
    ((360, 480), {}, (64, 96)), ((360, 480), {"size_rule": "native"}, (360, 480)),
    ((360, 480), {"size_rule": "fit", "fit": [2048, 512]}, (512, 683)),
    ((480, 360), {"size_rule": "fit", "fit": [2048, 512]}, (683, 512)),
    ((100, 1000), {"size_rule": "fit", "fit": [2048, 512]}, (205, 2048)),
    ((360, 480), {"size_rule": "fit", "fit": [2048, 512], "divisor": 32}, (512, 704)),
])  # fmt: skip
def test_sizes(size, added, wanted):
    assert preparing.target_size(size, (64, 96), {**protocol.plain(), **added}) == wanted


def test_windows():
    assert preparing.window_starts(512, 512, 480) == [0]
    assert preparing.window_starts(683, 512, 480) == [0, 171]
    assert preparing.window_starts(1473, 512, 480) == [0, 480, 960, 961]
    assert preparing.window_starts(40, 64, 48) == [0]


def test_a_window_as_large_as_the_image_is_the_whole():
    value, _ = make_test_goldens.SEGFORMERS["segformer/mmseg"]
    model = make_test_goldens.random_model(make_test_goldens.config_of(value), 1)
    image = torch.from_numpy(pixels(40, 52)).permute(2, 0, 1)
    slide = {**protocol.plain(), "size_rule": "native", "mode": "slide", "window": [64, 64], "stride": [48, 48],
             "label_map": "two_step"}  # fmt: skip
    with torch.no_grad():
        whole = preparing.predict(model, image, (64, 64), {**slide, "mode": "whole"})
        assert torch.equal(preparing.predict(model, image, (64, 64), slide), whole) and whole.shape == (40, 52)
        wide = torch.from_numpy(pixels(70, 150)).permute(2, 0, 1)
        x = preparing.prepare(wide, (64, 64), slide)
        got = preparing.logits_at_input(model, x, slide)
        assert got.shape == (1, 5, 70, 150)
        corner = preparing._resized(model(x[:, :, :64, :64]), (64, 64))
        assert torch.allclose(got[:, :, :6, :48], corner[:, :, :6, :48], atol=1e-5)  # under one window only
