"""LeMoRe (arXiv 2505.23093): its configuration, and the PyTorch module, whose parameters are named as the trained
tensors.

Comments give the paper's term for each part. Everything the paper leaves open is a field of Config.
"""

import math
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .. import fields
from ..folding import batch_norm

NAME = "lemore"
MIN_SIDE = 32  # one pixel at the coarsest scale
VIEWS = ("transverse", "frontal", "lateral")
ATTENTION_KINDS = ("coordinate", "channel", None)


@dataclass
class InvertedResidualConfig:
    expansion: int = 6
    kernel: int = 3


@dataclass
class StageConfig:
    channels: int
    down: InvertedResidualConfig = field(default_factory=InvertedResidualConfig)
    blocks: List[InvertedResidualConfig] = field(default_factory=list)


@dataclass
class NestedConfig:
    enabled: bool = True
    layers: int = 3
    branches: int = 3
    heads: int = 1
    key_dim: int = 48
    value_dim: int = 64


def _default_stages():
    residual = InvertedResidualConfig
    return [
        StageConfig(16),
        StageConfig(40),
        StageConfig(80, blocks=[residual(3, 3)]),
        StageConfig(96, blocks=[residual(6, 5)]),
    ]


@dataclass
class Config:
    """Defaults are the published LeMoRe for 512x512 and 150 classes."""

    input_size: Tuple[int, int] = (512, 512)
    num_classes: int = 150
    stem_channels: int = 16
    stages: List[StageConfig] = field(default_factory=_default_stages)
    views: Tuple[str, ...] = VIEWS
    dilation: int = 2
    attention: Optional[str] = "coordinate"
    skip: bool = True
    token_stride: int = 64
    nested: NestedConfig = field(default_factory=NestedConfig)
    ffn_expansion: int = 2
    fusion_channels: int = 128
    fusion_stride: int = 8
    classes_only: Optional[int] = None

    @property
    def token_channels(self) -> int:
        return sum(stage.channels for stage in self.stages)

    def to_json(self) -> dict:
        def residual(block):
            return {"expansion": block.expansion, "kernel": block.kernel}

        out = {
            "input_size": list(self.input_size),
            "num_classes": self.num_classes,
            "stem_channels": self.stem_channels,
            "stages": [
                {"channels": s.channels, "down": residual(s.down), "blocks": [residual(b) for b in s.blocks]}
                for s in self.stages
            ],
            "views": list(self.views),
            "dilation": self.dilation,
            "attention": self.attention,
            "skip": self.skip,
            "token_stride": self.token_stride,
            "nested": dict(self.nested.__dict__),
            "ffn_expansion": self.ffn_expansion,
            "fusion_channels": self.fusion_channels,
            "fusion_stride": self.fusion_stride,
        }
        if self.classes_only is not None:
            out["classes_only"] = self.classes_only
        return out

    @property
    def outputs(self) -> int:
        """Logits a pixel, or of a classifier."""
        return self.num_classes if self.classes_only is None else self.classes_only

    @property
    def is_classifier(self) -> bool:
        return self.classes_only is not None

    @staticmethod
    def from_json(value) -> "Config":
        """Strict: unknown fields and wrong types are errors, absent fields take the published value."""
        default = Config()
        v = fields.check_object(value, "config", default.__dict__)

        def integer(name, low, high):
            return fields.integer(v.get(name, getattr(default, name)), f"config.{name}", low, high)

        classes_only = v.get("classes_only")
        if classes_only is not None:
            fields.integer(classes_only, "config.classes_only", 1, fields.MAX_CLASSIFIER_CLASSES)
        most = fields.MAX_CLASSES if classes_only is None else fields.MAX_CLASSIFIER_CLASSES
        stages = v.get("stages")
        if stages is not None:
            stages = [
                _stage(s, f"config.stages[{i}]") for i, s in enumerate(fields.items(stages, "config.stages", 1, 8))
            ]
        views = fields.items(v.get("views", list(default.views)), "config.views", 1, len(VIEWS))
        for view in views:
            if view not in VIEWS or views.count(view) > 1:
                fields.fail("config.views", f"distinct names of {', '.join(VIEWS)}", view)
        read = Config(
            input_size=fields.integers(v.get("input_size", list(default.input_size)), "config.input_size", 2,
                                       MIN_SIDE, fields.MAX_SIZE),
            num_classes=integer("num_classes", 1, most),
            stem_channels=integer("stem_channels", 1, fields.MAX_CHANNELS),
            stages=stages or default.stages,
            views=tuple(view for view in VIEWS if view in views),
            dilation=integer("dilation", 1, 64),
            attention=fields.one_of(v.get("attention", default.attention), "config.attention", ATTENTION_KINDS),
            skip=fields.boolean(v.get("skip", default.skip), "config.skip"),
            token_stride=integer("token_stride", 1, 1024),
            nested=_nested(v.get("nested", {})),
            ffn_expansion=integer("ffn_expansion", 1, 64),
            fusion_channels=integer("fusion_channels", 1, fields.MAX_CHANNELS),
            fusion_stride=integer("fusion_stride", 1, 1024),
            classes_only=classes_only,
        )  # fmt: skip
        _check_size(read)
        return read


