"""SegFormers that Hugging Face's transformers builds, saves and runs: converted, and held against `lemore`.

One level of one pixel moves the logits far more than the tolerance, so equal logits of a picture mean an equally
prepared input. The prepared pixels themselves are compared too, bit for bit, with the Python reference.
"""

import json

import numpy as np
import pytest
from agreement import FLOAT32_ERROR, assert_logits, assert_run, converted, picture, randomise, relative, resized
from cpp import lemore

from lemore_torch import preparing, safetensors
from test_convert_segformer import sharded_files

import torch

transformers = pytest.importorskip("transformers")
TOLERANCE = 4 * FLOAT32_ERROR["hf"]

SMALL = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 2, 1, 1], "num_attention_heads": [1, 2, 3, 4],
         "decoder_hidden_size": 20, "num_labels": 7}  # fmt: skip
NETWORKS = {
    "small": SMALL,
    "b0-widths": {"depths": [1, 1, 1, 1], "num_labels": 150},
    "ratios": {**SMALL, "mlp_ratios": [2, 4, 1, 3], "sr_ratios": [4, 4, 2, 1], "num_labels": 19,
               "decoder_hidden_size": 33},
    "patches": {**SMALL, "patch_sizes": [5, 3, 3, 3], "strides": [4, 2, 2, 1], "num_attention_heads": [2, 4, 2, 8]},
    "named": {**SMALL, "num_labels": 3, "id2label": {0: "wall", 1: "floor, flooring", 2: "Decke"}},
}  # fmt: skip
OLD = {"do_normalize": True, "do_resize": True, "feature_extractor_type": "SegformerFeatureExtractor",
       "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "reduce_labels": True, "resample": 2,
       "size": 96}  # fmt: skip
SIZES = {"larger.png": (150, 211), "smaller.png": (41, 57), "same.png": (96, 96), "tall.jpg": (260, 33)}


def save(model, path, how):
    """`model` as users have it on disk."""
    if how in ("f16", "bf16"):
        model = model.to({"f16": torch.float16, "bf16": torch.bfloat16}[how])
    model.save_pretrained(path, **({"max_shard_size": "60KB"} if how == "sharded" else {}))
    whole = path / "model.safetensors"
    if how == "sharded":
        assert (path / "model.safetensors.index.json").is_file() and not whole.exists()
    elif how in ("bin", "bin-sharded", "state_dict"):
        state = {name: torch.tensor(array) for name, array in safetensors.read(whole)[0].items()}
        whole.unlink()
        torch.save(model.state_dict() if how == "state_dict" else state, path / "pytorch_model.bin")
        if how == "bin-sharded":
            sharded_files(path, "pytorch_model.bin")


def processor_of(path, style, size=None):
    if style == "old":
        (path / "preprocessor_config.json").write_text(json.dumps(OLD))
    else:
        height, width = size or (64, 96)
        made = transformers.SegformerImageProcessorPil(size={"height": height, "width": width}, do_reduce_labels=True)
        made.save_pretrained(path)
    return transformers.SegformerImageProcessorPil.from_pretrained(path)


