"""SegFormer (Xie et al., NeurIPS 2021): the MiT encoder, the all-MLP head in its three forms, OffSeg's offset
learning, and MiT's ImageNet classifier. Parameters are named as MMSegmentation's state dict; the names of Hugging
Face and of the authors' repository are translated by sources().
"""

import re
from dataclasses import dataclass
from typing import Callable, ClassVar, Dict, List, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .. import fields
from ..folding import batch_norm

NAME = "segformer"
NAMINGS = ("mmseg", "hf", "hf5", "nvlabs")  # hf5: the module of transformers 5, which writes files of naming hf
STAGES = 4
MAX_STEP = 64  # of reductions, MLP ratios, patch sizes, strides


@dataclass
class Config:
    """Defaults are MiT-B0 with MMSegmentation's head, for 512x512 and 150 classes."""

    input_size: Tuple[int, int] = (512, 512)
    num_classes: int = 150
    channels: Tuple[int, ...] = (32, 64, 160, 256)
    depths: Tuple[int, ...] = (2, 2, 2, 2)
    heads: Tuple[int, ...] = (1, 2, 5, 8)
    reductions: Tuple[int, ...] = (8, 4, 2, 1)
    mlp_ratios: Tuple[int, ...] = (4, 4, 4, 4)
    patch_sizes: Tuple[int, ...] = (7, 3, 3, 3)
    strides: Tuple[int, ...] = (4, 2, 2, 2)
    norm_eps: float = 1e-6
    patch_norm_eps: float = 1e-6
    reduction_norm_eps: float = 1e-6
    head: str = "segformer"  # or "classifier"
    head_channels: int = 256
    projection: str = "conv_bn_relu"  # or "linear"
    classifier: str = "linear"  # or "offset_learning"

    LISTS: ClassVar = ("channels", "depths", "heads", "reductions", "mlp_ratios", "patch_sizes", "strides")
    EPS: ClassVar = ("norm_eps", "patch_norm_eps", "reduction_norm_eps")

    @property
    def outputs(self) -> int:
        return self.num_classes

    @property
    def is_classifier(self) -> bool:
        return self.head == "classifier"

    def to_json(self) -> dict:
        backbone = {"type": "mit", **{name: list(getattr(self, name)) for name in self.LISTS}}
        backbone.update({name: getattr(self, name) for name in self.EPS})
        head = {"type": self.head}
        if not self.is_classifier:
            head.update(channels=self.head_channels, projection=self.projection, classifier=self.classifier)
        return {
            "input_size": list(self.input_size),
            "num_classes": self.num_classes,
            "backbone": backbone,
            "head": head,
        }

    @staticmethod
    def from_json(value) -> "Config":
        """Strict: unknown fields and wrong types are errors, absent fields take the default."""
        default = Config()
        v = fields.check_object(value, "config", ("input_size", "num_classes", "backbone", "head"))
        backbone = fields.check_object(v.get("backbone", {}), "config.backbone", ("type", *Config.LISTS, *Config.EPS))
        head = fields.check_object(v.get("head", {}), "config.head", ("type", "channels", "projection", "classifier"))
        fields.one_of(backbone.get("type", "mit"), "config.backbone.type", ("mit",))
        kind = fields.one_of(head.get("type", "segformer"), "config.head.type", ("segformer", "classifier"))
        if kind == "classifier":
            fields.check_object(head, "config.head", ("type",))
        most = {"channels": fields.MAX_CHANNELS, "depths": fields.MAX_LAYERS}

        def four(name):
            values = backbone.get(name, list(getattr(default, name)))
            return fields.integers(values, f"config.backbone.{name}", STAGES, 1, most.get(name, MAX_STEP))

        c = Config(
            fields.integers(v.get("input_size", list(default.input_size)), "config.input_size", 2, 1, fields.MAX_SIZE),
            fields.integer(v.get("num_classes", default.num_classes), "config.num_classes", 1,
                           fields.MAX_CLASSIFIER_CLASSES if kind == "classifier" else fields.MAX_CLASSES),
            *(four(name) for name in Config.LISTS),
            *(fields.number(backbone.get(name, getattr(default, name)), f"config.backbone.{name}", 1e-12, 1)
              for name in Config.EPS),
            kind,
            fields.integer(head.get("channels", default.head_channels), "config.head.channels", 1, fields.MAX_CHANNELS),
            fields.one_of(head.get("projection", default.projection), "config.head.projection",
                          ("conv_bn_relu", "linear")),
            fields.one_of(head.get("classifier", default.classifier), "config.head.classifier",
                          ("linear", "offset_learning")),
        )  # fmt: skip
        for s in range(STAGES):
            if c.channels[s] % c.heads[s]:
                fields.fail(f"config.backbone.channels[{s}]", f"a multiple of heads ({c.heads[s]})", c.channels[s])
            if c.patch_sizes[s] % 2 == 0:
                fields.fail(f"config.backbone.patch_sizes[{s}]", "an odd number", c.patch_sizes[s])
            fields.at_most(f"config.backbone: channels x mlp_ratios of stage {s}", c.channels[s] * c.mlp_ratios[s])
        fields.integers(list(c.input_size), "config.input_size", 2, min_input(c), fields.MAX_SIZE)
        fields.check_weight_bytes(weight_floats(c))
        return c


