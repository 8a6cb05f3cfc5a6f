"""Training: killed and resumed it ends with the same weights; the data set, the losses and the scores."""

import csv
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import toy
from conftest import TOOLS

import convert
import evaluate
import train
from lemore_torch import checkpoint
from lemore_torch.data import DataError, Labels, pairs
from lemore_torch.evaluation import confusion, label_map, scores
from lemore_torch.losses import class_weights, lovasz_softmax, segmentation_loss
from lemore_torch.training.augmentation import Augmentation, Sample, augment
from lemore_torch.training.trainer import load_checkpoint

import torch

OPTIONS = ["--epochs", "3", "--full-epochs", "2", "--batch", "5", "--warmup", "3", "--threads", "1", "--val-every", "2",
           "--save-every", "1", "--device", "cpu"]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    toy.write(folder)
    return folder


def command(data, out, *more):
    return ["--data", str(data), "--labels", str(data / "labels.json"), "--config", str(data / "config.json"), "--out",
            str(out), *OPTIONS, *more]  # fmt: skip


def test_killed_and_resumed_is_the_same(data, tmp_path):
    assert train.main(command(data, tmp_path / "whole")) == 0
    broken = tmp_path / "broken"
    for steps in (4, 11):  # killed inside the half-size phase, then inside the full-size phase
        process = subprocess.Popen([sys.executable, str(TOOLS / "train.py"), *command(data, broken, "--resume")],
                                   stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
        until = time.time() + 60
        while time.time() < until and process.poll() is None:
            if (broken / "last.pth").exists() and load_checkpoint(broken / "last.pth")["counters"][
                "steps_done"
            ] >= steps:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert train.main(command(data, broken)) == 1  # starting over would overwrite: only with --resume
    assert train.main(command(data, broken, "--resume")) == 0
    assert train.main(command(data, broken, "--resume")) == 0  # nothing left to do
    one, other = (load_checkpoint(tmp_path / name / "last.pth") for name in ("whole", "broken"))
    for key in ("state_dict", "model_now"):
        assert one[key].keys() == other[key].keys()
        for name, tensor in one[key].items():
            assert torch.equal(tensor, other[key][name]), name
    rows = [list(csv.DictReader(open(tmp_path / name / "log.csv"))) for name in ("whole", "broken")]
    assert [r["loss"] for r in rows[0]] == [r["loss"] for r in rows[1]]
    assert [r["height"] for r in rows[0]] == ["32"] * 3 + ["64"] * 2
    assert not list(broken.glob(".*tmp*"))
    check_best(data, tmp_path / "whole" / "best.pth", tmp_path)


def check_best(data, best, tmp_path):
    """The run's best.pth converts, and evaluate.py gives the mIoU it was saved with."""
    assert convert.main([str(best), "-o", str(tmp_path / "best.safetensors")]) == 0
    val, out = data / "val", tmp_path / "scores.json"
    assert (
        evaluate.main([str(best), "--images", str(val / "images"), "--labels", str(val / "labels"), "--json", str(out)])
        == 0
    )
    metrics, result = checkpoint.read(best)["metrics"], json.loads(out.read_text())
    assert abs(result["miou"] - metrics["miou"]) < 1e-3
    assert [c["name"] for c in result["classes"]] == list(toy.NAMES)


def test_init_and_deadline(data, tmp_path):
    assert train.main(command(data, tmp_path / "a", "--epochs", "1", "--full-epochs", "1")) == 0
    init = ["--init", str(tmp_path / "a" / "best.pth"), "--epochs", "0", "--full-epochs", "1"]
    assert train.main(command(data, tmp_path / "b", *init)) == 0
    past = ["--deadline", "2020-01-01T00:00", "--epochs", "50", "--full-epochs", "50"]
    assert train.main(command(data, tmp_path / "c", *past)) == 0
    with open(tmp_path / "c" / "log.csv") as file:
        assert len(list(csv.DictReader(file))) <= 4  # one epoch to measure, and a last one at full size


def test_refuses(data, tmp_path, capsys):
    (tmp_path / "last.pth").write_bytes(b"junk")
    assert train.main(command(data, tmp_path, "--resume")) == 1
    assert "last.pth" in capsys.readouterr().err
    other = tmp_path / "labels.json"
    other.write_text(json.dumps({"classes": [{"name": "only", "color": [0, 0, 0]}]}))
    assert (
        train.main([*command(data, tmp_path / "x")[:2], "--labels", str(other), *command(data, tmp_path / "x")[4:]])
        == 1
    )


def test_pairs_name_the_missing_partner(data, tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.png").write_bytes(b"")
    assert len(pairs(tmp_path / "images", tmp_path / "labels")) == 1
    (tmp_path / "labels" / "b.png").write_bytes(b"")
    with pytest.raises(DataError, match="b.png"):
        pairs(tmp_path / "images", tmp_path / "labels")
    (tmp_path / "labels" / "a.png").unlink()
    with pytest.raises(DataError, match="a.png"):
        pairs(tmp_path / "images", tmp_path / "labels")


def test_label_values():
    labels = Labels("x", 9, 1, ["a", "b"], [(0, 0, 0)] * 2)
    assert labels.decode(np.array([[0, 1, 2, 9]], np.uint8), "f").tolist() == [[255, 0, 1, 255]]
    with pytest.raises(DataError, match="f: value 3 at pixel x 1, y 0"):
        labels.decode(np.array([[1, 3]], np.uint8), "f")


def test_augment_keeps_image_and_label_together():
    """Pixel colour encodes the class, so after scaling, cropping and flipping it still must."""
    label = torch.zeros(40, 60, dtype=torch.uint8)
    label[:, 30:] = 1
    image = (label.float() * 200)[None].repeat(3, 1, 1).to(torch.uint8)
    settings = Augmentation((0.5, 2.0), color=0.0, sharpness=0.0)
    for seed in range(20):
        made = augment(Sample(image, label), (32, 32), settings, np.random.default_rng(seed))
        patch, target = made.image, made.label
        assert patch.shape == (3, 32, 32) and target.shape == (32, 32)
        level = patch[0] * 58.395 + 123.675
        solid = ((level < 1) | (level > 199)) & (target != 255)
        assert ((level > 100).to(torch.uint8) == target)[solid].all() and solid.float().mean() > 0.2 * (
            target != 255
        ).float().mean()
        again = augment(Sample(image, label), (32, 32), settings, np.random.default_rng(seed))
        assert torch.equal(patch, again.image) and torch.equal(target, again.label)


def test_losses():
    target = torch.randint(0, 3, (2, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    perfect = torch.nn.functional.one_hot(target.long(), 3).permute(0, 3, 1, 2).float() * 50
    assert lovasz_softmax(perfect, target) < 1e-6
    assert lovasz_softmax(-perfect, target) > 0.9
    weights = class_weights(torch.tensor([0.5, 0.25, 0.125]), 1.0)
    assert weights.tolist() == [0.5, 1.0, 2.0]
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    for hard in (1.0, 0.3):
        segmentation_loss(logits, target, weights, 2, 0.5, hard).backward()
    ignored = torch.full_like(target, 255)
    assert float(segmentation_loss(logits, ignored, weights, 2, 0.5, 1.0)) == 0


def test_scores_by_hand():
    truth = torch.tensor([[0, 0, 1, 255]], dtype=torch.uint8)
    counts = confusion(torch.tensor([[0, 1, 1, 2]]), truth, 4)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0] * 4, [0] * 4]
    result = scores(counts, list("abcd"))
    assert [c["iou"] for c in result["classes"]] == [0.5, 0.5, None, None]
    assert result["miou"] == 0.5 and result["mean_accuracy"] == 0.75 and abs(result["pixel_accuracy"] - 2 / 3) < 1e-12
    logits = torch.zeros(1, 3, 2, 2)
    assert (label_map(logits, (5, 7)) == 0).all()  # ties go to the lower class
