"""SegFormer weights as people have them: Hugging Face folders, OpenMMLab's and the authors' checkpoints, recorded
networks."""

import hashlib
import json
import sys
import types

import cpp
import numpy as np
import pytest
from PIL import Image
from test_segformer import in_naming

import convert
import make_test_goldens
from lemore_torch import folding, loading, preparing, safetensors, starting
from lemore_torch.networks import segformer

import torch

HEADS = (1, 2, 2, 3)
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def config_of(naming, classes=5, **head):
    eps = {"mmseg": (1e-6, 1e-6, 1e-6), "hf": (1e-5, 1e-5, 1e-5), "nvlabs": (1e-6, 1e-5, 1e-5)}[naming]
    backbone = make_test_goldens.mit((4, 6, 8, 12), (1, 2, 1, 1), HEADS, (2, 2, 1, 1), (8, 4, 2, 1))
    backbone.update(zip(segformer.Config.EPS, eps))
    head = head or ({} if naming == "mmseg" else {"projection": "linear"})
    if head.get("type") != "classifier":
        head = {"channels": 10, **head}
    value = {"input_size": [64, 64], "num_classes": classes, "backbone": backbone, "head": head}
    return segformer.Config.from_json(value)


def model_of(naming, classes=5, seed=1, **head):
    return make_test_goldens.random_model(config_of(naming, classes, **head), seed)


@pytest.fixture
def heads(tmp_path):
    """--config: the head counts, which names and shapes of so narrow a network can't tell."""
    (tmp_path / "heads.json").write_text(json.dumps({"backbone": {"heads": list(HEADS)}}))
    return ["--config", str(tmp_path / "heads.json")]


def converted(tmp_path, source, *options):
    out = tmp_path / "out.safetensors"
    assert convert.main([str(source), "-o", str(out), *options]) == 0
    tensors, metadata = safetensors.read(out)
    assert metadata["architecture"] == "segformer"
    return tensors, {key: json.loads(metadata[key]) for key in ("config", "labels", "preprocessing", "provenance")}


def check(model, tensors, texts, exact=True):
    wanted = folding.inference_form(model)
    assert tensors.keys() == wanted.keys()
    for name, array in wanted.items():
        assert (
            np.array_equal(tensors[name], array) if exact else np.allclose(tensors[name], array, rtol=0.05, atol=0.02)
        ), name
    given = model.config.to_json()
    assert {**texts["config"], "input_size": given["input_size"]} == given


# -- Hugging Face ----------------------------------------------------------------------------------------------------