def weight_floats(c: Config) -> int:
    """How many values the inference form has, padding of panels not counted."""
    total, before = 0, 3
    for s in range(STAGES):
        n, r, wide = c.channels[s], c.reductions[s], c.channels[s] * c.mlp_ratios[s]
        block = 4 * n * n + 2 * n + 2 * n * wide + wide + n + 10 * wide + (n * n * r * r + n if r > 1 else 0)
        total += before * n * c.patch_sizes[s] ** 2 + n + 4 * n + c.depths[s] * block
        before = n
    if c.is_classifier:
        return total + before * c.num_classes + c.num_classes
    e, k = c.head_channels, c.num_classes
    if c.projection == "linear":
        total += sum(c.channels) * e
    else:
        total += sum(c.channels) * e + 4 * e + 4 * e * e
    return total + e + (e * k + k if c.classifier == "linear" else k * e + 2 * e * e + 2 * k)


# -- the module ----------------------------------------------------------------------------------------------------


def _f64(parameter):
    return parameter.detach().double().numpy()


class Kept(nn.Module):
    """A module that hands out its stages: `keep(name, map)` is called with each, and does nothing unless it is set."""

    @staticmethod
    def keep(_name, _map):
        pass


class PatchEmbed(nn.Module):
    def __init__(self, in_c, out_c, kernel, stride, eps):
        super().__init__()
        self.projection = nn.Conv2d(in_c, out_c, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(out_c, eps=eps)

    def forward(self, x):
        """[n, c, h, w] to tokens [n, h' * w', c'] and (h', w')."""
        x = self.projection(x)
        return self.norm(x.flatten(2).transpose(1, 2)), x.shape[2:]


class SelfAttention(nn.Module):
    """Named as torch's MultiheadAttention; its keys and values come from other tokens than its queries."""

    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * channels))
        self.out_proj = nn.Linear(channels, channels)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x, z):
        def per_head(t):  # [n, tokens, c] -> [n, heads, tokens, c / heads]
            return t.reshape(t.shape[0], t.shape[1], self.heads, -1).transpose(1, 2)

        wq, wk, wv = self.in_proj_weight.chunk(3)
        bq, bk, bv = self.in_proj_bias.chunk(3)
        q, k, v = per_head(F.linear(x, wq, bq)), per_head(F.linear(z, wk, bk)), per_head(F.linear(z, wv, bv))
        attention = torch.softmax(q @ k.transpose(2, 3) * q.shape[-1] ** -0.5, dim=-1)
        return self.out_proj((attention @ v).transpose(1, 2).flatten(2))


class EfficientAttention(nn.Module):
    def __init__(self, channels, heads, reduction, eps):
        super().__init__()
        self.attn = SelfAttention(channels, heads)
        self.reduction = reduction
        if reduction > 1:
            self.sr = nn.Conv2d(channels, channels, reduction, reduction)
            self.norm = nn.LayerNorm(channels, eps=eps)

    def forward(self, x, size):
        z = x
        if self.reduction > 1:
            z = self.sr(x.transpose(1, 2).reshape(x.shape[0], x.shape[2], *size))
            z = self.norm(z.flatten(2).transpose(1, 2))
        return self.attn(x, z)


