"""bench/report/segformer with stand-ins for lemore and the other runtimes."""

import importlib.machinery
import importlib.util
import json
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).resolve().parents[2] / "bench" / "report" / "segformer"


@pytest.fixture
def segformer():
    loader = importlib.machinery.SourceFileLoader("segformer_report", str(REPORT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("segformer_report", loader))
    loader.exec_module(module)
    return module


def program(path, text):
    path.write_text(f"#!{sys.executable}\nimport sys, json, pathlib\n{text}")
    path.chmod(0o755)
    return str(path)


def stand_ins(folder, other):
    """lemore takes 10 ms; what `other` prints is what the runtimes' script does."""
    lemore = program(folder / "lemore", 'print(\'{"median_ms": 10, "min_ms": 9}\')')
    python = program(folder / "python", other)
    models = folder / "models"
    models.mkdir()
    (models / "segformer-b0-mmseg.safetensors").write_text("")
    return ["--lemore", lemore, "--python", python, "--models", str(models), "--networks", "segformer-b0-mmseg",
            "--outputs", "logits", "--threads", "1", "--rounds", "2"]  # fmt: skip


def test_ratios_and_forms(segformer, tmp_path, capsys):
    times = "ms = 40 if 'folded' in sys.argv[3] else 50\nprint(json.dumps({'version': '1.2', 'median_ms': ms, 'min_ms': ms}))"
    assert segformer.main([*stand_ins(tmp_path, times), "--json", str(tmp_path / "figures.json")]) == 0
    rows = {row["name"]: row for row in json.loads((tmp_path / "figures.json").read_text())}
    assert set(rows) == {"lemore", "onnxruntime", "openvino", "onnxruntime-folded", "openvino-folded"}
    assert rows["openvino"]["ratio_median_ms"] == 0.2 and rows["openvino-folded"]["ratio_median_ms"] == 0.25
    assert rows["onnxruntime"]["peak_bytes"] > 1e6
    assert "| openvino 1.2 | 50.0 |" in capsys.readouterr().out
    assert (tmp_path / "models" / "image.f32").stat().st_size == 3 * 512 * 512 * 4


def test_a_runtime_that_fails_is_named(segformer, tmp_path, capsys):
    assert segformer.main(stand_ins(tmp_path, 'print(\'{"error": "no such operator"}\')')) == 1
    assert "onnxruntime, segformer-b0-mmseg, logits: no such operator" in capsys.readouterr().err
