"""Weights out of everything that people keep them in; starting a training from them."""

import argparse
import collections
import enum
import json
import pathlib
import pickle
import sys
import types

import numpy as np
import pytest

import convert
import make_test_goldens
import toy
from lemore_torch import checkpoint, safetensors, starting, unpickle
from lemore_torch.networks.lemore import Config
from lemore_torch.networks.lemore import LeMoRe

import torch

CONFIG = Config.from_json(toy.CONFIG)


@pytest.fixture(scope="module")
def model():
    return make_test_goldens.random_model(CONFIG, 3)


@pytest.fixture(scope="module")
def other():
    return make_test_goldens.random_model(CONFIG, 4)


def load(path, value, **options):
    torch.save(value, path / "in.pth")
    return checkpoint.load(path / "in.pth", **options)


def equal(weights, model):
    wanted = {k: v.numpy() for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    return weights.state.keys() == wanted.keys() and all((weights.state[k] == wanted[k]).all() for k in wanted)


def prefixed(state, *prefixes):
    return {"".join(prefixes) + name: tensor for name, tensor in state.items()}


NAMES = ["state_dict", "model_state_dict", "model", "net", "network", "module", "teacher", "student", "weights",
         "state_dict_ema", "ema", "model_ema", "ema_state_dict", "params", "something_else"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_under_any_name(name, model, tmp_path):
    state = model.state_dict()
    assert equal(load(tmp_path, {"epoch": 3, name: state}), model)
    assert equal(load(tmp_path, {"epoch": 3, name: {"state_dict": prefixed(state, "module.")}}), model)
    if name != "something_else":
        assert equal(load(tmp_path, prefixed(state, name + ".")), model)


@pytest.mark.parametrize("prefixes", [("module.",), ("_orig_mod.",), ("module.", "_orig_mod."),
                                      ("_orig_mod.", "module."),
                                      ("model.", "_orig_mod."), ("model.", "net."), ("student_model.",),
                                      ("ema.", "module."), ("module.", "model.", "module.")])  # fmt: skip
def test_prefixes(prefixes, model, tmp_path):
    state = prefixed(model.state_dict(), *prefixes)
    assert equal(load(tmp_path, state), model)
    assert equal(load(tmp_path, {"state_dict": state, "n_averaged": torch.tensor(3)}), model)


def test_a_compiled_part(model, tmp_path):
    state = {k.replace("stages.0.", "stages.0._orig_mod."): v for k, v in model.state_dict().items()}
    assert equal(load(tmp_path, state), model)


def test_the_average_is_preferred_and_key_chooses(model, other, tmp_path):
    value = {
        "model": other.state_dict(),
        "model_ema": model.state_dict(),
        "optimizer": {"state": {0: {"a.b": torch.ones(2)}}},
    }
    weights = load(tmp_path, value)
    assert equal(weights, model) and "averaged" in weights.notes[0] and "'model'" in weights.notes[0]
    assert equal(load(tmp_path, value, key="model"), other)
    side_by_side = {**prefixed(other.state_dict(), "student."), **prefixed(model.state_dict(), "teacher.")}
    assert equal(load(tmp_path, {"state_dict": side_by_side}), model)
    assert equal(load(tmp_path, {"state_dict": side_by_side}, key="state_dict.student"), other)
    deep = {"a": {"b": {"c": model.state_dict()}}, "d": {"b": other.state_dict()}}
    assert equal(load(tmp_path, deep, key="a.b.c"), model) and equal(load(tmp_path, deep, key="a"), model)
    with pytest.raises(checkpoint.CheckpointError, match="'a.b.c'.*'d.b'.*--key"):
        load(tmp_path, deep)
    with pytest.raises(checkpoint.CheckpointError, match="under 'wrong'.*'a.b.c'"):
        load(tmp_path, deep, key="wrong")


def test_tuples_and_lists(model, other, tmp_path):
    assert equal(load(tmp_path, (model.state_dict(), 7)), model)
    assert equal(load(tmp_path, {"models": [other.state_dict(), model.state_dict()]}, key="models.1"), model)


def test_parts_of_other_networks_are_left_out(model, tmp_path):
    """Lightning keeps a loss's weights and metrics beside the network's."""
    beside = {"criterion.weight": torch.ones(4), "teacher_head.bias": torch.ones(2)}
    assert equal(load(tmp_path, {"state_dict": {**prefixed(model.state_dict(), "model."), **beside}}), model)


def test_mmengine_swaps_the_average_into_state_dict(model, other, tmp_path):
    value = {"state_dict": model.state_dict(), "ema_state_dict": prefixed(other.state_dict(), "module."),
             "meta": {"mmengine_version": "0.10"}}  # fmt: skip
    assert equal(load(tmp_path, value), model)
    copies = {f"ema_{k.replace('.', '_')}": v for k, v in other.state_dict().items()}
    assert equal(load(tmp_path, {"state_dict": {**model.state_dict(), **copies}}), model)


class Color(enum.Enum):
    RED = 1


class Config1(dict):
    """A class that a checkpoint drags in."""


class Hooked:
    def __init__(self):
        self.other, self.log = self, np.arange(5.0)


@pytest.mark.parametrize("protocol", [2, 4])
def test_harmless_things_are_stepped_over(protocol, model, tmp_path):
    """None of the classes is imported by the reader: it knows them by name only."""
    config = Config1(a=1)
    config.attribute = 2
    optimizer = torch.optim.AdamW(model.parameters())
    value = {
        "model": model.state_dict(), "best": np.float64(0.6), "f32": np.float32(0.5), "count": np.int64(7),
        "array": np.arange(6, dtype=np.int16).reshape(2, 3), "big": np.arange(3, dtype=">f4"),
        "args": argparse.Namespace(lr=1),
        "dd": collections.defaultdict(list, a=[1]), "counter": collections.Counter("aab"),
        "deque": collections.deque([1, 2], 5),
        "path": pathlib.Path("/a/b"), "set": {1, 2}, "frozen": frozenset("x"), "enum": Color.RED, "config": config,
        "hooked": Hooked(), "optimizer": optimizer.state_dict(), "whole_optimizer": optimizer, "dtype": torch.float32,
        "device": torch.device("cpu"), "size": torch.Size([1, 2]), "function": np.mean, "class": Hooked,
        "complex": 1 + 2j,
        "strings": np.array(["a", "b"]), "objects": np.array([{}, None]), "slice": slice(1, 2), "bytes": b"\xff\x00",
        "parameter": torch.nn.Parameter(torch.ones(2)), "complex_tensor": torch.zeros(2, dtype=torch.complex64),
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3), "range": range(3),
    }  # fmt: skip
    for legacy in (False, True):
        torch.save(value, tmp_path / "in.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
        assert equal(checkpoint.load(tmp_path / "in.pth"), model)
        read = checkpoint.read(tmp_path / "in.pth")
        assert (read["best"], read["f32"], read["count"], read["path"]) == (0.6, 0.5, 7, "/a/b")
        assert (read["array"] == value["array"]).all() and (read["big"] == value["big"]).all()
        assert read["dd"] == {"a": [1]} and read["counter"] == {"a": 2, "b": 1} and read["deque"] == [1, 2]
        assert read["config"] == {"a": 1} and read["bytes"] == b"\xff\x00" and (read["parameter"] == 1).all()
        assert isinstance(read["hooked"], unpickle.Foreign) and isinstance(read["complex_tensor"], unpickle.Foreign)


def test_unknown_classes_are_not_imported(model, tmp_path):
    """mmengine's message hub, from a module that is gone when the file is read."""
    name = "foreign_logging.history_buffer"
    module = types.ModuleType(name)
    exec("class HistoryBuffer:\n    def __init__(self, v): self.v = v\n", module.__dict__)
    sys.modules["foreign_logging"], sys.modules[name] = types.ModuleType("foreign_logging"), module
    try:
        hub = {"log_scalars": {"loss": module.HistoryBuffer(np.arange(4.0))}, "runtime_info": {"iter": 3}}
        torch.save({"state_dict": model.state_dict(), "message_hub": hub, "meta": {"epoch": 1}}, tmp_path / "in.pth")
    finally:
        del sys.modules["foreign_logging"], sys.modules[name]
    assert equal(checkpoint.load(tmp_path / "in.pth"), model)
    assert name not in sys.modules


def test_whole_modules_and_plain_pickles(model, tmp_path):
    assert equal(load(tmp_path, model), model)
    assert equal(load(tmp_path, {"epoch": 1, "ema": model}), model)
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({k: v.numpy() for k, v in model.state_dict().items()}))
    assert equal(checkpoint.load(tmp_path / "plain.pkl"), model)


def test_shared_and_nested_things_cost_little(tmp_path, model):
    """Lists of lists of the same list: 2^60 items if they were copied. Aliased tensors are one array."""
    bomb = [0]
    for _ in range(60):
        bomb = [bomb, bomb]
    tied = dict(model.state_dict())
    tied["alias.weight"] = tied["head.classifier.weight"]
    weights = load(tmp_path, {"state_dict": tied, "bomb": bomb})
    assert weights.state["alias.weight"] is weights.state["head.classifier.weight"]
    loop = []
    loop.append(loop)
    assert load(tmp_path, {"state_dict": tied, "loop": loop}).state.keys() == weights.state.keys()


@pytest.mark.parametrize("content, word", [
    (b"", "empty"), (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "git lfs pull"),
    (b"<!DOCTYPE html><html></html>", "web page"), (b"\n\n <html>", "web page"), (b'{"a": 1}', "JSON"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"), (b"\x1f\x8b\x08rest", "gzip"), (b"sys_info" + bytes(600), "tar"),
])  # fmt: skip
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_files_that_are_something_else_are_named(content, word, suffix, tmp_path, capsys):
    (tmp_path / f"in.{suffix}").write_bytes(content)
    assert convert.main([str(tmp_path / f"in.{suffix}"), "-o", str(tmp_path / "out.safetensors")]) == 1
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1


def test_told_by_its_bytes_not_by_its_name(model, tmp_path):
    torch.save(model.state_dict(), tmp_path / "model.safetensors")
    assert equal(checkpoint.load(tmp_path / "model.safetensors"), model)
    arrays = {k: v.numpy() for k, v in model.state_dict().items()}
    safetensors.write(tmp_path / "model.pth", arrays, {})
    assert equal(checkpoint.load(tmp_path / "model.pth"), model)


# -- starting from weights -----------------------------------------------------------------------------------------


def logits(model, seed=0):
    with torch.no_grad():
        return model.eval()(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed)))