class MixFFN(nn.Module):
    def __init__(self, channels, wide):
        super().__init__()
        depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        depthwise.depthwise = True
        self.layers = nn.Sequential(nn.Conv2d(channels, wide, 1), depthwise, nn.GELU(), nn.Identity(),
                                    nn.Conv2d(wide, channels, 1))  # fmt: skip

    def forward(self, x, size):
        y = self.layers(x.transpose(1, 2).reshape(x.shape[0], x.shape[2], *size))
        return y.flatten(2).transpose(1, 2)


class Block(nn.Module):
    def __init__(self, channels, heads, reduction, ratio, eps, reduction_eps):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=eps)
        self.attn = EfficientAttention(channels, heads, reduction, reduction_eps)
        self.norm2 = nn.LayerNorm(channels, eps=eps)
        self.ffn = MixFFN(channels, channels * ratio)

    def forward(self, x, size):
        x = x + self.attn(self.norm1(x), size)
        return x + self.ffn(self.norm2(x), size)

    def fold(self, writer, name):
        """The affine parts of the norms go into what follows them, the softmax scale into the queries; the keys' bias
        adds the same to all scores of a query and is dropped; the values' bias passes through the attention, whose
        rows sum to 1, into the output's."""
        attn, attn_name = self.attn.attn, f"{name}.attn.attn"
        wq, wk, wv = np.split(_f64(attn.in_proj_weight), 3)
        bq, _, bv = np.split(_f64(attn.in_proj_bias), 3)
        gain, shift = _f64(self.norm1.weight), _f64(self.norm1.bias)
        scale = (wq.shape[0] // attn.heads) ** -0.5
        writer.panels(f"{attn_name}.q", wq * gain * scale, (bq + wq @ shift) * scale)
        if self.attn.reduction > 1:
            sr, bias = _f64(self.attn.sr.weight), _f64(self.attn.sr.bias)
            bias = bias + np.einsum("oihw,i->o", sr, shift)
            writer.panels(f"{name}.attn.sr", sr * gain[:, None, None], bias)
            gain, shift = _f64(self.attn.norm.weight), _f64(self.attn.norm.bias)
        writer.panels(f"{attn_name}.kv", np.concatenate([wk, wv]) * gain)
        wo, bo = _f64(attn.out_proj.weight), _f64(attn.out_proj.bias)
        writer.panels(f"{attn_name}.out_proj", wo, bo + wo @ (bv + wv @ shift))
        first = self.ffn.layers[0]
        w0 = _f64(first.weight)[:, :, 0, 0]
        writer.panels(f"{name}.ffn.layers.0", w0 * _f64(self.norm2.weight),
                      _f64(first.bias) + w0 @ _f64(self.norm2.bias))  # fmt: skip
        for i in (1, 4):
            writer.conv(f"{name}.ffn.layers.{i}", self.ffn.layers[i])

    def unfold(self, reader, name):
        """Norms without affine parts; biases that were moved stay where they are."""
        attn, attn_name = self.attn.attn, f"{name}.attn.attn"
        channels = attn.out_proj.weight.shape[0]
        scale = (channels // attn.heads) ** -0.5
        q, kv = reader.matrix(f"{attn_name}.q", channels), reader.matrix(f"{attn_name}.kv", 2 * channels)
        reader.put(attn.in_proj_weight, np.concatenate([q / scale, kv]))
        reader.put(attn.in_proj_bias, np.concatenate([reader[f"{attn_name}.q.bias"] / scale, np.zeros(2 * channels)]))
        reader.walk(attn.out_proj, f"{attn_name}.out_proj")
        norms = [self.norm1, self.norm2]
        if self.attn.reduction > 1:
            reader.conv(f"{name}.attn.sr", self.attn.sr)
            norms.append(self.attn.norm)
        for norm in norms:
            reader.put(norm.weight, np.ones(channels))
            reader.put(norm.bias, np.zeros(channels))
        for i in (0, 1, 4):
            reader.conv(f"{name}.ffn.layers.{i}", self.ffn.layers[i])


class MixTransformer(Kept):
    def __init__(self, c: Config):
        super().__init__()
        stages, before = [], 3
        for s in range(STAGES):
            n = c.channels[s]
            blocks = [Block(n, c.heads[s], c.reductions[s], c.mlp_ratios[s], c.norm_eps, c.reduction_norm_eps)
                      for _ in range(c.depths[s])]  # fmt: skip
            embed = PatchEmbed(before, n, c.patch_sizes[s], c.strides[s], c.patch_norm_eps)
            stages.append(nn.ModuleList([embed, nn.ModuleList(blocks), nn.LayerNorm(n, eps=c.norm_eps)]))
            before = n
        self.layers = nn.ModuleList(stages)

    def forward(self, x):
        """The four maps F_0..F_3."""
        out = []
        for s, (embed, blocks, norm) in enumerate(self.layers):

            def as_map(tokens):
                return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], *size)

            tokens, size = embed(x)
            self.keep(f"backbone.stages.{s}.patch", as_map(tokens))
            for j, block in enumerate(blocks):
                tokens = block(tokens, size)
                if j == 0:
                    self.keep(f"backbone.stages.{s}.blocks.0", as_map(tokens))
            x = as_map(norm(tokens))
            self.keep(f"backbone.stages.{s}", x)
            out.append(x)
        return out


