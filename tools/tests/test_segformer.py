"""The SegFormer module against recorded values and published counts; its namings; its folded form against its
plain one."""

import hashlib
import json

import numpy as np
import pytest
import segformer_run

import make_test_goldens
from lemore_torch import folding, loading, networks, safetensors, starting
from lemore_torch.fields import FieldError
from lemore_torch.networks import segformer

import torch

RECORDED = ("segformer", "segformer-offset", "segformer-hf")
B1 = [64, 128, 320, 512]
SIZES = {
    "b0": {"channels": [32, 64, 160, 256]}, "b1": {"channels": B1}, "b2": {"channels": B1, "depths": [3, 4, 6, 3]},
    "b3": {"channels": B1, "depths": [3, 4, 18, 3]}, "b4": {"channels": B1, "depths": [3, 8, 27, 3]},
    "b5": {"channels": B1, "depths": [3, 6, 40, 3]},
}  # fmt: skip
COUNTS = {  # mmseg parameters and MACs, with offset learning, hf, encoder MACs; at 512x512 and 150 classes
    "b0": (3753718, 8387821568, 3923490, 8666087424, 3752694, 8387821568, 3203661824),
    "b1": (13716822, 15878062080, 13886594, 16156327936, 13715798, 15878062080, 10433855488),
    "b2": (24761686, 25679626240, 24931458, 25957892096, 27461974, 62337843200, 20235419648),
    "b3": (44637526, 42304798720, 44807298, 42583064576, 47337814, 78963015680, 36860592128),
    "b4": (61408086, 58909261824, 61577858, 59187527680, 64108374, 95567478784, 53465055232),
    "b5": (82008406, 74852073472, 82178178, 75130339328, 84708694, 111510290432, 69407866880),
}


def forms(size):
    """The configurations of the mmseg form, with offset learning, and the hf form."""
    backbone = SIZES[size]
    hf = {"projection": "linear", "channels": 256 if size in ("b0", "b1") else 768}
    return [segformer.Config.from_json({"backbone": backbone, "head": head})
            for head in ({}, {"classifier": "offset_learning"}, hf)]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_counts(size):
    wanted = COUNTS[size]
    for i, config in enumerate(forms(size)):
        assert networks.count_parameters(segformer.SegFormer(config)) == wanted[2 * i]
        assert segformer.count_macs(config, 512, 512) == wanted[2 * i + 1]
    classifier = segformer.Config.from_json({"backbone": SIZES[size], "head": {"type": "classifier"}, "num_classes": 1})
    assert segformer.count_macs(classifier, 512, 512) - classifier.channels[-1] == wanted[6]


def relative(actual, expected):
    return float(np.abs(np.asarray(actual) - np.asarray(expected)).max() / np.abs(np.asarray(expected)).max())


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_values(name, shared_golden):
    """The module in float64, and the folded form evaluated by plain sums, give every recorded stage."""
    path = shared_golden / f"{name}.safetensors"
    tensors, metadata = safetensors.read(path)
    trained = loading.load(path, prefix="weights.")
    assert trained.network is segformer and trained.naming == metadata["naming"]
    assert trained.config.to_json() == {
        "input_size": list(tensors["input"].shape[2:]),
        **json.loads(metadata["config"]),
    }
    assert networks.count_parameters(trained.model) == int(metadata["parameters"])
    assert segformer.count_macs(trained.config, *tensors["input"].shape[2:]) == int(metadata["macs"])
    folded = folding.inference_form(trained.model)
    stages = segformer.run_with_stages(trained.model.double(), torch.from_numpy(tensors["input"]).double())
    network = segformer_run.Network(trained.config.to_json(), folded)
    plain = network.run(tensors["input"][0])
    wanted = {name[4:] if name.startswith("out.") else name: array for name, array in tensors.items()
              if name == "output" or name.startswith("out.")}  # fmt: skip
    assert wanted.keys() == stages.keys() and network.used == folded.keys()
    for stage, array in wanted.items():
        assert relative(stages[stage], array) < 1e-6, stage
        if stage in plain:  # the linear form has no projections of its own
            assert relative(plain[stage], array[0]) < 1e-5, stage  # the folded weights are rounded to float32


@pytest.mark.parametrize("name", make_test_goldens.SEGFORMERS)
def test_folded_form_equals_module(name):
    """Every rewrite at once, in float64 but for the rounding of the folded weights."""
    value, size = make_test_goldens.SEGFORMERS[name]
    model = make_test_goldens.random_model(make_test_goldens.config_of(value), 21)
    folded = folding.inference_form(model)
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(3)).double()
    wanted = segformer.run_with_stages(model.double(), image)
    network = segformer_run.Network(model.config.to_json(), folded)
    got = network.run(image[0].numpy())
    assert network.used == folded.keys()
    for stage, tensor in wanted.items():
        if stage in got:
            assert relative(got[stage], tensor[0]) < 2e-6, stage


