#!/usr/bin/env python3
"""Writes the SegFormers that bench/report/segformer compares: random weights, each as an ONNX file and as ours.

segformer_models.py FOLDER, with the packages of requirements.txt. `hf` networks are the real module of
transformers, `mmseg` ones the plain module of tools/lemore_torch; both leave through torch.onnx as people export
them, to the logits and to the label map at the input's size. NAME-folded.onnx is the same network with the head's
fusion applied before the resize, by hand: what nobody's exporter does, and lemore does.
"""

import os
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import convert
import export_onnx
from lemore_torch.networks import segformer

CLASSES = 150
SIZE = (512, 512)
B2 = {"channels": [64, 128, 320, 512], "depths": [3, 4, 6, 3]}
# name: the encoder where it is not B0, whether it is transformers' module
NETWORKS = {"segformer-b0-hf": ({}, True), "segformer-b0-mmseg": ({}, False), "segformer-b2-hf": (B2, True)}


def randomise(model):
    """Weights that keep values in range through any depth, and norms that do something."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
            if not tensor.is_floating_point():
                continue
            values = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
                tensor.copy_(1 + 0.1 * values.abs())
            elif tensor.dim() == 1:
                tensor.copy_(0.1 * values)
            else:
                tensor.copy_(values / tensor[0].numel() ** 0.5)
    return model.float().eval()


def transformers_model(encoder):
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    wide = {"decoder_hidden_size": 768} if encoder else {}
    names = {i: f"class {i}" for i in range(CLASSES)}
    config = SegformerConfig(
        hidden_sizes=encoder.get("channels", [32, 64, 160, 256]),
        depths=encoder.get("depths", [2, 2, 2, 2]),
        id2label=names,
        label2id={name: i for i, name in names.items()},
        **wide,
    )
    return randomise(SegformerForSemanticSegmentation(config))


def lemore_torch_model(encoder):
    config = segformer.Config.from_json(
        {"input_size": list(SIZE), "num_classes": CLASSES, "backbone": {"type": "mit", **encoder}}
    )
    return randomise(segformer.Model(config))


class Logits(torch.nn.Module):
    """transformers' module without the dictionary around its result."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image):
        return self.model(pixel_values=image).logits


class Folded(torch.nn.Module):
    """mmseg's head with each stage's block of the fusion at the stage's own size."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        head = model.decode_head
        weight, channels = head.fusion_conv.conv.weight.detach(), head.fusion_conv.conv.weight.shape[0]
        self.blocks = torch.nn.ParameterList(weight[:, i * channels : (i + 1) * channels].clone() for i in range(4))

    def forward(self, image):
        head, features = self.model.decode_head, self.model.backbone(image)
        size, total = features[0].shape[2:], None
        for feature, conv, block in zip(features, head.convs, self.blocks):
            part = F.conv2d(conv(feature), block)
            if part.shape[2:] != size:
                part = F.interpolate(part, size, mode="bilinear", align_corners=False)
            total = part if total is None else total + part
        return head.conv_seg(F.relu(head.fusion_conv.bn(total)))


def make(folder, name):
    encoder, is_hf = NETWORKS[name]
    torch.manual_seed(1)
    forms = {}
    if is_hf:
        model = transformers_model(encoder)
        source = folder / name
        model.save_pretrained(source)
        forms[name] = Logits(model)
    else:
        model = lemore_torch_model(encoder)
        source = folder / f"{name}.pth"
        torch.save({"state_dict": model.state_dict(), "config": model.config.to_json()}, source)
        forms = {name: model, f"{name}-folded": Folded(model)}
    image = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        plain, *others = (module(image) for module in forms.values())
        for other in others:
            assert (other - plain).abs().max() <= 1e-4 * plain.abs().max(), (
                f"{name}: the folded form is another network"
            )
    for form, module in forms.items():
        for output in ("logits", "labels"):
            export_onnx.export(module, SIZE, folder / f"{form}-{output}.onnx", output == "labels")
    return convert.main([str(source), "-o", str(folder / f"{name}.safetensors")])


def main(folder):
    folder = Path(folder)
    os.makedirs(folder, exist_ok=True)
    return max(make(folder, name) for name in NETWORKS)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
