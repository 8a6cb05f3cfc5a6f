"""bench/report/run measures, writes the page and the picture, and says in one line what is wrong."""

import json
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import convert
import pytest
import toy
import torch
from conftest import TOOLS
from cpp import binary, lemore
from lemore_torch.networks.lemore import Config
from lemore_torch.networks.lemore import LeMoRe
from report.page import page
from report.roofline import roofline

GOLDEN = TOOLS.parent / "tests" / "golden"
QUICK = ["--sizes", "40x72,64x96", "--threads", "1,2", "--rounds", "2", "--runs", "2", "--slide", "64", "--wait", "0.1"]


def report(*args, env=None):
    command = [sys.executable, str(TOOLS.parent / "bench/report/run"), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})})


def program(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def section(text, title):
    """The table rows below a heading that begins with `title`."""
    body = text.split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("|")]
    return rows[2:]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "notes.md").write_text("## What was tried\n\nEverything.\n")
    model = GOLDEN / "rect.model.safetensors"
    done = report("--lemore", binary(), "--kernels", folder / "none", "--model", model, "--trained", model, *QUICK,
                  "--out", folder / "page.md", "--picture", folder / "roofline.svg", "--notes", folder / "notes.md",
                  "--json", folder / "data.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_the_page_has_every_table(measured):
    text, data = (measured / "page.md").read_text(), json.loads((measured / "data.json").read_text())
    assert [row[:2] for row in section(text, "Time")] == [[s, t] for s in ("40x72", "64x96") for t in ("1", "2")]
    for row, result in zip(section(text, "Time"), (r for r in data["results"] if r["output"] == "logits")):
        assert float(row[2]) == pytest.approx(result["median_ms"], abs=0.006)
    info = json.loads(lemore("info", GOLDEN / "rect.model.safetensors", "--layers", "--json"))
    steps = section(text, "By step")
    assert [row[0] for row in steps] == [f"`{layer['name']}`" for layer in info["layers"]]
    parts = section(text, "By part")
    assert sum(float(row[1]) for row in parts) == pytest.approx(
        sum(s["macs"] for s in info["layers"]) / 1e6, abs=0.06 * len(parts)
    )
    isas = [line.split(":")[1].split() for line in lemore("--version").splitlines() if line.startswith("ISAs of this")][
        0
    ]
    assert [row[0] for row in section(text, "By instruction set")] == isas
    process = dict((row[0], row[1]) for row in section(text, "The program as a whole"))
    assert any("loading" in name and value.endswith("ms") for name, value in process.items())
    assert any("peak memory" in value for value in process.values())
    assert text.rstrip().endswith("## What was tried\n\nEverything.")
    assert "Beside other runtimes" not in text and not (measured / "roofline.svg").exists()


def test_the_page_comes_again_from_its_figures(measured):
    done = report("--from", measured / "data.json", "--out", measured / "again.md", "--notes", measured / "notes.md",
                  "--picture", measured / "roofline.svg")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (measured / "again.md").read_text() == (measured / "page.md").read_text()


def test_peers_on_the_same_weights(tmp_path):
    model = LeMoRe(Config.from_json(toy.CONFIG))
    torch.save({"state_dict": model.state_dict()}, tmp_path / "toy.pth")
    (tmp_path / "toy.json").write_text(json.dumps(toy.CONFIG))
    convert.main(
        [str(tmp_path / "toy.pth"), "-o", str(tmp_path / "toy.safetensors"), "--config", str(tmp_path / "toy.json")]
    )
    (tmp_path / "bad.onnx").write_bytes(b"no ONNX")
    done = report("--lemore", binary(), "--kernels", tmp_path / "none", "--model", tmp_path / "toy.safetensors",
                  *QUICK, "--sizes", "64x64",
                  "--threads", "1", "--checkpoint", tmp_path / "toy.pth", "--config", tmp_path / "toy.json", "--onnx",
                  f"logits={tmp_path / 'bad.onnx'}",
                  "--out", tmp_path / "page.md", "--json", tmp_path / "data.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    text, data = (tmp_path / "page.md").read_text(), json.loads((tmp_path / "data.json").read_text())
    rows = section(text, "Beside other runtimes")
    assert [(row[0], row[2].split()[0]) for row in rows] == [
        (o, n) for o in ("logits", "labels") for n in ("**lemore**", "libtorch")
    ]
    for case, row in zip(data["peers"], rows[1::2]):
        ratios = sorted(a["median_ms"] / b["median_ms"] for a, b in zip(case["lemore"], case["peers"]["libtorch"]))
        assert float(row[4]) == pytest.approx(sum(ratios) / 2, abs=6e-4)
    assert re.search(r"^OpenCV DNN.*: .+\.$", text, re.M)  # not installed, or says what it thinks of the file


def test_what_fails_late_loses_nothing_else(tmp_path):
    """A peer in its second round, and the kernels."""
    program(
        tmp_path / "bin" / "node",
        f"""[ ! -e {tmp_path}/called ] || {{ echo "out of luck" >&2; exit 3; }}
: >{tmp_path}/called; echo \'{{"version": "9", "median_ms": 1.5}}\'""",
    )
    kernels = program(tmp_path / "kernels", "echo 'no clock' >&2; exit 1")
    model = GOLDEN / "rect.model.safetensors"
    done = report("--lemore", binary(), "--kernels", kernels, "--model", model, "--trained", model, *QUICK, "--sizes",
                  "40x72", "--threads", "1",
                  "--onnx", f"logits={tmp_path / 'none.onnx'}", "--node-path", tmp_path, "--out", tmp_path / "page.md",
                  "--json", tmp_path / "data.json", env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})  # fmt: skip
    assert done.returncode == 1
    assert re.search(r"written without kernels: .*exit 1: no clock$", done.stderr.strip().splitlines()[-1]), done.stderr
    text, data = (tmp_path / "page.md").read_text(), json.loads((tmp_path / "data.json").read_text())
    assert section(text, "Time") and section(text, "By instruction set") and section(text, "The program as a whole")
    assert "The kernels against" not in text and data["kernels"] is None and len(data["failed"]) == 1
    rows = section(text, "Beside other runtimes")
    assert [row[2:4] for row in rows if row[2].startswith("ONNX Runtime")] == [["ONNX Runtime 9", "1.50"]]
    assert re.search(r"^ONNX Runtime 9: round 2: .*exit 3: out of luck\.$", text, re.M)


def kernel(name, gflops, gbs, us=10.0, calls=1):
    return {
        "name": name,
        "us": us,
        "calls": calls,
        "gflops": gflops,
        "gbs": gbs,
        "of_fma_peak": gflops / 100,
        "of_read_peak": gbs / 200,
    }


KERNELS = {
    "isa": "avx2",
    "peak_gflops": 100.0,
    "reads": [[16 << 10, 200.0], [1 << 20, 80.0], [16 << 20, 60.0], [256 << 20, 20.0]],
    "kernels": [
        kernel("avx2/gemm m=64 n=16 k=16 packed=1", 90.0, 9.0),
        kernel("avx2/gemm m=1 n=1 k=1 packed=1 bias=1", 45.0, 45.0, us=40.0),
        kernel("avx2/dwconv h=8 w=8 c=8", 20.0, 40.0, us=20.0),
        kernel("avx2/dwconv h=9 w=9 c=9", 20.0, 40.0, calls=0),
        kernel("avx2/gate rows=1 w=1 c=8", 0.0, 40.0),
        kernel("eigen/gemm m=64 n=16 k=16", 45.0, 4.5, us=20.0),
    ],
}


def test_the_roofline_puts_dots_where_they_belong():
    svg = ElementTree.fromstring(roofline(KERNELS))
    name = "{http://www.w3.org/2000/svg}"
    dots = {
        dot.find(f"{name}title").text.split(":")[0]: dot
        for dot in svg.iter(f"{name}circle")
        if dot.find(f"{name}title") is not None
    }
    assert sorted(dots) == [
        k["name"]
        for k in sorted(KERNELS["kernels"], key=lambda k: k["name"])
        if k["gflops"] and k["calls"] and "eigen" not in k["name"]
    ]
    x, y, r = ({n: float(dot.get(key)) for n, dot in dots.items()} for key in ("cx", "cy", "r"))
    fast, slow, depthwise = (
        "avx2/gemm m=64 n=16 k=16 packed=1",
        "avx2/gemm m=1 n=1 k=1 packed=1 bias=1",
        "avx2/dwconv h=8 w=8 c=8",
    )
    assert x[depthwise] < x[slow] < x[fast] and y[fast] < y[slow] < y[depthwise]
    assert r[slow] == pytest.approx(2 * r[fast], rel=0.02)  # four times the time
    # Intensities 0.5, 1 and 10: the distances are those of their logarithms, and a roof meets its knee at the peak.
    assert (x[fast] - x[slow]) / (x[slow] - x[depthwise]) == pytest.approx(3.3219, rel=0.01)
    roofs = [line for line in svg.iter(f"{name}line") if line.get("stroke-dasharray")]
    assert len(roofs) == 4
    knee = [line for line in roofs if abs(float(line.get("x2")) - (x[depthwise])) < 0.2]
    assert len(knee) == 1 and float(knee[0].get("y2")) < y[fast]  # 200 GB/s reaches 100 GFLOP/s at 0.5 a byte


def test_the_kernels_page(measured):
    data = {**json.loads((measured / "data.json").read_text()), "kernels": KERNELS}
    text = page(data, "roofline.svg", "")
    assert "![Roofline](roofline.svg)" in text
    rows = section(text, "The kernels against")
    assert [row[0] for row in rows][:2] == ["`gemm m=1 n=1 k=1 packed=1 bias=1`", "`dwconv h=8 w=8 c=8`"]
    assert sum(float(row[3].rstrip(" %")) for row in rows) == pytest.approx(100, abs=0.3)
    assert "on 1 shapes" in text and "2.00 times as fast in the geometric mean" in text


@pytest.mark.parametrize("args, says", [
    (["--lemore", "/nowhere/lemore"], "/nowhere/lemore"),
    (["--from", "/nowhere/data.json"], "/nowhere/data.json"),
    (["--model", "/nowhere/model.safetensors"], "model.safetensors"),
])  # fmt: skip
def test_what_is_missing_is_named(args, says, tmp_path):
    command = [*args, "--out", tmp_path / "page.md", "--picture", tmp_path / "p.svg"]
    if "--lemore" not in args:
        command += ["--lemore", binary()]
    done = report(*command)
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith("report: ") and says in error, done.stderr
    assert list(tmp_path.iterdir()) == []
