"""The bounds of a weight file are stated twice, in C++ and in lemore_torch/weight_file.py: here one table walks
both sides."""

import json
import subprocess

import numpy as np
import pytest
from cpp import binary

import convert
from lemore_torch import checkpoint, fields, loading, networks, protocol, safetensors, weight_file
from lemore_torch.data import Labels

import torch

GOLDEN = loading.CONFIGS.parent.parent / "tests" / "golden"


def put(part, path, value):
    """A change of the JSON `part` of the metadata: the field at `path` becomes `value`, or goes with `value` ..."""

    def change(texts, _tensors):
        document = json.loads(texts[part])
        inside = document
        for key in path[:-1]:
            inside = inside[key]
        if value is ...:
            del inside[path[-1]]
        else:
            inside[path[-1]] = value
        texts[part] = json.dumps(document, ensure_ascii=False)

    return change


def text(part, value):
    """The metadata `part` becomes `value`."""
    return lambda texts, _tensors: texts.update({part: value})


def tensor(name, change):
    def apply(_texts, tensors):
        tensors[name] = change(tensors[name])

    return apply


def spoil(array):
    array.flat[3] = np.nan
    return array


def provenance(metrics):
    document = {"source": "", "source_sha256": "", "license": "", "converter": ""}
    return text("provenance", json.dumps(document)[:-1] + f', "metrics": {metrics}}}')


