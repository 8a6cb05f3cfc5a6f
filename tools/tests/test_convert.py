"""What convert.py accepts and refuses; that no checkpoint can run anything."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest

import convert
import dump_reference
import make_test_goldens
from lemore_torch import checkpoint, safetensors
from lemore_torch.networks.lemore import Config
from lemore_torch.networks.lemore import run_with_stages

import torch

VALUE, SIZE = make_test_goldens.GOLDENS["plain"]
CONFIG = Config.from_json(VALUE)


@pytest.fixture(scope="module")
def model():
    return make_test_goldens.random_model(CONFIG, 5)


def states(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def run(tmp_path, value, *options, name="in.pth", legacy=False):
    """Saves `value`, converts it; returns (exit code, tensors or None)."""
    source, out = tmp_path / name, tmp_path / "out.safetensors"
    if isinstance(value, bytes):
        source.write_bytes(value)
    else:
        torch.save(value, source, _use_new_zipfile_serialization=not legacy)
    (tmp_path / "config.json").write_text(json.dumps(VALUE))
    code = convert.main([str(source), "-o", str(out), "--config", str(tmp_path / "config.json"), *options])
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".tmp"]
    assert out.exists() == (code == 0)
    return code, safetensors.read(out)[0] if code == 0 else None


def same(a, b):
    return a.keys() == b.keys() and all((a[k] == b[k]).all() for k in a)


def test_wrappings_give_the_same_file(model, tmp_path):
    state = states(model)
    code, plain = run(tmp_path, state)
    assert code == 0
    wrapped = {f"module.backbone.{name}": tensor for name, tensor in state.items()}
    for value in ({"state_dict": state}, {"model": state, "epoch": 3, "note": "x"}, {"state_dict": {"model": wrapped}},
                  wrapped, model.state_dict()):  # fmt: skip
        for legacy in (False, True):
            code, tensors = run(tmp_path, value, legacy=legacy)
            assert code == 0 and same(tensors, plain)
    arrays = {f"weights.{name}": tensor.numpy() for name, tensor in state.items()}
    safetensors.write(tmp_path / "in.safetensors", {**arrays, "out.stem": np.zeros(3, np.float32)}, {})
    code, tensors = run(
        tmp_path, (tmp_path / "in.safetensors").read_bytes(), "--prefix", "weights.", name="in.safetensors"
    )
    assert code == 0 and same(tensors, plain)


def test_views_and_shared_storages(model, tmp_path):
    """Tensors that are slices of one storage, transposed, are read as they are."""
    state, plain = states(model), run(tmp_path, states(model))[1]
    name = "head.classifier.weight"
    state[name] = torch.cat([torch.ones(5), state[name].flatten()])[5:].view(state[name].shape)
    transposed = "stages.0.cartesian.transverse.weight"
    state[transposed] = state[transposed].transpose(0, 1).contiguous().transpose(0, 1)
    for legacy in (False, True):
        assert same(run(tmp_path, state, legacy=legacy)[1], plain)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_float_types(model, tmp_path, dtype):
    state = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in states(model).items()}
    code, tensors = run(tmp_path, state)
    expected = run(tmp_path, {name: tensor.float() for name, tensor in state.items()})[1]
    assert code == 0 and same(tensors, expected)


def test_bf16_safetensors(model, tmp_path):
    state = {k: v.bfloat16() for k, v in states(model).items() if v.is_floating_point()}
    blobs, header, at = [], {}, 0
    for name, tensor in state.items():
        raw = tensor.view(torch.int16).numpy().tobytes()
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    code, tensors = run(tmp_path, len(text).to_bytes(8, "little") + text + b"".join(blobs), name="in.safetensors")
    assert code == 0 and same(tensors, run(tmp_path, {k: v.float() for k, v in state.items()})[1])


BREAKAGES = {
    "missing": (lambda s: s.pop("head.fuse.bn.running_var"), "head.fuse.bn.running_var"),
    "extra": (lambda s: s.update(surplus=torch.zeros(2)), "surplus"),
    "mis-shaped": (lambda s: s.update({"head.classifier.bias": torch.zeros(5)}), "head.classifier.bias"),
    "whole numbers": (lambda s: s.update({"head.classifier.bias": torch.zeros(4).long()}), "head.classifier.bias"),
    "nan": (lambda s: s["stem.conv.weight"].view(-1)[3].fill_(float("nan")), "stem.conv.weight"),
    "infinite": (lambda s: s["stem.bn.bias"][1].fill_(float("inf")), "stem.bn.bias"),
    "negative variance": (lambda s: s["stem.bn.running_var"][1].fill_(-1), "stem.bn.running_var"),
    "overflow": (lambda s: (s["stem.bn.weight"].fill_(3e38), s["stem.bn.running_var"].fill_(0)), "stem"),
    "not a tensor": (lambda s: s.update({"head.classifier.bias": "text"}), "head.classifier.bias"),
}


@pytest.mark.parametrize("kind", BREAKAGES)
def test_refusals_name_the_tensor(kind, model, tmp_path, capsys):
    state, (damage, name) = states(model), BREAKAGES[kind]
    damage(state)
    assert run(tmp_path, state)[0] == 1
    line = capsys.readouterr().err
    assert f"'{name}" in line and line.count("\n") == 1 and "in.pth" in line


class Attack:
    """What a malicious checkpoint holds: a function to be called with arguments."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_in_a_checkpoint_is_called(legacy, tmp_path, capsys):
    victim = tmp_path / "victim"
    attacks = {
        "posix.system": Attack(os.system, f"touch {victim}"),
        "_io.open": Attack(open, str(victim), "w"),
        "builtins.eval": Attack(eval, f"open({str(victim)!r}, 'w')"),
    }
    for name, attack in attacks.items():
        for value in (attack, {"state_dict": {"stem.conv.weight": attack}}, {"optimizer": attack}):
            assert run(tmp_path, value, legacy=legacy)[0] == 1
            error = capsys.readouterr().err
            assert name.split(".")[1] in error and error.count("\n") == 1
            victim.unlink(missing_ok=True)  # torch.save itself may not touch it, reading must not
            with pytest.raises(checkpoint.CheckpointError):
                checkpoint.read(tmp_path / "in.pth")
            assert not victim.exists()