def folder(path, model, weights="model.safetensors", dtype=torch.float32, preprocessor=None, names=None, **config):
    c = model.config
    path.mkdir()
    value = {
        "architectures": ["SegformerForSemanticSegmentation"], "model_type": "segformer", "hidden_act": "gelu",
        "num_channels": 3, "num_encoder_blocks": 4, "hidden_sizes": list(c.channels), "depths": list(c.depths),
        "num_attention_heads": list(c.heads), "sr_ratios": list(c.reductions), "mlp_ratios": list(c.mlp_ratios),
        "patch_sizes": list(c.patch_sizes), "strides": list(c.strides), "decoder_hidden_size": c.head_channels,
        "layer_norm_eps": 1e-06, "reshape_last_stage": True, "image_size": 224, "drop_path_rate": 0.1,
        "id2label": {str(i): n for i, n in enumerate(names or [f"name {i}" for i in range(c.num_classes)])}, **config,
    }  # fmt: skip
    (path / "config.json").write_text(json.dumps(value))
    if preprocessor is not None:
        (path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    state = {k: v.to(dtype) for k, v in in_naming(model, "hf").items()}
    if weights.endswith(".bin"):
        torch.save(state, path / weights)
    elif dtype == torch.bfloat16:
        write_bf16(path / weights, state)
    else:
        safetensors.write(path / weights, {k: v.numpy() for k, v in state.items()}, {"format": "pt"})
    return path


def write_bf16(path, state):
    blobs, header, at = [], {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in state.items():
        raw = tensor.contiguous().view(torch.int16).numpy().tobytes()
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


NEW = {"do_resize": True, "size": {"height": 96, "width": 64}, "resample": 2, "do_rescale": True,
       "rescale_factor": 0.00392156862745098, "do_normalize": True, "image_mean": MEAN, "image_std": STD,
       "do_reduce_labels": True, "image_processor_type": "SegformerImageProcessor"}  # fmt: skip
OLD = {"do_normalize": True, "do_resize": True, "feature_extractor_type": "SegformerFeatureExtractor",
       "image_mean": MEAN,
       "image_std": STD, "reduce_labels": True, "resample": 2, "size": 128}  # fmt: skip


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("style, size", [(NEW, [96, 64]), (OLD, [128, 128])])
def test_hugging_face_folder(weights, style, size, tmp_path):
    model = model_of("hf")
    tensors, texts = converted(tmp_path, folder(tmp_path / "model", model, weights, preprocessor=style))
    check(model, tensors, texts)
    assert texts["config"]["input_size"] == size
    assert [c["name"] for c in texts["labels"]["classes"]] == [f"name {i}" for i in range(5)]
    assert texts["labels"]["annotation_offset"] == 1 and texts["provenance"]["source"] == "model"
    assert texts["preprocessing"] == {
        "channel_order": "rgb", "resize": "pillow", "size_rule": "exact", "mode": "whole", "label_map": "direct",
        "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}  # fmt: skip


@pytest.mark.parametrize("bare", ["", "segformer."])
def test_state_dict_of_a_transformers_5_module(bare, tmp_path, heads):
    """torch.save(model.state_dict()): other names than those of the files that save_pretrained writes."""
    kind = {"type": "classifier"} if bare else {}
    model = model_of("hf", **kind)
    state = {name[len(bare) :] if name.startswith(bare) else name: t for name, t in in_naming(model, "hf5").items()}
    assert "segformer.stages.1.blocks.0.attention.k_proj.bias"[len(bare) :] in state
    torch.save({"model": state}, tmp_path / "m.pth")
    tensors, texts = converted(tmp_path, tmp_path / "m.pth", *heads)
    check(model, tensors, texts)
    if not bare:
        source = folder(tmp_path / "model", model, preprocessor=NEW)
        (source / "model.safetensors").unlink()
        torch.save(state, source / "pytorch_model.bin")
        check(model, *converted(tmp_path, source))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_hugging_face_halves(dtype, tmp_path):
    model = model_of("hf")
    tensors, texts = converted(tmp_path, folder(tmp_path / "model", model, dtype=dtype, preprocessor=NEW))
    check(model, tensors, texts, exact=False)


def test_hugging_face_classifier(tmp_path):
    model = model_of("hf", 6, type="classifier")
    tensors, texts = converted(tmp_path, folder(tmp_path / "model", model, preprocessor={**OLD, "size": 224}))
    check(model, tensors, texts)
    assert texts["config"]["head"] == {"type": "classifier"}


def test_a_classifier_sees_images_as_its_file_says(tmp_path):
    """Resized by Pillow's rule, not as our own networks; at their own size with do_resize false."""
    model = model_of("hf", 6, type="classifier")
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 50, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    image = torch.from_numpy(np.array(Image.open(tmp_path / "a.png"))).permute(2, 0, 1)
    for name, style in (("resized", {**OLD, "size": 64}), ("native", {**NEW, "do_resize": False})):
        _, texts = converted(tmp_path, folder(tmp_path / name, model, preprocessor=style))
        cpp.lemore("run", "-m", tmp_path / "out.safetensors", tmp_path / "a.png", "-o", f"{tmp_path}/", "--emit", "npy")
        with torch.no_grad():
            wanted = model(preparing.prepare(image, texts["config"]["input_size"], texts["preprocessing"])).numpy()
        got = np.load(tmp_path / "a.logits.npy").ravel()
        assert np.abs(got - wanted[0]).max() <= 1e-5 * np.abs(wanted).max(), name


@pytest.mark.parametrize("change, word", [
    ({"model_type": "upernet"}, "model_type"), ({"hidden_act": "gelu_new"}, "hidden_act"),
    ({"num_channels": 4}, "num_channels"),
    ({"num_encoder_blocks": 5}, "num_encoder_blocks"), ({"id2label": {"0": "a", "5": "b"}}, "got 5"),
    ({"id2label": {"road": 0}}, "id2label"),
    ({"num_attention_heads": [1, 4, 2, 3]}, "multiple of heads"), ({"depths": [1, 2, 1]}, "depths"),
    ({"depths": [1, 3, 1, 1]}, "segformer.encoder.block.1.2."),
    ({"decoder_hidden_size": 12}, "decode_head.classifier.weight"),
])  # fmt: skip
def test_hugging_face_config_refused(change, word, tmp_path, capsys):
    source = folder(tmp_path / "model", model_of("hf"), preprocessor=NEW, **change)
    assert convert.main([str(source), "-o", str(tmp_path / "out.safetensors")]) == 1
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1 and not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("change, word", [
    ({"resample": 3}, "resample"), ({"size": {"shortest_edge": 512}}, "size"), ({"image_std": [0, 1, 1]}, "std"),
    ({"image_mean": [1, 2]}, "preprocessor_config.json"), ({"size": 0}, "size"),
    ({"do_center_crop": True}, "do_center_crop"),
])  # fmt: skip
def test_hugging_face_preprocessor_refused(change, word, tmp_path, capsys):
    source = folder(tmp_path / "model", model_of("hf"), preprocessor={**NEW, **change})
    assert convert.main([str(source), "-o", str(tmp_path / "out.safetensors")]) == 1
    error = capsys.readouterr().err
    assert word in error and "--protocol" in error and error.count("\n") == 1
    _, texts = converted(tmp_path, source, "--protocol", "plain")
    assert texts["preprocessing"]["resize"] == "bilinear"


@pytest.mark.parametrize("change, wanted", [
    ({"image_mean": 0.5, "image_std": 0.25}, {"mean": [127.5] * 3, "std": [63.75] * 3}),
    ({"do_resize": False}, {"size_rule": "native"}), ({"do_normalize": False}, {"mean": [0.0] * 3, "std": [255.0] * 3}),
    ({"do_rescale": False, "image_mean": [1, 2, 3], "image_std": [4, 5, 6]}, {"mean": [1, 2, 3], "std": [4, 5, 6]}),
])  # fmt: skip
def test_hugging_face_preprocessor(change, wanted, tmp_path):
    _, texts = converted(tmp_path, folder(tmp_path / "model", model_of("hf"), preprocessor={**NEW, **change}))
    assert {name: texts["preprocessing"][name] for name in wanted} == wanted


def test_hugging_face_preprocessor_leaves_out_what_is_usual(tmp_path):
    _, texts = converted(tmp_path, folder(tmp_path / "model", model_of("hf"), preprocessor={"size": 64}))
    assert texts["preprocessing"]["mean"] == [123.675, 116.28, 103.53] and texts["config"]["input_size"] == [64, 64]


def test_class_names_with_gaps(tmp_path, capsys):
    """The weights say how many classes there are; --labels stands in for names that can't be used."""
    names = {"0": "sky", "3": 7}
    _, texts = converted(tmp_path, folder(tmp_path / "gaps", model_of("hf"), preprocessor=NEW, id2label=names))
    assert [c["name"] for c in texts["labels"]["classes"]] == ["sky", "class 1", "class 2", "7", "class 4"]
    assert "no name for 1, 2, 4" in capsys.readouterr().err
    source = folder(tmp_path / "from1", model_of("hf"), preprocessor=NEW, id2label={str(i + 1): "n" for i in range(5)})
    assert convert.main([str(source), "-o", str(tmp_path / "o")]) == 1
    error = capsys.readouterr().err
    assert "expected keys in 0..4" in error and "got 5" in error and "--labels" in error and error.count("from1") == 1
    classes = [{"name": f"own {i}", "color": [i, 0, 0]} for i in range(5)]
    (tmp_path / "labels.json").write_text(json.dumps({"name": "own", "ignore_label": 255, "classes": classes}))
    _, texts = converted(tmp_path, source, "--labels", str(tmp_path / "labels.json"))
    assert texts["labels"]["classes"][4]["name"] == "own 4"


# Weights in several files


def sharded_files(path, kind, parts=3):
    """The weights `kind` of a folder as several files, as save_pretrained(max_shard_size=...) writes them."""
    whole = path / kind
    state = (
        torch.load(whole)
        if kind.endswith(".bin")
        else {k: torch.tensor(v) for k, v in safetensors.read(whole)[0].items()}
    )
    whole.unlink()
    names, places = sorted(state), {}
    stem, _, end = kind.rpartition(".")
    for i in range(parts):
        file = f"{stem}-{i + 1:05}-of-{parts:05}.{end}"
        part = {name: state[name] for name in names[i::parts]}
        places.update(dict.fromkeys(part, file))
        if end == "bin":
            torch.save(part, path / file)
        else:
            safetensors.write(path / file, {k: v.numpy() for k, v in part.items()}, {"format": "pt"})
    (path / f"{kind}.index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return path


def sharded(path, model, kind="model.safetensors"):
    return sharded_files(folder(path, model, kind, preprocessor=NEW), kind)


@pytest.mark.parametrize("kind", ["model.safetensors", "pytorch_model.bin"])
def test_weights_in_several_files(kind, tmp_path):
    model = model_of("hf")
    source = sharded(tmp_path / "model", model, kind)
    tensors, texts = converted(tmp_path, source)
    check(model, tensors, texts)
    files = sorted(p for p in source.iterdir() if "-of-" in p.name)
    whole = hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()
    assert texts["provenance"]["source_sha256"] == whole


def test_weights_in_several_files_that_do_not_fit(tmp_path, capsys):
    source = sharded(tmp_path / "model", model_of("hf"))
    index = source / "model.safetensors.index.json"
    value = json.loads(index.read_text())
    second = source / "model-00002-of-00003.safetensors"
    bias = "decode_head.classifier.bias"

    def error(places):
        index.write_text(json.dumps({"weight_map": places}))
        assert convert.main([str(source), "-o", str(tmp_path / "o")]) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    places = value["weight_map"]
    other = next(name for name in places.values() if name != places[bias])
    assert f"{other}: has no '{bias}'" in error({**places, bias: other})
    for outside in ("../model.safetensors", "/etc/passwd", "..", "", 7):
        assert f"'{bias}': expected the name of a file beside it" in error({**places, bias: outside})
    assert "weight_map" in error({}) and "weight_map" in error([1])
    twice = safetensors.read(source / places[bias])[0]
    safetensors.write(source / "more.safetensors", twice, {})
    assert "another of the files has too" in error({**places, next(n for n in twice if n != bias): "more.safetensors"})
    second.unlink()
    assert f"'{second.name}'" in error(places)
    index.write_text("{")
    assert convert.main([str(source), "-o", str(tmp_path / "o")]) == 1
    assert index.name in capsys.readouterr().err


def test_folders_that_are_something_else(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for name, word in (("config.json", "config.json"), ("model.safetensors", "model.safetensors")):
        assert convert.main([str(tmp_path / "empty"), "-o", str(tmp_path / "o")]) == 1
        assert word in capsys.readouterr().err
        (tmp_path / "empty" / name).write_text('{"model_type": "segformer"}')
    (tmp_path / "empty" / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert convert.main([str(tmp_path / "empty"), "-o", str(tmp_path / "o")]) == 1
    assert "git lfs pull" in capsys.readouterr().err


@pytest.mark.parametrize("files, word", [
    (["adapter_config.json", "adapter_model.safetensors"], "merge_and_unload"),
    (["config.json", "adapter_config.json"], "merge_and_unload"),
    (["config.json", "tf_model.h5"], "from_tf"), (["config.json", "flax_model.msgpack"], "from_flax"),
    (["config.json", "onnx/model.onnx"], "ONNX"), (["snapshots/f00/config.json"], "'snapshots/f00'"),
    (["checkpoint-500/config.json"], "'checkpoint-500'"),
])  # fmt: skip
def test_folders_without_weights_say_what_they_have(files, word, tmp_path, capsys):
    for file in files:
        (tmp_path / "model" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / file).write_text('{"model_type": "segformer"}')
    assert convert.main([str(tmp_path / "model"), "-o", str(tmp_path / "o")]) == 1
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1


def test_a_variant_of_the_weights(tmp_path, capsys):
    model = model_of("hf")
    source = folder(tmp_path / "model", model, dtype=torch.float16, preprocessor=NEW)
    (source / "model.safetensors").rename(source / "model.fp16.safetensors")
    tensors, texts = converted(tmp_path, source)
    check(model, tensors, texts, exact=False)
    assert "takes model.fp16.safetensors" in capsys.readouterr().err


# -- OpenMMLab -------------------------------------------------------------------------------------------------------


def foreign(name, **attributes):
    """An object of a class that is gone when the file is read."""
    module, _, kind = name.rpartition(".")
    for i in range(module.count(".") + 1):
        part = ".".join(module.split(".")[: i + 1])
        sys.modules.setdefault(part, types.ModuleType(part))
    made = type(kind, (), {"__module__": module})
    setattr(sys.modules[module], kind, made)
    out = made()
    out.__dict__.update(attributes)
    return out


def test_openmmlab_1(tmp_path, heads):
    model = model_of("mmseg")
    optimizer = torch.optim.AdamW(model.parameters())
    sum(p.sum() for p in model.parameters()).backward()
    optimizer.step()
    model = model_of("mmseg")
    history = foreign("mmengine.logging.history_buffer.HistoryBuffer", _log_history=np.arange(4.0), _max_length=9)
    value = {
        "meta": {"epoch": 1, "iter": 2, "cfg": "model = dict()", "mmengine_version": "0.7", "time": "now",
                 "dataset_meta": {"classes": ("road", "car", "sky", "tree", "pole"), "reduce_zero_label": True,
                                  "palette": [[i, 2, 3] for i in range(5)]}},
        "state_dict": in_naming(model, "mmseg"), "optimizer": optimizer.state_dict(), "param_schedulers": [{"a": 1}],
        "message_hub": {"log_scalars": {"train/lr": history}, "runtime_info": {"iter": 3}, "resumed_keys": {}},
    }  # fmt: skip
    try:
        torch.save(value, tmp_path / "iter.pth")
    finally:
        for name in [n for n in sys.modules if n.split(".")[0] == "mmengine"]:
            del sys.modules[name]
    tensors, texts = converted(tmp_path, tmp_path / "iter.pth", *heads, "--protocol", "ade20k")
    check(model, tensors, texts)
    assert texts["labels"]["classes"][3] == {"name": "tree", "color": [3, 2, 3]}
    assert texts["labels"]["annotation_offset"] == 1
    assert texts["preprocessing"]["fit"] == [2048, 512] and texts["preprocessing"]["label_map"] == "two_step"


def test_openmmlab_0(tmp_path, heads, capsys):
    model = model_of("mmseg", 7, classifier="offset_learning")
    state = {f"module.{k}": v for k, v in in_naming(model, "mmseg").items()}
    meta = {"CLASSES": [f"c{i}" for i in range(7)], "PALETTE": [[i, i, i] for i in range(7)], "mmseg_version": "0.24",
            "config": "norm_cfg = dict()"}  # fmt: skip
    torch.save({"meta": meta, "state_dict": state}, tmp_path / "latest.pth", _use_new_zipfile_serialization=False)
    tensors, texts = converted(tmp_path, tmp_path / "latest.pth", *heads)
    check(model, tensors, texts)
    assert texts["config"]["head"]["classifier"] == "offset_learning"
    assert texts["labels"]["classes"][6] == {"name": "c6", "color": [6, 6, 6]}
    assert "--protocol" in capsys.readouterr().err  # the file does not say how images are prepared


# -- the authors' ------------------------------------------------------------------------------------------------------


def test_nvlabs(tmp_path, heads):
    model = model_of("nvlabs")
    state = {**in_naming(model, "nvlabs"), "decode_head.conv_seg.weight": torch.zeros(5, 128, 1, 1),
             "decode_head.conv_seg.bias": torch.zeros(5)}  # fmt: skip
    torch.save({"meta": {}, "state_dict": state}, tmp_path / "segformer.b0.pth")
    tensors, texts = converted(tmp_path, tmp_path / "segformer.b0.pth", *heads)
    check(model, tensors, texts)
    assert (
        texts["config"]["head"]["projection"] == "linear" and texts["config"]["backbone"]["reduction_norm_eps"] == 1e-5
    )


def test_nvlabs_imagenet_encoder(tmp_path, heads):
    model = model_of("nvlabs", 9, type="classifier")
    bare = {k[9:] if k.startswith("backbone.") else k: v for k, v in in_naming(model, "nvlabs").items()}
    assert "patch_embed1.proj.weight" in bare and "head.weight" in bare
    torch.save(bare, tmp_path / "mit_b0.pth")
    tensors, texts = converted(tmp_path, tmp_path / "mit_b0.pth", *heads)
    check(model, tensors, texts)


@pytest.mark.parametrize("classes, naming, head, wanted", [
    (150, "mmseg", {}, {"resize": "opencv", "size_rule": "fit", "fit": [2048, 512], "mode": "whole",
                        "label_map": "two_step"}),
    (150, "nvlabs", {"projection": "linear"}, {"resize": "opencv", "size_rule": "fit", "fit": [2048, 512],
                                               "divisor": 32,
                                               "mode": "whole", "label_map": "two_step"}),
    (150, "mmseg", {"classifier": "offset_learning"}, {"resize": "opencv", "size_rule": "fit", "fit": [2048, 512],
     "mode": "slide", "window": [512, 512], "stride": [480, 480], "label_map": "two_step"}),
    (19, "mmseg", {}, {"resize": "opencv", "size_rule": "native", "mode": "slide", "window": [1024, 1024],
                       "stride": [768, 768], "label_map": "two_step"}),
    (33, "mmseg", {}, {"resize": "bilinear", "label_map": "direct"}),
])  # fmt: skip
def test_protocols(classes, naming, head, wanted, tmp_path, heads):
    torch.save(in_naming(model_of(naming, classes, **head), naming), tmp_path / "m.pth")
    _, texts = converted(tmp_path, tmp_path / "m.pth", *heads)
    assert {k: v for k, v in texts["preprocessing"].items() if k not in ("mean", "std", "channel_order")} == wanted
    assert texts["labels"]["annotation_offset"] == (1 if classes == 150 else 0)


# -- recorded networks, and what does not fit --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["segformer", "segformer-offset", "segformer-hf"])
def test_recorded_networks(name, shared_golden, tmp_path):
    tensors, texts = converted(tmp_path, shared_golden / f"{name}.safetensors", "--prefix", "weights.")
    check(loading.load(shared_golden / f"{name}.safetensors", prefix="weights.").model, tensors, texts)
    assert texts["preprocessing"]["resize"] == "bilinear"


def test_what_does_not_fit_is_named_in_the_files_own_words(tmp_path, heads, capsys):
    def error(change, naming="hf"):
        state = in_naming(model_of(naming), naming)
        change(state)
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "m.pth")
        assert convert.main([str(tmp_path / "m.pth"), "-o", str(tmp_path / "o"), *heads]) == 1
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        return text

    key = "segformer.encoder.block.2.0.attention.self.key.bias"
    assert f"'{key}'" in error(lambda s: s.pop(key))
    assert f"nearest there is 'module.{key}s'" in error(lambda s: s.update({f"{key}s": s.pop(key)}))
    assert "'module.surplus.weight'" in error(lambda s: s.update({"surplus.weight": torch.ones(2)}))
    assert "is [3]" in error(lambda s: s.update({key: torch.ones(3)}))
    assert "not finite" in error(lambda s: s[key].fill_(float("nan")))
    kv = "backbone.block3.1.attn.kv.weight".replace("3.1", "2.1")
    assert f"'module.{kv}' is [4, 6]" in error(lambda s: s.update({kv: torch.ones(4, 6)}), "nvlabs")
    encoder = error(lambda s: [s.pop(k) for k in list(s) if k.startswith("decode_head")], "mmseg")
    assert "encoder only" in encoder and "decode_head.fusion_conv.conv.weight" in encoder
    torch.save(in_naming(model_of("mmseg"), "mmseg"), tmp_path / "m.pth")
    assert convert.main([str(tmp_path / "m.pth"), "-o", str(tmp_path / "o")]) == 1
    assert "heads" in capsys.readouterr().err  # shapes can't tell
    assert convert.main([str(tmp_path / "m.pth"), "-o", str(tmp_path / "o"), "--config", "segformer-b9"]) == 1
    assert "segformer-b0" in capsys.readouterr().err
    assert convert.main([str(tmp_path / "m.pth"), "-o", str(tmp_path / "o"), "--config", "lemore-camvid"]) == 1
    assert "another" in capsys.readouterr().err


def test_b0_needs_no_configuration(tmp_path):
    """The published widths tell the head counts."""
    model = segformer.SegFormer(segformer.Config(num_classes=19))
    torch.save({"state_dict": in_naming(model, "mmseg")}, tmp_path / "b0.pth")
    tensors, texts = converted(tmp_path, tmp_path / "b0.pth")
    check(model, tensors, texts)
    again, _ = converted(tmp_path, tmp_path / "b0.pth", "--config", "segformer-b0")
    assert all(np.array_equal(again[k], tensors[k]) for k in tensors)


def test_named_configurations():
    for name, depths in (("b0", (2, 2, 2, 2)), ("b3", (3, 4, 18, 3)), ("b5", (3, 6, 40, 3))):
        config = loading.configuration(f"segformer-{name}", 7)
        assert isinstance(config, segformer.Config) and config.depths == depths and config.num_classes == 7
    assert loading.configuration("lemore-camvid").num_classes == 11
    assert loading.configuration("lemore", 4).num_classes == 4


def test_a_training_starts_from_any_of_them(tmp_path):
    """A Hugging Face folder for other classes; a classifier's encoder for a segmentation network."""
    trained = model_of("hf")
    source = folder(tmp_path / "model", trained, preprocessor=NEW)
    config = loading.configuration_of(source, classes=3)
    assert config.num_classes == 3 and config.projection == "linear" and config.head_channels == 10
    fresh = segformer.SegFormer(config)
    assert "classifier anew" in starting.initialise(fresh, source)
    assert torch.equal(fresh.decode_head.fusion_conv.conv.weight, trained.decode_head.fusion_conv.conv.weight)
    encoder = model_of("nvlabs", 9, type="classifier")
    torch.save(in_naming(encoder, "nvlabs"), tmp_path / "mit.pth")
    assert "encoder only" in starting.initialise(fresh, tmp_path / "mit.pth")
    assert torch.equal(fresh.backbone.layers[2][0].norm.weight, encoder.backbone.layers[2][0].norm.weight)