def _residual(value, where):
    fields.check_object(value, where, ("expansion", "kernel"))
    kernel = fields.integer(value.get("kernel", 3), f"{where}.kernel", 3, 5)
    if kernel not in (3, 5):
        fields.fail(f"{where}.kernel", "3 or 5", kernel)
    return InvertedResidualConfig(fields.integer(value.get("expansion", 6), f"{where}.expansion", 1, 64), kernel)


def _stage(value, where):
    fields.check_object(value, where, ("channels", "down", "blocks"))
    blocks = fields.items(value.get("blocks", []), f"{where}.blocks", 0, fields.MAX_LAYERS)
    return StageConfig(
        fields.integer(value.get("channels"), f"{where}.channels", 1, fields.MAX_CHANNELS),
        _residual(value.get("down", {}), f"{where}.down"),
        [_residual(b, f"{where}.blocks[{j}]") for j, b in enumerate(blocks)],
    )


def _nested(value):
    default = NestedConfig()
    fields.check_object(value, "config.nested", default.__dict__)

    def integer(name, low, high):
        return fields.integer(value.get(name, getattr(default, name)), f"config.nested.{name}", low, high)

    nested = NestedConfig(
        fields.boolean(value.get("enabled", default.enabled), "config.nested.enabled"),
        integer("layers", 0, fields.MAX_LAYERS), integer("branches", 1, 16), integer("heads", 1, 64),
        integer("key_dim", 1, fields.MAX_CHANNELS), integer("value_dim", 1, fields.MAX_CHANNELS),
    )  # fmt: skip
    for name in ("key_dim", "value_dim"):
        if getattr(nested, name) % nested.heads:
            fields.fail(f"config.nested.{name}", f"a multiple of heads ({nested.heads})", getattr(nested, name))
    return nested


def _check_size(c):
    """Refuses what the bounds of single fields let through together."""
    in_c = c.stem_channels
    for i, stage in enumerate(c.stages):
        fields.at_most(f"config.stages[{i}].down: input channels x expansion", in_c * stage.down.expansion)
        in_c = stage.channels
        for block in stage.blocks:
            fields.at_most(f"config.stages[{i}].blocks: channels x expansion", in_c * block.expansion)
    fields.at_most("config.ffn_expansion x token channels", c.ffn_expansion * c.token_channels)
    if c.nested.enabled:
        wide = 2 * c.nested.branches * c.nested.key_dim + c.nested.value_dim
        fields.at_most("config.nested: 2 x branches x key_dim + value_dim", wide)
    fields.check_weight_bytes(weight_floats(c))