def test_functions_that_are_no_attack_are_not_called_either(model, tmp_path, capsys):
    harmless = Attack(getattr, "x", "upper")
    assert run(tmp_path, {"state_dict": {"stem.conv.weight": harmless}})[0] == 1
    assert "getattr" in capsys.readouterr().err
    assert run(tmp_path, {"state_dict": states(model), "hook": harmless})[0] == 0


def test_pickles_that_reach_into_the_reader(tmp_path):
    """Attributes of the allowed functions can't be set (BUILD), nor storages and pids be made up."""
    build = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x08\x00\x00\x00__call__K\x01s\x86b."
    pid = pickle.PROTO + b"\x02(X\x06\x00\x00\x00modulecos\nsystem\ntQ."
    memo = b"\x80\x02]r\xff\xff\xff\x7f."  # an entry that would make the memo 16 GB
    for program in (build, pid, memo, b"\x80\x02cos\nsystem\n."):
        with zipfile.ZipFile(tmp_path / "bad.pth", "w") as archive:
            archive.writestr("archive/data.pkl", program)
        with pytest.raises(checkpoint.CheckpointError):
            checkpoint.read(tmp_path / "bad.pth")


@pytest.mark.parametrize("legacy", [False, True])
def test_cut_short_or_scrambled(legacy, model, tmp_path):
    torch.save(states(model), tmp_path / "good.pth", _use_new_zipfile_serialization=not legacy)
    data = (tmp_path / "good.pth").read_bytes()
    random = np.random.default_rng(0)
    for i in range(25):
        cut = data[: int(random.integers(len(data)))]
        (tmp_path / "bad.pth").write_bytes(cut)
        with pytest.raises(checkpoint.CheckpointError):
            checkpoint.read(tmp_path / "bad.pth")
    for junk in (b"", b"hello", b"PK\x03\x04", b"\x80\x02.", bytes(1000)):
        assert run(tmp_path, junk)[0] == 1


