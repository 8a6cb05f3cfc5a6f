"""The reference model against the published counts and the golden files."""

import json

import pytest

from lemore_torch import loading, safetensors
from lemore_torch.fields import FieldError as ConfigError
from lemore_torch.networks.lemore import Config

from lemore_torch.networks import count_parameters
from lemore_torch.networks.lemore import (LeMoRe, count_macs, resample_operator, resize, resize_matrix,
                                run_with_stages)  # fmt: skip

import torch
import torch.nn.functional as F

TRANSVERSE, FRONTAL = ["transverse"], ["transverse", "frontal"]
COUNTS = [  # (fields that differ from the published LeMoRe, parameters, MACs)
    ({"views": TRANSVERSE, "attention": None, "nested": {"enabled": False}}, 1118390, 685579264),
    ({"views": FRONTAL, "attention": None, "nested": {"enabled": False}}, 1140150, 732634112),
    ({"attention": None, "nested": {"enabled": False}}, 1161910, 779688960),
    ({"nested": {"enabled": False}}, 1215254, 781638656),
    ({"views": TRANSVERSE, "attention": None}, 1501286, 709811200),
    ({"views": FRONTAL, "attention": None}, 1523046, 756866048),
    ({"attention": None}, 1544806, 803920896),
    ({}, 1598150, 805870592),
    ({"input_size": [224, 224], "classes_only": 1000, "token_stride": 32}, 1667810, 141268112),
    ({"input_size": [448, 448]}, 1587950, 608201328),
    ({"input_size": [480, 480], "num_classes": 60}, 1581270, 670254688),
    ({"input_size": [512, 1024], "num_classes": 19}, 1646531, 1567512576),
    ({"num_classes": 171}, 1600859, 816880640),
]


@pytest.mark.parametrize("fields, parameters, macs", COUNTS)
def test_counts(fields, parameters, macs):
    config = Config.from_json(fields)
    assert count_parameters(LeMoRe(config)) == parameters
    assert count_macs(config, *config.input_size) == macs


def relative(actual, expected):
    return float((actual - expected).abs().max() / expected.abs().max())


def golden(path):
    """(model in float64, golden tensors in float64)"""
    model = loading.load(path, prefix="weights.").model.double()
    return model, {k: torch.from_numpy(v).double() for k, v in safetensors.read(path)[0].items() if k[:7] != "weights"}


def test_golden_stage_by_stage(shared_golden):
    """Each stage, fed with the golden output of the stages before it, gives the golden output to 1e-5.

    End to end the file's attention maps are so sharp that float32 itself is worth 3e-3 of head.fuse (the same PyTorch
    with another BLAS or thread count); stage by stage nothing is amplified.
    """
    model, t = golden(shared_golden / "lemore-256.safetensors")

    def check(name, actual):
        assert relative(actual, t[name]) < 1e-5, name

    with torch.no_grad():
        check("out.stem", F.relu6(model.stem(t["input"])))
        before, local = t["out.stem"], []
        for i, stage in enumerate(model.stages):
            check(f"out.stages.{i}.down", stage.down(before))
            x = t[f"out.stages.{i}.down"]
            for block in stage.blocks:
                x = block(x)
            check(f"out.stages.{i}", stage.cartesian(x))
            before = t[f"out.stages.{i}"]
            local.append(before)
        tokens = torch.cat([F.adaptive_avg_pool2d(f, (4, 4)) for f in local], 1)
        for i, layer in enumerate(model.nested):
            check(f"out.nested.{i}", layer(tokens))
            tokens = t[f"out.nested.{i}"]
        for i, globl in enumerate(tokens.split([f.shape[1] for f in local], 1)):
            check(f"out.fusion.{i}", model.fusion[i](local[i], globl))
        fused = sum(resize(t[f"out.fusion.{i}"], (32, 32)) for i in range(len(local)))
        check("out.head.fuse", F.relu6(model.head.fuse(fused)))
        check("output", model.head.classifier(t["out.head.fuse"]))


@pytest.mark.parametrize("name, bound", [("lemore-256", 1e-2), ("lemore-classifier-224", 1e-2)])
def test_golden_end_to_end(name, bound, shared_golden):
    """The whole chain in float64; the bound is what float32 rounding in the golden file itself allows."""
    model, t = golden(shared_golden / f"{name}.safetensors")
    for stage, actual in run_with_stages(model, t["input"]).items():
        wanted = t.get(stage if stage == "output" else f"out.{stage}")
        if wanted is not None:
            early = stage.startswith(("stem", "stages", "nested.0"))
            assert relative(actual, wanted) < (1e-5 if early else bound), stage


def test_resample_operator():
    a = torch.randn(7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert resample_operator(a, 7) is a
    assert torch.allclose(resize_matrix(7, 12, a).sum(1), torch.ones(12, dtype=torch.float64))
    line = torch.randn(1, 1, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    direct = F.interpolate(line, size=7, mode="linear", align_corners=False) @ a.t()
    direct = F.interpolate(direct, size=12, mode="linear", align_corners=False)
    assert torch.allclose(line @ resample_operator(a, 12).t(), direct)


def test_odd_sizes_halve_upwards():
    config = Config.from_json({"input_size": [33, 47], "num_classes": 3})
    assert LeMoRe(config).eval()(torch.zeros(1, 3, 33, 47)).shape == (1, 3, 5, 6)


@pytest.mark.parametrize("fields, word", [
    ({"colour": 1}, "colour"), ({"views": []}, "views"), ({"views": ["up"]}, "views"),
    ({"attention": "self"}, "attention"),
    ({"nested": {"heads": 5}}, "key_dim"), ({"num_classes": 0}, "num_classes"), ({"num_classes": True}, "num_classes"),
    ({"input_size": [512]}, "input_size"), ({"input_size": [31, 512]}, "input_size"), ({"skip": 1}, "skip"),
    ({"stages": [{"channels": 8, "down": {"kernel": 4}}]}, "kernel"), ({"stages": []}, "stages"), ([], "config"),
])  # fmt: skip
def test_config_refuses(fields, word):
    with pytest.raises(ConfigError, match=word):
        Config.from_json(fields)


def test_config_round_trip():
    config = Config.from_json(
        {"attention": None, "skip": False, "classes_only": 10, "views": ["lateral", "transverse"]}
    )
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.views == ("transverse", "lateral")
