"""`lemore run` and `lemore eval` against the Python reference, pixel by pixel, on JPEGs and PNGs that the test
draws."""

import json

import numpy as np
import pytest
from cpp import binary, lemore
from PIL import Image

import convert
import evaluate
import make_test_goldens
from lemore_torch.networks.lemore import Config
from lemore_torch.data import Labels, read_image
from lemore_torch.evaluation import label_map, logits_of

import torch

SIZES = [(150, 200), (151, 199), (97, 260), (200, 131), (64, 64), (240, 320), (33, 40), (199, 150), (233, 311),
         (180, 177)]  # fmt: skip
FORMATS = [
    (".jpg", "RGB", {"quality": 95, "subsampling": 0}),
    (".jpg", "RGB", {"quality": 75, "subsampling": 2}),
    (".jpeg", "RGB", {"quality": 40, "subsampling": 1}),
    (".JPG", "RGB", {"quality": 85, "progressive": True}),
    (".jpg", "L", {"quality": 80}),
    (".jpg", "CMYK", {"quality": 90}),
    (".png", "RGB", {}),
    (".png", "RGBA", {}),
    (".png", "P", {}),
    (".bmp", "RGB", {}),
]


def draw(generator, height, width):
    """Smooth shades and hard edges; a label of blocks with values beyond the classes ignored."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(y / generator.uniform(4, 30) + x / generator.uniform(4, 30) + c) for c in range(3)]
    image = np.stack(waves, 2) + generator.normal(0, 8, (height, width, 3))
    for _ in range(6):
        top, left = generator.integers(0, height - 8), generator.integers(0, width - 8)
        box_h, box_w = generator.integers(8, 60, 2)
        image[top : top + box_h, left : left + box_w] = generator.uniform(0, 255, 3)
    label = generator.integers(0, 6, (5, 6))[y * 5 // height, x * 6 // width]
    return image.clip(0, 255).astype(np.uint8), label.astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    generator = np.random.default_rng(3)
    for number, size in enumerate(SIZES):
        suffix, mode, options = FORMATS[number]
        image, label = draw(generator, *size)
        Image.fromarray(image).convert(mode).save(folder / "images" / f"{number:02}{suffix}", **options)
        picture = Image.fromarray(label, "P" if number % 2 else "L")
        if number % 2:
            picture.putpalette([30, 60, 90] * 256)  # one colour for all: the index is the value
        picture.save(folder / "labels" / f"{number:02}.png")
    return folder


@pytest.mark.parametrize("rule", ["direct", "two_step"])
@pytest.mark.parametrize("name", ["rect", "odd-channel", "plain"])
def test_same_pixels(name, rule, data, tmp_path):
    binary()
    config = Config.from_json(make_test_goldens.GOLDENS[name][0])
    model = make_test_goldens.random_model(config, 21)
    labels = Labels.generated(config.num_classes).to_json()
    labels.update(ignore_label=5, annotation_offset=1)  # values 0..5: below the offset, four classes, ignored
    trained, converted = tmp_path / "model.pth", tmp_path / "model.safetensors"
    torch.save({"state_dict": model.state_dict(), "config": config.to_json(), "labels": labels}, trained)
    assert convert.main([str(trained), "-o", str(converted), "--label-map", rule]) == 0

    pixels = different = 0
    lemore("run", "-m", converted, data / "images", "-o", tmp_path / "out", "--emit", "labels")
    for path in sorted((data / "images").iterdir()):
        image = read_image(path)
        with torch.no_grad():
            logits = logits_of(model, image, config.input_size)
        expected = label_map(logits, image.shape[1:], config.input_size if rule == "two_step" else None).numpy()
        got = np.array(Image.open(tmp_path / "out" / f"{path.stem}.labels.png"))
        assert got.shape == expected.shape
        assert (got != expected).mean() < 1e-3, f"{path.name}: not a matter of ties"
        pixels += got.size
        different += int((got != expected).sum())
    assert pixels > 300_000 and different <= pixels / 100_000, f"{different} of {pixels} pixels differ"

    arguments = ["--images", str(data / "images"), "--labels", str(data / "labels"), "--json"]
    assert evaluate.main([str(trained), "--logits", rule, *arguments, str(tmp_path / "python.json")]) == 0
    ours = json.loads(lemore("eval", "-m", converted, *arguments))
    theirs = json.loads((tmp_path / "python.json").read_text())
    moved = np.abs(np.array(ours["confusion"]) - np.array(theirs["confusion"])).sum() / 2
    assert moved <= pixels / 100_000, f"{moved} of {pixels} pixels differ"
    assert ours["pixels"] == np.sum(theirs["confusion"])
    for key in ("miou", "mean_accuracy", "pixel_accuracy"):
        assert abs(ours[key] - theirs[key]) < 1e-4
    assert [(c["name"], c["iou"] is None) for c in ours["classes"]] == [
        (c["name"], c["iou"] is None) for c in theirs["classes"]
    ]
