"""docs/training.md: the commands of "Twenty pictures of your own" as they stand there, on a small data set."""

import json
import os
import re
import shlex
import subprocess
import sys

import toy
from conftest import TOOLS
from cpp import binary

ROOT = TOOLS.parent


def example():
    """The labels file of the section, and its commands, one string each."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    section = page[page.index("## Twenty pictures of your own") : page.index("## The data")]
    labels = re.search(r"mine/labels\.json +(\{.*?\}\]\})", section, re.S).group(1)
    commands = re.search(r"```sh\n(.*?)```", section, re.S).group(1).replace("\\\n", " ").strip().splitlines()
    return json.loads(labels), commands


def test_twenty_pictures(tmp_path):
    program, (labels, commands) = binary(), example()
    data = tmp_path / "mine"
    toy.write(data, train=20, val=3)
    labels["classes"].append({"name": "stripe", "color": [1, 2, 3]})  # the toy data have four
    (data / "labels.json").write_text(json.dumps(labels))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    said = []
    for line in commands:
        words = shlex.split(line)
        names = {"tools/train.py": str(TOOLS / "train.py"), "tools/convert.py": str(TOOLS / "convert.py"),
                 "build/release/bin/lemore": program, "weights/lemore-camvid.safetensors":
                 str(ROOT / "weights" / "lemore-camvid.safetensors")}  # fmt: skip
        words = [names.get(word, word) for word in words]
        if words[0].endswith(".py"):
            words.insert(0, sys.executable)
        if words[1].endswith("train.py"):  # the same run, smaller and shorter
            words += ["--epochs", "1", "--full-epochs", "1", "--size", "64x64", "--threads", "1", "--device", "cpu"]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        said.append(done)
    assert len(said) == 4
    quoted = "starts from lemore-camvid.safetensors, the classifier anew, as the classes differ"
    assert quoted in " ".join(said[0].stderr.split())
    page = " ".join((ROOT / "docs" / "training.md").read_text(encoding="utf-8").split())
    assert quoted in page and "norms taken apart from the folded weights" in said[0].stderr
    assert json.loads(said[0].stdout.splitlines()[-1])["epochs"] == 2
    assert "mIoU" in said[2].stdout
    assert len(list((tmp_path / "painted").glob("*.overlay.png"))) == 3