CASES = {  # name: (change, accepted)
    "as written": (lambda *_: None, True),
    "metrics null": (put("provenance", ["metrics"], None), True),
    "metrics a list": (put("provenance", ["metrics"], [1]), False),
    "metrics NaN": (provenance('{"miou": NaN}'), False),
    "metrics infinite": (provenance('{"miou": -Infinity}'), False),
    "metrics of any number": (provenance('{"a": 1e999, "b": 123456789012345678901234567890, "c": -0.0}'), True),
    "metrics 30 deep": (provenance('{"a":' + "[" * 29 + "]" * 29 + "}"), True),
    "metrics 31 deep": (provenance('{"a":' + "[" * 30 + "]" * 30 + "}"), True),
    "metrics 32 deep": (provenance('{"a":' + "[" * 31 + "]" * 31 + "}"), False),
    "metrics very deep": (provenance('{"a":' + "[" * 5000 + "]" * 5000 + "}"), False),
    "metrics with a name twice": (provenance('{"a": 1, "a": 2}'), False),
    "metrics with half a pair": (provenance('{"a": "\\ud800"}'), False),
    "metrics with a whole pair": (provenance('{"a": "\\ud83d\\ude00"}'), True),
    "metrics with a control character": (provenance('{"a": "\t"}'), False),
    "metrics with a plus": (provenance('{"a": +1}'), False),
    "metrics with a trailing comma": (provenance('{"a": 1,}'), False),
    "provenance with an unknown field": (put("provenance", ["who"], "me"), False),
    "digest too short": (put("provenance", ["source_sha256"], "ab"), False),
    "digest in capitals": (put("provenance", ["source_sha256"], "A" * 64), False),
    "digest": (put("provenance", ["source_sha256"], "a" * 64), True),
    "no digest": (put("provenance", ["source_sha256"], ""), True),
    "license a number": (put("provenance", ["license"], 3), False),
    "no license": (put("provenance", ["license"], ...), False),
    "provenance no JSON": (text("provenance", "x"), False),
    "provenance absent": (lambda texts, _: texts.pop("provenance"), False),
    "offset -1": (put("labels", ["annotation_offset"], -1), False),
    "offset 65535": (put("labels", ["annotation_offset"], 65535), True),
    "offset 65536": (put("labels", ["annotation_offset"], 65536), False),
    "offset 1.0": (put("labels", ["annotation_offset"], 1.0), False),
    "offset true": (put("labels", ["annotation_offset"], True), False),
    "ignore -1": (put("labels", ["ignore_label"], -1), True),
    "ignore -2": (put("labels", ["ignore_label"], -2), False),
    "ignore 65536": (put("labels", ["ignore_label"], 65536), False),
    "ignore null": (put("labels", ["ignore_label"], None), False),
    "labels without a name": (put("labels", ["name"], ...), False),
    "labels with a note": (put("labels", ["annotation_note"], "0 is none"), True),
    "labels with more": (put("labels", ["more"], 1), False),
    "a class less": (put("labels", ["classes", 3], ...), False),
    "colour of two": (put("labels", ["classes", 1, "color"], [1, 2]), False),
    "colour 256": (put("labels", ["classes", 1, "color"], [1, 2, 256]), False),
    "colour 1.5": (put("labels", ["classes", 1, "color"], [1, 2, 1.5]), False),
    "class with more": (put("labels", ["classes", 1, "id"], 1), False),
    "class name of other letters": (put("labels", ["classes", 1, "name"], "Straße 道"), True),
    "class name a number": (put("labels", ["classes", 1, "name"], 7), False),
    "mean of two": (put("preprocessing", ["mean"], [1, 2]), False),
    "mean 1e7": (put("preprocessing", ["mean"], [1, 2, 1e7]), False),
    "std 0": (put("preprocessing", ["std"], [0, 1, 1]), False),
    "std a text": (put("preprocessing", ["std"], ["1", 1, 1]), False),
    "bgr": (put("preprocessing", ["channel_order"], "bgr"), False),
    "resize nearest": (put("preprocessing", ["resize"], "nearest"), False),
    "label map three_step": (put("preprocessing", ["label_map"], "three_step"), False),
    "label map two_step": (put("preprocessing", ["label_map"], "two_step"), True),
    "257 classes": (put("config", ["num_classes"], 257), False),
    "input of 31": (put("config", ["input_size"], [31, 47]), False),
    "kernel 4": (put("config", ["stages", 0, "down", "kernel"], 4), False),
    "unknown configuration field": (put("config", ["colour"], 1), False),
    "too wide": (put("config", ["ffn_expansion"], 65), False),
    "far too large": (put("config", ["fusion_channels"], 8193), False),
    "weights beyond 2 GB": (text("config",
                                 '{"fusion_channels": 8192, "stages": [{"channels": 8192}, {"channels": 8192}]}'),
                                 False),
    "another format": (text("format", "pt"), False),
    "another version": (text("format_version", "2"), False),
    "another architecture": (text("architecture", "resnet"), False),
    "metadata of others": (text("made_by", "someone"), True),
    "NaN in a tensor": (tensor("head.classifier.bias", spoil), False),
    "infinity in a tensor": (tensor("head.classifier.bias", lambda a: a * np.float32(np.inf)), False),
    "a tensor of doubles": (tensor("head.classifier.bias", lambda a: a.astype(np.float64)), False),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_both_sides_agree(name, tmp_path):
    change, accepted = CASES[name]
    tensors, texts = safetensors.read(GOLDEN / "plain.model.safetensors")
    change(texts, tensors)
    path = tmp_path / "changed.safetensors"
    safetensors.write(path, tensors, texts)
    try:
        weight_file.check(path)
        ours = None
    except fields.FieldError as error:
        ours = str(error)
    assert (ours is None) == accepted, ours
    done = subprocess.run([binary(), "info", str(path)], capture_output=True, text=True)
    assert (done.returncode == 0) == accepted, done.stderr


@pytest.mark.parametrize("name", ["plain", "classifier", "rect", "segformer/mmseg", "segformer/hf", "segformer/offset",
                                  "segformer/classifier"])  # fmt: skip
def test_what_was_written_passes(name):
    weight_file.check(GOLDEN / f"{name}.model.safetensors")


def test_nothing_is_left_behind_when_the_check_fails(tmp_path):
    tensors, texts = safetensors.read(GOLDEN / "plain.model.safetensors")
    texts["labels"] = "{}"
    with pytest.raises(fields.FieldError, match="labels.name"):
        safetensors.write(tmp_path / "out.safetensors", tensors, texts, weight_file.check)
    assert not list(tmp_path.iterdir())


PROTOCOL = [  # (fields added to the preprocessing, accepted)
    ({}, True), ({"size_rule": "exact"}, True), ({"size_rule": "fit", "fit": [2048, 512]}, True),
    ({"size_rule": "fit"}, False), ({"size_rule": "fit", "fit": [0, 5]}, False), ({"size_rule": "crop"}, False),
    ({"fit": [2048, 512]}, False), ({"size_rule": "native", "divisor": 32}, True), ({"divisor": 0}, False),
    ({"mode": "slide", "window": [512, 512], "stride": [480, 480]}, True), ({"mode": "slide"}, False),
    ({"mode": "slide", "window": [64, 64], "stride": [65, 64]}, False), ({"window": [64, 64]}, False),
    ({"mode": "keep"}, False), ({"resize": "opencv"}, True), ({"resize": "pillow"}, True),
]  # fmt: skip


@pytest.mark.parametrize("added, accepted", PROTOCOL)
def test_protocol_fields(added, accepted):
    value = {
        "channel_order": "rgb",
        "mean": [1, 2, 3],
        "std": [1, 2, 3],
        "resize": "bilinear",
        "label_map": "direct",
        **added,
    }
    if accepted:
        weight_file.check_preprocessing(value)
    else:
        with pytest.raises(fields.FieldError):
            weight_file.check_preprocessing(value)


@pytest.mark.parametrize("name", loading.network_configs())
def test_the_library_reads_every_configuration(name, tmp_path, monkeypatch):
    """What Python writes for the configurations of tools/configs is what C++ declares: names, shapes, counts."""
    for init in ("kaiming_uniform_", "xavier_uniform_", "uniform_", "normal_"):
        monkeypatch.setattr(
            torch.nn.init, init, lambda tensor, *_, **__: tensor.detach().zero_()
        )  # large, and any value does
    config = loading.configuration(name)
    model = networks.of_config(config).Model(config).eval()
    labels = Labels.generated(config.outputs)
    (tmp_path / "source").write_bytes(b"")
    weights = checkpoint.Weights(tmp_path / "source", {})
    convert.write(loading.Trained(weights, "", model, labels, protocol.plain()), tmp_path / "out.safetensors", "source")
    done = subprocess.run(
        [binary(), "info", "--json", str(tmp_path / "out.safetensors")], capture_output=True, text=True
    )
    if "architecture" in done.stderr:
        pytest.skip(f"{binary()} is built without this network")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parameters"] == networks.count_parameters(model)