def weight_floats(c: Config) -> int:
    """How many values the inference form has, padding of panels not counted."""

    def pointwise(in_c, out_c):
        return in_c * out_c + out_c

    def residual(in_c, out_c, block):
        mid = in_c * block.expansion
        expand = pointwise(in_c, mid) if block.expansion != 1 else 0
        return expand + mid * (block.kernel**2 + 1) + pointwise(mid, out_c)

    total, in_c = pointwise(27, c.stem_channels), c.stem_channels
    height, width = (-(-n // 2) for n in c.input_size)
    for stage in c.stages:
        height, width, n = -(-height // 2), -(-width // 2), stage.channels
        total += residual(in_c, n, stage.down) + sum(residual(n, n, block) for block in stage.blocks)
        total += n * n * ("transverse" in c.views) + height**2 * ("frontal" in c.views)
        total += width**2 * ("lateral" in c.views) + 2 * n + 4 * 4 * n
        total += {"coordinate": 3, "channel": 2, None: 0}[c.attention] * pointwise(n, n)
        in_c = n
    tokens, wide = c.token_channels, c.token_channels * c.ffn_expansion
    layer = pointwise(tokens, wide) + 10 * wide + pointwise(wide, tokens)
    if c.nested.enabled:
        layer += pointwise(tokens, 2 * c.nested.branches * c.nested.key_dim + c.nested.value_dim)
        layer += pointwise(c.nested.value_dim, tokens)
    total += c.nested.layers * layer
    if c.classes_only is not None:
        return total + pointwise(tokens, c.classes_only)
    fused = c.fusion_channels
    total += sum(3 * pointwise(stage.channels, fused) for stage in c.stages)
    return total + pointwise(fused, fused) + pointwise(fused, c.num_classes)


class ConvBN(nn.Module):
    """CB(k, s, g): convolution without bias, zero padding dilation*(k-1)/2, then BatchNorm."""

    def __init__(self, in_c, out_c, kernel=1, stride=1, depthwise=False, dilation=1):
        super().__init__()
        groups = in_c if depthwise else 1
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (dilation * (kh - 1) // 2, dilation * (kw - 1) // 2)
        self.conv = nn.Conv2d(in_c, out_c, (kh, kw), stride, padding, dilation, groups, bias=False)
        self.conv.depthwise = depthwise  # with a single channel the group count would not tell
        self.bn = nn.BatchNorm2d(out_c, eps=1e-5)

    def forward(self, x):
        return self.bn(self.conv(x))

    def fold(self, writer, name):
        writer.conv(name, self.conv, self.bn)

    def unfold(self, reader, name):
        reader.conv(name, self.conv, self.bn)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, depthwise, project."""

    def __init__(self, in_c, out_c, stride, config: InvertedResidualConfig):
        super().__init__()
        mid_c = in_c * config.expansion
        if config.expansion != 1:
            self.expand = ConvBN(in_c, mid_c)
        self.depthwise = ConvBN(mid_c, mid_c, config.kernel, stride, depthwise=True)
        self.project = ConvBN(mid_c, out_c)
        self.residual = stride == 1 and in_c == out_c

    def forward(self, x):
        y = F.relu6(self.expand(x)) if hasattr(self, "expand") else x
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


def resize_matrix(src: int, dst: int, like: torch.Tensor) -> torch.Tensor:
    """R(src->dst), dst x src: 1-D linear resize with half-pixel centres as a matrix."""
    eye = torch.eye(src, dtype=like.dtype, device=like.device)
    return F.interpolate(eye[None], size=dst, mode="linear", align_corners=False)[0].t()


def resample_operator(operator: torch.Tensor, n: int) -> torch.Tensor:
    """A_n = R(N->n) A R(n->N); at n = N it is A itself."""
    size = operator.shape[0]
    if n == size:
        return operator
    return resize_matrix(size, n, operator) @ operator @ resize_matrix(n, size, operator)


class CoordinateAttention(nn.Module):
    """ "CA" of the paper's figure: one gate along the height, one along the width."""

    def __init__(self, channels):
        super().__init__()
        self.reduce = ConvBN(channels, channels)
        self.height = nn.Conv2d(channels, channels, 1)
        self.width = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        h, w = x.shape[2:]
        pooled = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)], dim=2)
        pooled = F.hardswish(self.reduce(pooled))
        along_h, along_w = pooled.split([h, w], dim=2)
        return x * torch.sigmoid(self.height(along_h)) * torch.sigmoid(self.width(along_w.transpose(2, 3)))


class ChannelAttention(nn.Module):
    """Squeeze and excite, without reduction."""

    def __init__(self, channels):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels, 1)
        self.fc2 = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class CartesianBlock(nn.Module):
    """The Cartesian encoder: transverse, frontal and lateral views, axial depthwise convolutions, attention."""

    def __init__(self, channels, height, width, config: Config):
        super().__init__()
        if "transverse" in config.views:
            self.transverse = nn.Conv2d(channels, channels, 1, bias=False)
        if "frontal" in config.views:
            self.frontal = nn.Conv2d(height, height, 1, bias=False)
        if "lateral" in config.views:
            self.lateral = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels, eps=1e-5)
        self.axial = nn.ModuleList(
            ConvBN(channels, channels, kernel, depthwise=True, dilation=dilation)
            for kernel, dilation in (((3, 1), 1), ((1, 3), 1), ((3, 1), config.dilation), ((1, 3), config.dilation))
        )
        if config.attention == "coordinate":
            self.attention = CoordinateAttention(channels)
        elif config.attention == "channel":
            self.attention = ChannelAttention(channels)
        self.skip = config.skip

    def views(self, x):
        n, c, h, w = x.shape
        out = 0
        if hasattr(self, "transverse"):
            out = out + self.transverse(x)
        if hasattr(self, "frontal"):  # out[c, h, w] = sum over h' of A[h, h'] x[c, h', w]
            out = out + torch.matmul(resample_operator(self.frontal.weight[:, :, 0, 0], h), x)
        if hasattr(self, "lateral"):  # out[c, h, w] = sum over w' of B[w, w'] x[c, h, w']
            out = out + torch.matmul(x, resample_operator(self.lateral.weight[:, :, 0, 0], w).t())
        return out

    def forward(self, x):
        y = F.relu6(self.norm(self.views(x)))
        y = F.relu6(self.axial[1](self.axial[0](y)))
        y = F.relu6(self.axial[3](self.axial[2](y)))
        if hasattr(self, "attention"):
            y = self.attention(y)
        return x + y if self.skip else y

    def fold(self, writer, name):
        for view in ("frontal", "lateral"):  # [n, n, 1, 1] -> [n, n]
            if hasattr(self, view):
                writer.plain(f"{name}.{view}.weight", getattr(self, view).weight.detach().double().numpy()[:, :, 0, 0])
        writer.children(self, name, leave=("frontal", "lateral"))

    def unfold(self, reader, name):
        for view in ("frontal", "lateral"):
            if hasattr(self, view):
                reader.put(getattr(self, view).weight, reader[f"{name}.{view}.weight"][:, :, None, None])
        reader.children(self, name, leave=("frontal", "lateral"))