def converted(model, tmp_path):
    torch.save({"state_dict": model.state_dict(), "config": model.config.to_json()}, tmp_path / "m.pth")
    assert convert.main([str(tmp_path / "m.pth"), "-o", str(tmp_path / "folded.safetensors")]) == 0
    return tmp_path / "folded.safetensors"


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"model": s}, lambda s: prefixed(s, "module."),
                                  lambda s: {"state_dict_ema": prefixed(s, "module.", "_orig_mod.")}])  # fmt: skip
def test_initialise_from_any_wrapping(wrap, model, tmp_path):
    torch.save(wrap(model.state_dict()), tmp_path / "in.pth")
    fresh = LeMoRe(CONFIG)
    assert "in.pth" in starting.initialise(fresh, tmp_path / "in.pth")
    assert torch.equal(logits(fresh), logits(model))


@pytest.mark.parametrize("name", make_test_goldens.GOLDENS)
def test_folded_files_come_apart_exactly(name, tmp_path):
    value, size = make_test_goldens.GOLDENS[name]
    trained = make_test_goldens.random_model(Config.from_json(value), 11)
    fresh = LeMoRe(trained.config)
    said = starting.initialise(fresh, converted(trained, tmp_path))
    assert "folded" in said
    x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted, got = trained.eval()(x), fresh.eval()(x)
    assert (got - wanted).abs().max() <= 2e-5 * wanted.abs().max()
    again = converted(fresh, tmp_path)  # and back: the same file but for rounding
    tensors = safetensors.read(again)[0]
    folded = convert.inference_form(trained)
    assert all(np.allclose(tensors[k], folded[k], rtol=1e-5, atol=1e-6) for k in folded)


