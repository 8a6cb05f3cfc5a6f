"""The whole chain, one command a step: draw a data set, train, convert, evaluate and run in C++. Under two minutes
of one core."""

import json
import os
import subprocess
import sys

import numpy as np
import toy
from conftest import TOOLS
from cpp import binary, lemore
from PIL import Image

TRAIN = ["--epochs", "8", "--full-epochs", "16", "--batch", "8", "--lr", "6e-3", "--warmup", "20", "--ema", "0.97",
         "--scale", "0.8", "1.25", "--color", "0.1", "--weight-power", "0", "--val-every", "4", "--threads", "1",
         "--device", "cpu"]  # fmt: skip


def python(tool, *args):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(TOOLS / tool), *map(str, args)], capture_output=True, text=True,
                          env=environment)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_train_convert_evaluate_run(tmp_path):
    binary()
    before = os.times()
    data, model = tmp_path / "data", tmp_path / "model.safetensors"
    toy.write(data, train=64, val=16, seed=1, radii=(12, 22))
    python("train.py", "--data", data, "--labels", data / "labels.json", "--config", data / "config.json",
           "--out", tmp_path / "run", *TRAIN)  # fmt: skip
    python("convert.py", tmp_path / "run" / "best.pth", "-o", model)
    val = ["--images", data / "val" / "images", "--labels", data / "val" / "labels"]
    scores = json.loads(lemore("eval", "-m", model, *val, "-t", "1", "--json"))
    after = os.times()
    assert scores["miou"] >= 0.9, scores
    assert [c["name"] for c in scores["classes"]] == list(toy.NAMES) and scores["images"] == 16
    spent = sum(getattr(after, k) - getattr(before, k) for k in ("user", "system", "children_user", "children_system"))
    assert spent < 120, f"{spent:.0f} s of CPU"

    # The reference says the same of the checkpoint, and the figures in the weight file are those of this network.
    python("evaluate.py", tmp_path / "run" / "best.pth", *val, "--json", tmp_path / "python.json", "--threads", "1")
    reference = json.loads((tmp_path / "python.json").read_text())
    assert np.abs(np.array(scores["confusion"]) - np.array(reference["confusion"])).sum() <= 2
    metrics = json.loads(lemore("info", model, "--json"))["provenance"]["metrics"]
    assert abs(metrics["miou"] - scores["miou"]) < 1e-3

    lemore("run", "-m", model, data / "val" / "images", "-o", tmp_path / "out", "--emit", "labels", "-t", "1")
    truth = np.array(Image.open(data / "val" / "labels" / "000.png"))
    got = np.array(Image.open(tmp_path / "out" / "000.labels.png"))
    assert (got == truth)[truth != 255].mean() > 0.9