def test_usage(tmp_path, model, capsys):
    with pytest.raises(SystemExit) as stopped:
        convert.main(["only-input.pth"])
    assert stopped.value.code == 2
    torch.save(states(model), tmp_path / "x.pth")
    assert convert.main([str(tmp_path / "x.pth"), "-o", str(tmp_path / "y.safetensors")]) == 1  # no configuration
    assert "--config" in capsys.readouterr().err
    assert convert.main([str(tmp_path / "none.pth"), "-o", str(tmp_path / "y.safetensors")]) == 1
    assert convert.main([str(tmp_path / "x.pth"), "-o", str(tmp_path / "x.pth")]) == 1
    (tmp_path / "labels.json").write_text('{"classes": [{"name": "a", "color": [0, 0, 0]}]}')
    assert run(tmp_path, states(model), "--labels", str(tmp_path / "labels.json"))[0] == 1


def test_labels_and_metrics_go_along(model, tmp_path):
    names = ["sky ", "road", "car", "tree"]
    labels = {
        "name": "toy",
        "ignore_label": 9,
        "classes": [{"name": n, "color": [i, 2, 3]} for i, n in enumerate(names)],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    (tmp_path / "metrics.json").write_text('{"miou": 0.5}')
    code, _ = run(tmp_path, states(model), "--labels", str(tmp_path / "labels.json"), "--license", "MIT", "--metrics",
                  str(tmp_path / "metrics.json"), "--label-map", "two_step")  # fmt: skip
    metadata = safetensors.read(tmp_path / "out.safetensors")[1]
    assert code == 0 and json.loads(metadata["preprocessing"])["label_map"] == "two_step"
    written, provenance = json.loads(metadata["labels"]), json.loads(metadata["provenance"])
    assert [c["name"] for c in written["classes"]] == ["sky", "road", "car", "tree"]
    assert (written["ignore_label"], written["annotation_offset"]) == (9, 0)
    assert (
        provenance["license"] == "MIT"
        and provenance["metrics"] == {"miou": 0.5}
        and len(provenance["source_sha256"]) == 64
    )


def test_dump_round_trip(model, tmp_path):
    torch.save({"state_dict": states(model), "config": VALUE}, tmp_path / "m.pth")
    out = tmp_path / "dump.safetensors"
    assert dump_reference.main([str(tmp_path / "m.pth"), "--seed", "4", "--size", "41x50", "-o", str(out)]) == 0
    tensors, metadata = safetensors.read(out)
    assert metadata["format"] == "lemore-dump" and Config.from_json(json.loads(metadata["config"])) == CONFIG
    assert tensors["input"].shape == (1, 3, 41, 50)
    expected = run_with_stages(model.float(), torch.from_numpy(tensors["input"]))
    assert {name[4:] for name in tensors if name.startswith("out.")} | {"output"} == set(expected)
    for name, tensor in expected.items():
        actual = tensors[name if name == "output" else f"out.{name}"]
        assert np.abs(actual - tensor.numpy()).max() < 1e-4
    assert dump_reference.main([str(tmp_path / "m.pth"), "--seed", "4", "--size", "big", "-o", str(out)]) == 1


def test_dump_of_an_image(model, tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "i.png")
    torch.save({"state_dict": states(model), "config": VALUE}, tmp_path / "m.pth")
    out = tmp_path / "dump.safetensors"
    assert dump_reference.main([str(tmp_path / "m.pth"), "--image", str(tmp_path / "i.png"), "-o", str(out)]) == 0
    expected = (pixels[5, 7].astype(float) - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    assert np.allclose(safetensors.read(out)[0]["input"][0, :, 5, 7], expected, atol=1e-6)