def test_settled_norms_train_as_they_evaluate(model, tmp_path):
    fresh = LeMoRe(CONFIG)
    starting.initialise(fresh, converted(model, tmp_path))
    before = logits(fresh)
    batch = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    unsettled = (fresh.train()(batch) - model.eval()(batch)).abs().mean()
    fresh = LeMoRe(CONFIG)
    starting.initialise(fresh, tmp_path / "folded.safetensors")
    starting.settle_norms(fresh, [batch[:4], batch[4:]])
    assert (logits(fresh) - before).abs().max() <= 2e-5 * before.abs().max()  # evaluation is as it was
    evaluated = fresh.eval()(batch)
    settled = (fresh.train()(batch) - evaluated).abs().mean()
    assert settled < 1e-3 * evaluated.abs().mean() and settled < 0.01 * unsettled


def test_only_the_classes_differ(model, tmp_path):
    torch.save({"model": model.state_dict()}, tmp_path / "four.pth")
    fresh = LeMoRe(Config.from_json({**toy.CONFIG, "num_classes": 9}))
    own = fresh.head.classifier.weight.clone()
    for path in (tmp_path / "four.pth", converted(model, tmp_path)):
        assert "classifier" in starting.initialise(fresh, path)
        assert torch.equal(fresh.head.classifier.weight, own)
        assert torch.allclose(fresh.nested[0].ffn.depthwise.weight, model.nested[0].ffn.depthwise.weight, atol=1e-6)