class Stage(nn.Module):
    def __init__(self, in_c, height, width, config: Config, stage):
        super().__init__()
        self.down = InvertedResidual(in_c, stage.channels, 2, stage.down)
        self.blocks = nn.ModuleList(InvertedResidual(stage.channels, stage.channels, 1, b) for b in stage.blocks)
        self.cartesian = CartesianBlock(stage.channels, height, width, config)

    def forward(self, x):
        x = self.down(x)
        for block in self.blocks:
            x = block(x)
        return self.cartesian(x)


class FeedForward(nn.Module):
    def __init__(self, channels, expansion):
        super().__init__()
        self.expand = ConvBN(channels, channels * expansion)
        self.depthwise = nn.Conv2d(
            channels * expansion, channels * expansion, 3, padding=1, groups=channels * expansion
        )
        self.depthwise.depthwise = True
        self.project = ConvBN(channels * expansion, channels)

    def forward(self, x):
        return self.project(F.relu6(self.depthwise(self.expand(x))))


class NestedAttention(nn.Module):
    """One layer: branches x branches attention maps summed into psi, applied to the sum of the values; then the FFN."""

    def __init__(self, channels, nested: NestedConfig, ffn_expansion):
        super().__init__()
        self.heads = nested.heads
        if nested.enabled:
            self.query = nn.ModuleList(ConvBN(channels, nested.key_dim) for _ in range(nested.branches))
            self.key = nn.ModuleList(ConvBN(channels, nested.key_dim) for _ in range(nested.branches))
            self.value = nn.ModuleList(ConvBN(channels, nested.value_dim) for _ in range(nested.branches))
            self.project = ConvBN(nested.value_dim, channels)
        self.ffn = FeedForward(channels, ffn_expansion)

    def attention(self, x):
        n, _, h, w = x.shape

        def per_head(t):  # [n, heads * dim, h, w] -> [n, heads, h*w, dim]
            return t.reshape(n, self.heads, -1, h * w).transpose(2, 3)

        queries = [per_head(q(x)) for q in self.query]
        keys = [per_head(k(x)) for k in self.key]
        scale = 1 / math.sqrt(queries[0].shape[-1])
        psi = sum(torch.softmax(q @ k.transpose(2, 3) * scale, dim=-1) for q in queries for k in keys)
        out = sum(psi @ per_head(v(x)) for v in self.value)
        return out.transpose(2, 3).reshape(n, -1, h, w)

    def forward(self, x):
        if hasattr(self, "project"):
            x = x + self.project(F.relu6(self.attention(x)))
        return x + self.ffn(x)

    def fold(self, writer, name):
        """The queries, the keys and the sum of the values, which psi multiplies as a sum, as one matrix `qkv`."""
        if hasattr(self, "project"):
            parts = [_merged(cb) for cb in (*self.query, *self.key)]
            values = [_merged(cb) for cb in self.value]
            parts.append((sum(w for w, _ in values), sum(b for _, b in values)))
            writer.panels(f"{name}.qkv", np.concatenate([w for w, _ in parts]), np.concatenate([b for _, b in parts]))
        writer.children(self, name, leave=("query", "key", "value"))

    def unfold(self, reader, name):
        """Of the values only the sum is known; each branch gets an equal part of it."""
        if hasattr(self, "project"):
            rows = [len(cb.bn.weight) for cb in (*self.query, *self.key, self.value[0])]
            ends = np.cumsum(rows)[:-1]
            weights = np.split(reader.matrix(f"{name}.qkv", sum(rows)), ends)
            shifts = np.split(reader[f"{name}.qkv.bias"], ends)
            for i, cb in enumerate((*self.query, *self.key, *self.value)):
                j, share = min(i, len(rows) - 1), 1 if i < len(rows) - 1 else 1 / len(self.value)
                reader.put(cb.conv.weight, weights[j][:, :, None, None] * share)
                reader.identity(cb.bn, shifts[j] * share)
        reader.children(self, name, leave=("query", "key", "value"))