@pytest.mark.parametrize("name", make_test_goldens.SEGFORMERS)
def test_taken_apart_it_evaluates_to_the_same(name):
    value, size = make_test_goldens.SEGFORMERS[name]
    model = make_test_goldens.random_model(make_test_goldens.config_of(value), 22)
    fresh = segformer.SegFormer(model.config)
    folding.fill_from_inference_form(fresh, folding.inference_form(model))
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        assert relative(fresh.eval()(image), model.eval()(image)) < 2e-5


def in_naming(model, naming):
    """The state dict of `model` as files of `naming` hold it: the inverse of sources()."""
    out = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            if naming == "mmseg":
                out[name] = tensor
            continue
        source = segformer.sources(name, tuple(tensor.shape), naming)
        if name == "decode_head.fusion_conv.conv.weight" and naming != "mmseg":
            tensor = torch.cat(list(tensor.chunk(4, dim=1))[::-1], dim=1)
        rows = [shape[0] for _, shape in source.parts]
        pieces = tensor.split(rows) if len(rows) > 1 else [tensor]
        out.update({own: piece.reshape(shape) for (own, shape), piece in zip(source.parts, pieces)})
    return out


@pytest.mark.parametrize("form, naming, digest", [
    (0, "mmseg", "6d176486224a15d6"), (1, "mmseg", "a4ee8cda186bb1c2"), (2, "hf", "f983c8da70b9621f"),
    (2, "nvlabs", "f3c1bc8a00b6b61c"),
])  # fmt: skip
def test_names_are_the_official_ones(form, naming, digest):
    """Names and shapes of B0 as the official code has them, held by the digest of their sorted list."""
    state = in_naming(segformer.SegFormer(forms("b0")[form]), naming)
    lines = sorted(f"{name} {'x'.join(map(str, tensor.shape))}" for name, tensor in state.items()
                   if not name.endswith("num_batches_tracked"))  # fmt: skip
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == digest, lines[:3]


@pytest.mark.parametrize("fields, word", [
    ({"backbone": {"channels": [32, 64, 160]}}, "channels"), ({"backbone": {"heads": [3, 2, 5, 8]}},
                                                              "multiple of heads"),
    ({"backbone": {"patch_sizes": [7, 3, 2, 3]}}, "odd"), ({"backbone": {"type": "mscan"}}, "type"),
    ({"backbone": {"norm_eps": 0}}, "norm_eps"), ({"head": {"projection": "mlp"}}, "projection"),
    ({"head": {"type": "classifier", "channels": 3}}, "channels"), ({"num_classes": 257}, "num_classes"),
    ({"num_classes": 0}, "num_classes"), ({"colour": 1}, "colour"), ({"backbone": {"depths": [2, 2, 0, 2]}}, "depths"),
    ({"backbone": {"channels": [8192, 8192, 8192, 8192], "mlp_ratios": [9, 1, 1, 1], "heads": [1, 1, 1, 1]}},
     "at most"),
    ({"backbone": {"channels": [8192] * 4, "heads": [1] * 4}}, "bytes of weights"), ([], "config"),
])  # fmt: skip
def test_config_refuses(fields, word):
    with pytest.raises(FieldError, match=word):
        segformer.Config.from_json(fields)


def test_config_round_trip():
    for value, _ in make_test_goldens.SEGFORMERS.values():
        config = segformer.Config.from_json(value)
        assert segformer.Config.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_smallest_input():
    config = segformer.Config()
    assert segformer.min_input(config) == 29
    model = segformer.SegFormer(config).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 29, 29)).shape == (1, 150, 8, 8)
        with pytest.raises(RuntimeError):
            model(torch.zeros(1, 3, 28, 40))


def test_committed_goldens_are_what_the_reference_computes():
    folder = loading.CONFIGS.parent.parent / "tests" / "golden"
    for name in make_test_goldens.SEGFORMERS:
        expected, _ = safetensors.read(folder / f"{name}.dump.safetensors")
        tensors, metadata = safetensors.read(folder / f"{name}.model.safetensors")
        got = segformer_run.Network(json.loads(metadata["config"]), tensors).run(expected["input"][0])
        for stage, array in expected.items():
            stage = stage[4:] if stage.startswith("out.") else stage
            if stage != "input":
                assert relative(got[stage], array[0]) < 5e-6, stage


def test_folded_files_start_a_training(tmp_path):
    folder = loading.CONFIGS.parent.parent / "tests" / "golden"
    value, _ = make_test_goldens.SEGFORMERS["segformer/hf"]
    fresh = segformer.SegFormer(segformer.Config.from_json({**value, "num_classes": 3}))
    said = starting.initialise(fresh, folder / "segformer" / "hf.model.safetensors")
    assert "classifier anew" in said and "folded" in said