def test_another_size_and_an_imagenet_classifier(model, tmp_path):
    torch.save(model.state_dict(), tmp_path / "m.pth")
    larger = LeMoRe(Config.from_json({**toy.CONFIG, "input_size": [96, 64]}))
    assert "4 axis operators resampled" in starting.initialise(larger, tmp_path / "m.pth")
    classifier = LeMoRe(Config.from_json({**toy.CONFIG, "classes_only": 10}))
    torch.save(classifier.state_dict(), tmp_path / "c.pth")
    fresh = LeMoRe(CONFIG)
    assert "head anew" in starting.initialise(fresh, tmp_path / "c.pth")
    assert torch.equal(fresh.stem.conv.weight, classifier.stem.conv.weight)


def test_what_does_not_fit_is_named(model, tmp_path):
    state = dict(model.state_dict())
    wider = LeMoRe(Config.from_json({**toy.CONFIG, "stem_channels": 16}))
    torch.save(prefixed(state, "module."), tmp_path / "m.pth")
    with pytest.raises(checkpoint.CheckpointError, match="'module.stem.conv.weight' is"):
        starting.initialise(wider, tmp_path / "m.pth")
    del state["stages.1.down.project.conv.weight"]
    torch.save(state, tmp_path / "m.pth")
    with pytest.raises(checkpoint.CheckpointError, match="stages.1.down.project.conv.weight"):
        starting.initialise(LeMoRe(CONFIG), tmp_path / "m.pth")
    torch.save({"a.weight": torch.ones(3)}, tmp_path / "m.pth")
    with pytest.raises(checkpoint.CheckpointError, match="does not fit"):
        starting.initialise(LeMoRe(CONFIG), tmp_path / "m.pth")