class ConvModule(nn.Module):
    """Convolution 1x1, BatchNorm, ReLU; or the convolution alone, with a bias."""

    def __init__(self, in_c, out_c, norm=True):
        super().__init__()
        self.conv = nn.Conv2d(in_c, out_c, 1, bias=not norm)
        if norm:
            self.bn = nn.BatchNorm2d(out_c, eps=1e-5)

    def forward(self, x):
        x = self.conv(x)
        return F.relu(self.bn(x)) if hasattr(self, "bn") else x

    def fold(self, writer, name):
        writer.conv(f"{name}.conv", self.conv, getattr(self, "bn", None))

    def unfold(self, reader, name):
        reader.conv(f"{name}.conv", self.conv, getattr(self, "bn", None))


class OffsetLearning(Kept):
    def __init__(self, channels, classes):
        super().__init__()
        self.cls_repr = nn.Parameter(torch.randn(1, classes, channels) * channels**-0.5)
        self.mask_norm = nn.LayerNorm(classes, eps=1e-5)
        self.cls_offset_proj = nn.Linear(channels, channels, bias=False)
        self.feat_offset_proj = nn.Linear(channels, channels, bias=False)

    def forward(self, x):
        size = x.shape[2:]

        def as_map(pixels):  # [n, pixels, k] -> [n, k, h, w]
            return pixels.transpose(1, 2).reshape(pixels.shape[0], pixels.shape[2], *size)

        e, r = x.flatten(2).transpose(1, 2), self.cls_repr
        affinity = e @ r.transpose(1, 2)
        self.keep("head.offset.affinity", as_map(affinity))
        classes = r + self.cls_offset_proj(torch.softmax(affinity, dim=1).transpose(1, 2) @ e)
        self.keep("head.offset.classes", classes)
        pixels = e + self.feat_offset_proj(torch.softmax(affinity, dim=2) @ r)
        raw = pixels @ classes.transpose(1, 2)
        self.keep("head.offset.raw", as_map(raw))
        return as_map(self.mask_norm(raw))

    def fold(self, writer, name):
        writer.plain(f"{name}.cls_repr", _f64(self.cls_repr)[0])
        writer.children(self, name)

    def unfold(self, reader, name):
        reader.put(self.cls_repr, reader[f"{name}.cls_repr"][None])
        reader.children(self, name)