@pytest.mark.parametrize("network, how, style", [
    ("small", "safetensors", "new"), ("b0-widths", "bin", "old"), ("ratios", "sharded", "new"),
    ("patches", "bin-sharded", "old"), ("named", "f16", "new"), ("small", "bf16", "old"),
    ("small", "state_dict", "old"),
])  # fmt: skip
def test_segmentation(network, how, style, tmp_path):
    config = transformers.SegformerConfig(**NETWORKS[network])
    saved = randomise(transformers.SegformerForSemanticSegmentation(config), len(network) + len(how))
    folder = tmp_path / "model"
    folder.mkdir()
    save(saved, folder, how)
    processor = processor_of(folder, style)
    model = transformers.SegformerForSemanticSegmentation.from_pretrained(folder, dtype=torch.float32).double().eval()
    texts = converted(folder, tmp_path / "out.safetensors")
    if network == "named":
        assert [c["name"] for c in texts["labels"]["classes"]] == ["wall", "floor, flooring", "Decke"]
    assert texts["labels"]["annotation_offset"] == 1
    for seed, (name, size) in enumerate(SIZES.items()):
        pixels = picture(tmp_path / name, *size, seed)
        if name.endswith(".jpg"):
            pixels = np.array(preparing.Image.open(tmp_path / name))
        prepared = processor(images=pixels, do_rescale=False, do_normalize=False, return_tensors="pt")["pixel_values"]
        ours = torch.from_numpy(pixels).permute(2, 0, 1)
        shape = preparing.target_size(size, texts["config"]["input_size"], texts["preprocessing"])
        assert torch.equal(preparing.resize_image(ours, shape, "pillow"), prepared.float())
        x = processor(images=pixels, return_tensors="pt")["pixel_values"]
        assert relative(preparing.prepare(ours, shape, texts["preprocessing"]), x) < 1e-6
        with torch.no_grad():
            out = model(x.double())
        if seed == 0:
            assert_logits(tmp_path / "out.safetensors", x, out.logits, TOLERANCE, tmp_path)
            nudged = x.double().clone()
            nudged[0, 1, 20, 20] += 1 / 57.12
            with torch.no_grad():
                assert relative(model(nudged).logits, out.logits) > 3 * TOLERANCE
        whole = resized(out.logits, size)[0]
        assert_run(tmp_path / "out.safetensors", tmp_path / name, out.logits[0], whole, TOLERANCE, tmp_path)
        theirs = processor.post_process_semantic_segmentation(out, target_sizes=[size])[0]
        assert torch.equal(theirs, whole.argmax(0))


def test_image_at_its_own_size(tmp_path):
    """do_resize false: the network runs at the picture's size."""
    model = randomise(transformers.SegformerForSemanticSegmentation(transformers.SegformerConfig(**SMALL)), 5)
    model.save_pretrained(tmp_path / "model")
    processor = transformers.SegformerImageProcessorPil(do_resize=False)
    processor.save_pretrained(tmp_path / "model")
    converted(tmp_path / "model", tmp_path / "out.safetensors")
    pixels = picture(tmp_path / "a.png", 77, 131, 6)
    with torch.no_grad():
        logits = model.double()(processor(images=pixels, return_tensors="pt")["pixel_values"].double()).logits
    assert_run(
        tmp_path / "out.safetensors", tmp_path / "a.png", logits[0], resized(logits, (77, 131))[0], TOLERANCE, tmp_path
    )


@pytest.mark.parametrize("how", ["safetensors", "state_dict", "f16"])
def test_classifier(how, tmp_path):
    value = {**SMALL, "num_labels": 12, "id2label": {i: f"kind {i}" for i in range(12)}}
    saved = randomise(transformers.SegformerForImageClassification(transformers.SegformerConfig(**value)), 8)
    folder = tmp_path / "model"
    folder.mkdir()
    save(saved, folder, how)
    processor = processor_of(folder, "old")
    model = transformers.SegformerForImageClassification.from_pretrained(folder, dtype=torch.float32).double().eval()
    texts = converted(folder, tmp_path / "out.safetensors")
    assert texts["config"]["head"] == {"type": "classifier"} and texts["labels"]["classes"][11]["name"] == "kind 11"
    pixels = picture(tmp_path / "a.png", 130, 77, 1)
    x = processor(images=pixels, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        wanted = model(x.double()).logits
    assert_logits(tmp_path / "out.safetensors", x, wanted, TOLERANCE, tmp_path)
    lemore("run", "-m", tmp_path / "out.safetensors", tmp_path / "a.png", "-o", f"{tmp_path}/", "--emit", "npy")
    assert relative(np.load(tmp_path / "a.logits.npy").ravel(), wanted[0]) <= TOLERANCE
