"""The converted file computes what the model computes, stage by stage."""

import json

import numpy as np
import pytest
from inference_run import Network

import convert
import make_test_goldens
from dump_reference import write_dump
from lemore_torch import safetensors
from lemore_torch.networks.lemore import Config
from lemore_torch.folding import pack_panels, unpack_panels

import torch


@pytest.mark.parametrize("name", make_test_goldens.GOLDENS)
def test_inference_form_equals_model(name, tmp_path):
    value, size = make_test_goldens.GOLDENS[name]
    config = Config.from_json(value)
    model = make_test_goldens.random_model(config, 7)
    torch.save({"state_dict": model.state_dict(), "config": config.to_json()}, tmp_path / "model.pth")
    assert convert.main([str(tmp_path / "model.pth"), "-o", str(tmp_path / "out.safetensors")]) == 0
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(3))
    expected = write_dump(model, image, tmp_path / "dump.safetensors")
    compare(tmp_path / "out.safetensors", expected)


def compare(path, expected, tolerance=2e-6, early=None):
    """`tolerance` is relative to a stage's largest value; `early` that of the stages before the attention layers."""
    tensors, metadata = safetensors.read(path)
    network = Network(json.loads(metadata["config"]), tensors)
    stages = network.run(np.asarray(expected["input"])[0])
    assert network.used == tensors.keys()  # nothing in the file that the network has no use for
    wanted = {name[4:] if name.startswith("out.") else name: np.asarray(t)[0] for name, t in expected.items()}
    assert wanted.keys() <= stages.keys() | {"input"}
    for name in wanted.keys() - {"input"}:
        assert stages[name].shape == wanted[name].shape, name
        bound = early if early and name.startswith("st") else tolerance
        assert np.abs(stages[name] - wanted[name]).max() <= bound * np.abs(wanted[name]).max(), name


def test_committed_goldens_are_what_the_reference_computes():
    folder = convert.Path(__file__).resolve().parents[2] / "tests" / "golden"
    for name in make_test_goldens.GOLDENS:
        expected, metadata = safetensors.read(folder / f"{name}.dump.safetensors")
        assert metadata["format"] == "lemore-dump"
        compare(folder / f"{name}.model.safetensors", expected)


@pytest.mark.parametrize("name", ["lemore-256", "lemore-classifier-224"])
def test_shared_goldens_converted(name, shared_golden, tmp_path):
    source, out = shared_golden / f"{name}.safetensors", tmp_path / "out.safetensors"
    assert convert.main([str(source), "-o", str(out), "--prefix", "weights."]) == 0
    expected = {k: v for k, v in safetensors.read(source)[0].items() if not k.startswith("weights.")}
    # Computed in float32, whose rounding its sharp attention maps enlarge to 3e-3 (see test_model.py).
    compare(out, expected, tolerance=1e-2, early=1e-5)


def test_panels():
    weight = np.arange(21 * 5, dtype=np.float32).reshape(21, 5)
    panels = pack_panels(weight)
    assert panels.shape == (2, 5, 16) and panels[1, 3, 2] == weight[18, 3] and not panels[1, :, 5:].any()
    assert (unpack_panels(panels, 21) == weight).all()


def test_file_profile(tmp_path):
    """What the C++ reader asks of a file: 64-byte alignment, contiguous offsets, all F32 but the fillers."""
    value, _ = make_test_goldens.GOLDENS["odd-channel"]
    config = Config.from_json(value)
    model = make_test_goldens.random_model(config, 1)
    torch.save({"model": model.state_dict(), "config": config.to_json()}, tmp_path / "m.pt")
    assert convert.main([str(tmp_path / "m.pt"), "-o", str(tmp_path / "o.safetensors")]) == 0
    data = (tmp_path / "o.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__")
    assert (8 + size) % 64 == 0
    end = 0
    for name, record in header.items():
        begin, stop = record["data_offsets"]
        assert begin == end
        end = stop
        if name.startswith("__pad."):
            assert record["dtype"] == "U8" and name == f"__pad.{begin}"
        else:
            assert record["dtype"] == "F32" and begin % 64 == 0
    assert 8 + size + end == len(data)
    assert metadata["format"] == "lemore" and metadata["format_version"] == "1" and metadata["architecture"] == "lemore"
    labels = json.loads(metadata["labels"])
    assert len(labels["classes"]) == 4 and len({tuple(c["color"]) for c in labels["classes"]}) == 4
    preprocessing = json.loads(metadata["preprocessing"])
    assert preprocessing == {"channel_order": "rgb", "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375],
                             "resize": "bilinear", "label_map": "direct"}  # fmt: skip
    assert json.loads(metadata["provenance"])["source"] == "m.pt"