class Head(Kept):
    def __init__(self, c: Config):
        super().__init__()
        e = c.head_channels
        self.conv_seg = nn.Conv2d(e, c.num_classes, 1)
        self.linear = c.projection == "linear"
        self.convs = nn.ModuleList(ConvModule(n, e, norm=not self.linear) for n in c.channels)
        self.fusion_conv = ConvModule(STAGES * e, e)
        if c.classifier == "offset_learning":
            self.offset_learning = OffsetLearning(e, c.num_classes)

    def forward(self, maps):
        size, resized = maps[0].shape[2:], []
        for s, (conv, x) in enumerate(zip(self.convs, maps)):
            x = conv(x)
            self.keep(f"head.project.{s}", x)
            if x.shape[2:] != size:
                x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
            resized.append(x)
        x = self.fusion_conv(torch.cat(resized, dim=1))
        self.keep("head.fuse", x)
        if not hasattr(self, "offset_learning"):
            return self.conv_seg(x)
        x = F.max_pool2d(x, 2, 2)
        self.keep("head.pool", x)
        return self.offset_learning(x)

    def fold(self, writer, name):
        """The fusion is applied to each stage at its own size: its columns block by block. Where nothing non-linear
        stands between, a stage's projection and its block are one matrix."""
        scale, shift = batch_norm(self.fusion_conv.bn)
        blocks = np.split(_f64(self.fusion_conv.conv.weight)[:, :, 0, 0] * scale[:, None], STAGES, axis=1)
        for s, (block, projection) in enumerate(zip(blocks, self.convs)):
            if self.linear:
                shift = shift + block @ _f64(projection.conv.bias)
                block = block @ _f64(projection.conv.weight)[:, :, 0, 0]
            else:
                writer.walk(projection, f"{name}.convs.{s}")
            writer.panels(f"{name}.fusion_conv.{s}", block)
        writer.plain(f"{name}.fusion_conv.bias", shift)
        if hasattr(self, "offset_learning"):
            writer.walk(self.offset_learning, f"{name}.offset_learning")
        else:
            writer.walk(self.conv_seg, f"{name}.conv_seg")

    def unfold(self, reader, name):
        """In the linear form a stage's projection is its whole matrix, and the fusion adds the four up."""
        e = self.fusion_conv.conv.weight.shape[0]
        blocks = [reader.matrix(f"{name}.fusion_conv.{s}", e) for s in range(STAGES)]
        for s, projection in enumerate(self.convs):
            if self.linear:
                reader.put(projection.conv.weight, blocks[s][:, :, None, None])
                reader.put(projection.conv.bias, np.zeros(e))
                blocks[s] = np.eye(e)
            else:
                reader.walk(projection, f"{name}.convs.{s}")
        reader.put(self.fusion_conv.conv.weight, np.concatenate(blocks, axis=1)[:, :, None, None])
        reader.identity(self.fusion_conv.bn, reader[f"{name}.fusion_conv.bias"])
        if hasattr(self, "offset_learning"):
            reader.walk(self.offset_learning, f"{name}.offset_learning")
        else:
            reader.walk(self.conv_seg, f"{name}.conv_seg")


class SegFormer(nn.Module):
    """Normalised RGB [n, 3, h, w] to logits [n, classes, h/4, w/4] (h/8, w/8 with offset learning), or [n, classes]."""

    HEAD = ("decode_head.", "classifier.")  # what an ImageNet classifier and a segmentation network don't share
    CLASSIFIER = ("decode_head.conv_seg.", "decode_head.offset_learning.cls_repr",
                  "decode_head.offset_learning.mask_norm.", "classifier.")  # fmt: skip

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.backbone = MixTransformer(config)
        if config.is_classifier:
            self.classifier = nn.Linear(config.channels[-1], config.num_classes)
        else:
            self.decode_head = Head(config)

    def forward(self, image):
        maps = self.backbone(image)
        if self.config.is_classifier:
            return self.classifier(maps[-1].mean((2, 3)))
        return self.decode_head(maps)


Model = SegFormer


def run_with_stages(model, image) -> Dict[str, torch.Tensor]:
    """The stages of `model` on `image` by name, in the order they are computed, and 'output'."""
    stages = {}
    kept = [module for module in model.modules() if isinstance(module, Kept)]
    for module in kept:
        module.keep = stages.__setitem__
    try:
        with torch.no_grad():
            output = model.eval()(image)
    finally:
        for module in kept:
            del module.keep
    stages["output"] = output
    return stages


def folded_away(c: Config, stage) -> bool:
    """Whether a stage of the module is none of the inference form: the linear projections are part of the fusion
    there."""
    return c.projection == "linear" and stage.startswith("head.project.")


def min_input(c: Config) -> int:
    """The smallest side that runs: every stage's map must hold one patch of its reduction, the first one the
    pooling's."""
    side = 1
    for s in reversed(range(STAGES)):
        pooling = 2 if s == 0 and c.classifier == "offset_learning" else 1
        side = (max(side, c.reductions[s], pooling) - 1) * c.strides[s] + 1
    return side