def _merged(cb):
    """Weight [out, in] and bias of a pointwise CB with its norm folded in."""
    scale, shift = batch_norm(cb.bn)
    return cb.conv.weight.detach().double().numpy()[:, :, 0, 0] * scale[:, None], shift


def resize(x, size):
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


class GatedFusion(nn.Module):
    def __init__(self, channels, out_c):
        super().__init__()
        self.local = ConvBN(channels, out_c)
        self.gate = ConvBN(channels, out_c)
        self.globl = ConvBN(channels, out_c)

    def forward(self, local, globl):
        size = local.shape[2:]
        gate = resize(torch.sigmoid(self.gate(globl)), size)
        return self.local(local) * gate + resize(self.globl(globl), size)


class Head(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.fuse = ConvBN(channels, channels)
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, x):
        return self.classifier(F.relu6(self.fuse(x)))


class LeMoRe(nn.Module):
    """Normalised RGB [n, 3, h, w] to logits [n, classes, ceil(h/8), ceil(w/8)], or [n, classes] of a classifier."""

    HEAD = ("fusion.", "head.", "classifier.")  # what an ImageNet classifier and a segmentation network don't share
    CLASSIFIER = ("head.classifier.", "classifier.")  # what depends on the classes

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.stem = ConvBN(3, config.stem_channels, 3, 2)
        height, width = (math.ceil(n / 2) for n in config.input_size)
        in_c = config.stem_channels
        stages = []
        for stage in config.stages:
            height, width = math.ceil(height / 2), math.ceil(width / 2)
            stages.append(Stage(in_c, height, width, config, stage))
            in_c = stage.channels
        self.stages = nn.ModuleList(stages)
        tokens = config.token_channels
        self.nested = nn.ModuleList(
            NestedAttention(tokens, config.nested, config.ffn_expansion) for _ in range(config.nested.layers)
        )
        if config.classes_only is not None:
            self.classifier = nn.Linear(tokens, config.classes_only)
        else:
            self.fusion = nn.ModuleList(GatedFusion(s.channels, config.fusion_channels) for s in config.stages)
            self.head = Head(config.fusion_channels, config.num_classes)

    def forward(self, image):
        config = self.config
        x = F.relu6(self.stem(image))
        local = []
        for stage in self.stages:
            x = stage(x)
            local.append(x)
        grid = [math.ceil(n / config.token_stride) for n in image.shape[2:]]
        tokens = torch.cat([F.adaptive_avg_pool2d(f, grid) for f in local], dim=1)
        for layer in self.nested:
            tokens = layer(tokens)
        if config.classes_only is not None:
            return self.classifier(tokens.mean((2, 3)))
        globl = tokens.split([s.channels for s in config.stages], dim=1)
        size = [math.ceil(n / config.fusion_stride) for n in image.shape[2:]]
        fused = sum(resize(fuse(l, g), size) for fuse, l, g in zip(self.fusion, local, globl))
        return self.head(fused)


