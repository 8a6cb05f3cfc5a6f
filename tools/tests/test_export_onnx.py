"""Exported networks give ONNX Runtime's logits and label maps the module's values. Skipped where the runtime is
missing."""

import numpy as np
import pytest

import export_onnx
import make_test_goldens

import torch

SIZES = {"rect": (64, 128), "segformer/mmseg": (45, 61), "segformer/offset": (48, 64), "segformer/hf": (41, 57),
         "segformer/classifier": (40, 56)}  # fmt: skip


def model_of(name):
    value, _ = {**make_test_goldens.GOLDENS, **make_test_goldens.SEGFORMERS}[name]
    return make_test_goldens.random_model(make_test_goldens.config_of({**value, "input_size": list(SIZES[name])}), 31)


def ran(path, image):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image.numpy()})[0]


@pytest.mark.parametrize("name", SIZES)
def test_onnx_runtime_computes_the_same(name, tmp_path):
    model, size = model_of(name), SIZES[name]
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = model(image).numpy()
    export_onnx.export(model, size, tmp_path / "logits.onnx")
    assert not list(tmp_path.glob(".*"))
    got = ran(tmp_path / "logits.onnx", image)
    assert got.shape == wanted.shape and np.abs(got - wanted).max() <= 1e-4 * np.abs(wanted).max()
    if not model.config.is_classifier:
        with torch.no_grad():
            labels = export_onnx.LabelMap(model, size)(image).numpy()
        export_onnx.export(model, size, tmp_path / "labels.onnx", labels=True)
        assert (ran(tmp_path / "labels.onnx", image) != labels).mean() < 1e-3


def test_command(tmp_path, capsys):
    model = model_of("segformer/hf")
    torch.save({"state_dict": model.state_dict(), "config": model.config.to_json()}, tmp_path / "m.pth")
    out = tmp_path / "m.onnx"
    assert export_onnx.main([str(tmp_path / "m.pth"), "-o", str(out), "--size", "64x64", "--labels"]) == 0
    assert out.stat().st_size > 10000 and "1x3x64x64" in capsys.readouterr().err
    assert export_onnx.main([str(tmp_path / "none.pth"), "-o", str(out)]) == 1