def count_macs(c: Config, height: int, width: int) -> int:
    """Convolutions, linear layers and the matrix products of attention and offset learning."""
    total, in_c, sizes, h, w = 0, 3, [], height, width
    for s in range(STAGES):
        k, stride, n, r = c.patch_sizes[s], c.strides[s], c.channels[s], c.reductions[s]
        h, w = ((side + 2 * (k // 2) - k) // stride + 1 for side in (h, w))
        tokens, wide = h * w, n * c.mlp_ratios[s]
        keys = (h // r) * (w // r)
        block = 2 * tokens * n * n + 2 * keys * n * n + 2 * tokens * keys * n + tokens * (2 * n * wide + 9 * wide)
        block += keys * r * r * n * n if r > 1 else 0
        total += tokens * k * k * in_c * n + c.depths[s] * block
        in_c = n
        sizes.append(tokens)
        h0, w0 = (h, w) if s == 0 else (h0, w0)
    if c.is_classifier:
        return total + c.channels[-1] * c.num_classes
    e, k = c.head_channels, c.num_classes
    total += sum(tokens * n * e for tokens, n in zip(sizes, c.channels)) + sizes[0] * STAGES * e * e
    if c.classifier == "linear":
        return total + sizes[0] * e * k
    pixels = (h0 // 2) * (w0 // 2)
    return total + 4 * pixels * k * e + (pixels + k) * e * e


# -- names ---------------------------------------------------------------------------------------------------------

# Canonical parts to those of the other namings, the longest first; {s} counts from 0, {t} from 1.
_PARTS = {
    "hf": (
        (r"^backbone\.layers\.(\d+)\.0\.projection\.", r"segformer.encoder.patch_embeddings.{s}.proj."),
        (r"^backbone\.layers\.(\d+)\.0\.norm\.", r"segformer.encoder.patch_embeddings.{s}.layer_norm."),
        (r"^backbone\.layers\.(\d+)\.2\.", r"segformer.encoder.layer_norm.{s}."),
        (r"^backbone\.layers\.(\d+)\.1\.", r"segformer.encoder.block.{s}."),
        (r"\.norm([12])\.", r".layer_norm_\1."),
        (r"\.attn\.attn\.out_proj\.", ".attention.output.dense."),
        (r"\.attn\.attn\.in_proj_", ".attention.self.in_proj_"),
        (r"\.attn\.sr\.", ".attention.self.sr."),
        (r"\.attn\.norm\.", ".attention.self.layer_norm."),
        (r"\.ffn\.layers\.0\.", ".mlp.dense1."),
        (r"\.ffn\.layers\.1\.", ".mlp.dwconv.dwconv."),
        (r"\.ffn\.layers\.4\.", ".mlp.dense2."),
        (r"^decode_head\.convs\.(\d+)\.conv\.", r"decode_head.linear_c.{s}.proj."),
        (r"^decode_head\.fusion_conv\.conv\.", "decode_head.linear_fuse."),
        (r"^decode_head\.fusion_conv\.bn\.", "decode_head.batch_norm."),
        (r"^decode_head\.conv_seg\.", "decode_head.classifier."),
    ),
    "hf5": (
        (r"^backbone\.layers\.(\d+)\.0\.projection\.", r"segformer.stages.{s}.patch_embeddings.proj."),
        (r"^backbone\.layers\.(\d+)\.0\.norm\.", r"segformer.stages.{s}.patch_embeddings.layer_norm."),
        (r"^backbone\.layers\.(\d+)\.2\.", r"segformer.stages.{s}.layer_norm."),
        (r"^backbone\.layers\.(\d+)\.1\.", r"segformer.stages.{s}.blocks."),
        (r"\.norm1\.", ".layernorm_before."),
        (r"\.norm2\.", ".layernorm_after."),
        (r"\.attn\.attn\.out_proj\.", ".attention.o_proj."),
        (r"\.attn\.attn\.in_proj_", ".attention.in_proj_"),
        (r"\.attn\.sr\.", ".attention.sequence_reduction.sequence_reduction."),
        (r"\.attn\.norm\.", ".attention.sequence_reduction.layer_norm."),
        (r"\.ffn\.layers\.0\.", ".mlp.fc1."),
        (r"\.ffn\.layers\.1\.", ".mlp.dwconv.dwconv."),
        (r"\.ffn\.layers\.4\.", ".mlp.fc2."),
        (r"^decode_head\.convs\.(\d+)\.conv\.", r"decode_head.linear_projections.{s}.proj."),
        (r"^decode_head\.fusion_conv\.conv\.", "decode_head.linear_fuse."),
        (r"^decode_head\.fusion_conv\.bn\.", "decode_head.batch_norm."),
        (r"^decode_head\.conv_seg\.", "decode_head.classifier."),
    ),
    "nvlabs": (
        (r"^backbone\.layers\.(\d+)\.0\.projection\.", r"backbone.patch_embed{t}.proj."),
        (r"^backbone\.layers\.(\d+)\.0\.norm\.", r"backbone.patch_embed{t}.norm."),
        (r"^backbone\.layers\.(\d+)\.2\.", r"backbone.norm{t}."),
        (r"^backbone\.layers\.(\d+)\.1\.", r"backbone.block{t}."),
        (r"\.attn\.attn\.out_proj\.", ".attn.proj."),
        (r"\.attn\.attn\.in_proj_", ".attn.in_proj_"),
        (r"\.ffn\.layers\.0\.", ".mlp.fc1."),
        (r"\.ffn\.layers\.1\.", ".mlp.dwconv.dwconv."),
        (r"\.ffn\.layers\.4\.", ".mlp.fc2."),
        (r"^decode_head\.convs\.(\d+)\.conv\.", r"decode_head.linear_c{t}.proj."),
        (r"^decode_head\.fusion_conv\.", "decode_head.linear_fuse."),
        (r"^decode_head\.conv_seg\.", "decode_head.linear_pred."),
        (r"^classifier\.", "head."),
    ),
}  # fmt: skip


def _translated(name, naming):
    for pattern, to in _PARTS.get(naming, ()):
        found = re.search(pattern, name)
        if found:
            number = int(found[1]) if found.groups() and "{" in to else 0
            name = re.sub(pattern, to.replace("{s}", str(number)).replace("{t}", str(number + 1)), name)
    return name


def _first(arrays):
    return arrays[0]


@dataclass
class Source:
    """Where a canonical tensor comes from: tensors of the file with their shapes, and how they make it."""

    parts: List[Tuple[str, Tuple[int, ...]]]
    make: Callable = _first


_PROJECTIONS = {  # the parts of in_proj, and how many of its thirds each has
    "hf": (("query", 1), ("key", 1), ("value", 1)),
    "hf5": (("q_proj", 1), ("k_proj", 1), ("v_proj", 1)),
    "nvlabs": (("q", 1), ("kv", 2)),
}


def sources(name, shape, naming) -> Source:
    """What the file calls the canonical tensor `name` of `shape`. `naming` may end in '-bare': an encoder whose names
    lack their first part."""
    naming, _, bare = naming.partition("-")
    own = _translated(name, naming)
    first = "segformer." if naming in ("hf", "hf5") else "backbone."
    if bare and own.startswith(first):
        own = own[len(first) :]
    if naming == "mmseg":
        return Source([(own, shape)])
    rows = shape[0] // 3
    tail = name.rsplit("_", 1)[-1]  # weight or bias, of in_proj_weight
    if ".in_proj_" in own:
        stem = own[: own.index("in_proj_")]
        return Source(
            [(f"{stem}{kind}.{tail}", (n * rows, *shape[1:])) for kind, n in _PROJECTIONS[naming]], np.concatenate
        )
    if name == "decode_head.fusion_conv.conv.weight":  # they concatenate the stages from the last to the first
        return Source([(own, shape)], lambda arrays: np.concatenate(np.split(arrays[0], STAGES, axis=1)[::-1], axis=1))
    if re.search(r"\.ffn\.layers\.[04]\.weight$|^decode_head\.convs\.\d\.conv\.weight$", name):
        return Source([(own, shape[:2])], lambda arrays: arrays[0][:, :, None, None])
    return Source([(own, shape)])


_MARKS = {"mmseg": ("backbone.", "layers.0.0.projection.weight"), "nvlabs": ("backbone.", "patch_embed1.proj.weight"),
          "hf": ("segformer.", "encoder.patch_embeddings.0.proj.weight"),
          "hf5": ("segformer.", "stages.0.patch_embeddings.proj.weight")}  # fmt: skip


def recognise(state) -> Optional[str]:
    """The naming of these tensors, or None where they are no SegFormer's."""
    for naming, (first, mark) in _MARKS.items():
        if first + mark in state:
            return naming
        if mark in state:
            return f"{naming}-bare"
    return None


def is_optional(name) -> bool:
    """Canonical tensors that a file may lack: offset learning makes no use of the classifier."""
    return name.startswith("decode_head.conv_seg.")


def is_unused(name, naming) -> bool:
    """Tensors of a file that no form of the network has a use for."""
    return name.startswith("auxiliary_head.") or (naming == "nvlabs" and name.startswith("decode_head.conv_seg."))


def configuration(state, naming, given) -> dict:
    """`given` completed by what names and shapes say. A FieldError says what they can't tell."""
    naming, _, bare = naming.partition("-")
    full = f"{naming}-bare" if bare else naming

    def own(name):
        return sources(name, (3, 1), full).parts[0][0]

    def shape(name):
        return tuple(state[own(name)].shape) if isinstance(state.get(own(name)), np.ndarray) else None

    backbone, head = dict(given.get("backbone", {})), dict(given.get("head", {}))
    out = {**given, "backbone": backbone, "head": head}
    embeds = [shape(f"backbone.layers.{s}.0.projection.weight") for s in range(STAGES)]
    if any(e is None or len(e) != 4 for e in embeds):
        missing = next(s for s, e in enumerate(embeds) if e is None or len(e) != 4)
        raise fields.FieldError(f"has no '{own(f'backbone.layers.{missing}.0.projection.weight')}' of 4 dimensions")
    channels = [e[0] for e in embeds]
    told = {"type": "mit", "channels": channels, "patch_sizes": [e[2] for e in embeds]}
    depths, reductions, ratios = [], [], []
    for s in range(STAGES):
        depth = 0
        while shape(f"backbone.layers.{s}.1.{depth}.norm1.weight") is not None:
            depth += 1
        sr, mlp = (
            shape(f"backbone.layers.{s}.1.0.attn.sr.weight"),
            shape(f"backbone.layers.{s}.1.0.ffn.layers.0.weight"),
        )
        depths.append(depth)
        reductions.append(sr[-1] if sr else 1)
        ratios.append(mlp[0] // channels[s] if mlp and channels[s] else 4)
    told.update(depths=depths, reductions=reductions, mlp_ratios=ratios)
    if channels in ([32, 64, 160, 256], [64, 128, 320, 512]):
        told.update(heads=[1, 2, 5, 8])
    elif "heads" not in backbone:
        raise fields.FieldError(
            f"{naming} SegFormer of {channels} channels: names and shapes can't tell backbone.heads; say it with --config"
        )
    hf = (1e-5, 1e-5, 1e-5)
    eps = {"mmseg": (1e-6, 1e-6, 1e-6), "hf": hf, "hf5": hf, "nvlabs": (1e-6, 1e-5, 1e-5)}[naming]
    told.update(zip(Config.EPS, eps))
    for name, value in told.items():
        backbone.setdefault(name, value)

    classifier = shape("classifier.weight")
    if shape("decode_head.fusion_conv.conv.weight") is None and classifier is not None:
        head.setdefault("type", "classifier")
        out.setdefault("num_classes", classifier[0])
        return out
    if shape("decode_head.fusion_conv.conv.weight") is None:
        raise fields.FieldError(
            f"holds an encoder only: no '{own('decode_head.fusion_conv.conv.weight')}' and no '{own('classifier.weight')}'"
        )
    offset = shape("decode_head.offset_learning.cls_repr")
    linear = naming != "mmseg" or shape("decode_head.convs.0.conv.bias") is not None
    head.setdefault("type", "segformer")
    head.setdefault("channels", shape("decode_head.fusion_conv.conv.weight")[0])
    head.setdefault("projection", "linear" if linear else "conv_bn_relu")
    head.setdefault("classifier", "offset_learning" if offset else "linear")
    classes = offset[1] if offset and len(offset) == 3 else (shape("decode_head.conv_seg.weight") or (0,))[0]
    out.setdefault("num_classes", classes)
    return out