def named_stages(model: LeMoRe) -> Dict[str, nn.Module]:
    """The stages a dump holds, by name, in the order they are computed."""
    names = ["stem"]
    for i in range(len(model.stages)):
        names += [f"stages.{i}.down", f"stages.{i}"]
    names += [f"nested.{l}" for l in range(len(model.nested))]
    if model.config.classes_only is None:
        names += [f"fusion.{i}" for i in range(len(model.fusion))] + ["head.fuse"]
    modules = dict(model.named_modules())
    return {name: modules[name] for name in names}


def run_with_stages(model: LeMoRe, image: torch.Tensor) -> Dict[str, torch.Tensor]:
    """The named stages of `model` on `image`, and 'output'. `stem` and `head.fuse` are taken after their ReLU6."""
    stages, hooks = {}, []

    def keep(name):
        def hook(_module, _input, output):
            stages[name] = F.relu6(output) if name in ("stem", "head.fuse") else output

        return hook

    for name, module in named_stages(model).items():
        hooks.append(module.register_forward_hook(keep(name)))
    try:
        with torch.no_grad():
            output = model.eval()(image)
    finally:
        for hook in hooks:
            hook.remove()
    stages["output"] = output
    return stages


def count_macs(config: Config, height: int, width: int) -> int:
    """Convolutions and linear layers only: output elements x (weights / output channels)."""
    model = LeMoRe(config).eval()
    total = 0

    def hook(module, _input, output):
        nonlocal total
        if isinstance(module, CartesianBlock):  # frontal and lateral are convolutions with an axis as the channels
            for view in ("frontal", "lateral"):
                if hasattr(module, view):
                    total += output.numel() * (output.shape[2] if view == "frontal" else output.shape[3])
        else:
            total += output.numel() * (module.weight.numel() // module.weight.shape[0])

    for module in model.modules():
        if isinstance(module, CartesianBlock) or (isinstance(module, (nn.Conv2d, nn.Linear))):
            module.register_forward_hook(hook)
    with torch.no_grad():
        model(torch.zeros(1, 3, height, width))
    return total


# -- names: those of this module, with or without "backbone." before them -------------------------------------------

Model = LeMoRe
NAMINGS = ("lemore", "backbone")


@dataclass
class Source:
    parts: List[Tuple[str, Tuple[int, ...]]]

    @staticmethod
    def make(arrays):
        return arrays[0]


def sources(name, shape, naming) -> Source:
    return Source([(f"backbone.{name}" if naming == "backbone" else name, shape)])


def recognise(state) -> Optional[str]:
    marks = ("stem.conv.weight", "stages.0.down.depthwise.conv.weight")
    for prefix, naming in (("", "lemore"), ("backbone.", "backbone")):
        if any(prefix + mark in state for mark in marks):
            return naming
    return None


def folded_away(_config, _stage) -> bool:
    return False


def is_optional(_name) -> bool:
    return False


def is_unused(name, _naming) -> bool:
    return name.startswith("auxiliary_head.")


def configuration(_state, _naming, given) -> dict:
    """A LeMoRe network has more choices than shapes show: its configuration has to be given."""
    if not given:
        raise fields.FieldError("carries no configuration; give one with --config")
    return given
