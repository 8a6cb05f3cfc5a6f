"""For tests that hold `lemore` against the library that a network comes from: random weights, pictures, and what
may differ."""

import json

import numpy as np
from cpp import lemore
from PIL import Image

import convert
from lemore_torch import networks, safetensors

import torch
import torch.nn.functional as F

# How far the library's own float32 is from float64 in the recorded networks, largest difference over largest value.
FLOAT32_ERROR = {"hf": 2.1e-6, "mmseg": 3.1e-6}


def randomise(model, seed, size=(64, 64), run=None):
    """Weights of about the scale that training leaves, norms that do something. `run(image)` is one pass."""
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor, scale):
        tensor.copy_(scale * torch.randn(tensor.shape, generator=generator))

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                normal(module.weight, module.weight[0].numel() ** -0.5)
                if module.bias is not None:
                    normal(module.bias, 0.3)
            elif isinstance(module, torch.nn.MultiheadAttention):
                normal(module.in_proj_weight, module.embed_dim**-0.5)
                normal(module.in_proj_bias, 0.3)
            elif isinstance(module, (torch.nn.LayerNorm, torch.nn.BatchNorm2d)):
                module.weight.copy_(0.7 + 0.6 * torch.rand(module.weight.shape, generator=generator))
                normal(module.bias, 0.3)
                module.momentum = 1.0
        model.train()
        (run or model)(torch.randn(2, 3, *size, generator=generator))
    return model.eval()


def picture(path, height, width, seed):
    """Smooth shades, hard edges and noise, written to `path`; uint8 [h, w, 3]."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(y / generator.uniform(3, 30) + x / generator.uniform(3, 30) + c) for c in range(3)]
    image = np.stack(waves, 2) + generator.normal(0, 10, (height, width, 3))
    image[height // 3 : height // 2, width // 4 : width // 2] = generator.uniform(0, 255, 3)
    pixels = image.clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def converted(source, out, *options):
    """The weight file that convert.py makes, and what its metadata says."""
    assert convert.main([str(source), "-o", str(out), *map(str, options)]) == 0
    return {key: json.loads(text) for key, text in safetensors.read(out)[1].items() if text.startswith("{")}


def assert_logits(weights, x, wanted, tolerance, folder):
    """`lemore compare` on a recording of the library's own input and logits (float64)."""
    metadata = {"format": "lemore-dump", "architecture": networks.segformer.NAME}
    safetensors.write(folder / "dump.safetensors",
                      {"input": x.float().numpy(), "output": wanted.float().numpy()}, metadata)  # fmt: skip
    lemore("compare", "-m", weights, "--reference", folder / "dump.safetensors", "--rtol", tolerance, "--free-running")


def relative(actual, wanted):
    return float(np.abs(np.asarray(actual) - np.asarray(wanted)).max() / np.abs(np.asarray(wanted)).max())


def assert_run(weights, image, wanted, resized, tolerance, folder, logits=True):
    """`lemore run` on a picture gives the library's logits (`wanted`) and, but for ties, the label map of the
    logits that the library has at the picture's size (`resized`, [classes, h, w])."""
    kinds = "labels,npy" if logits else "labels"
    lemore("run", "-m", weights, image, "-o", f"{folder}/", "--emit", kinds)
    if logits:
        assert relative(np.load(folder / f"{image.stem}.logits.npy"), wanted) <= tolerance
    labels = torch.from_numpy(np.array(Image.open(folder / f"{image.stem}.labels.png")).astype(np.int64))
    assert labels.shape == resized.shape[1:]
    behind = resized.max(0).values - resized.gather(0, labels[None])[0]  # 0 where the label is the first maximum
    assert float(behind.max()) <= 2 * tolerance * float(resized.abs().max())
    assert float((labels != resized.argmax(0)).float().mean()) < 1e-3


def resized(logits, size):
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)
