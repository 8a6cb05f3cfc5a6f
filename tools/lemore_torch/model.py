"""LeMoRe (arXiv 2505.23093) as a PyTorch module; parameter names are the names of the trained tensors.

Comments give the paper's term for each part. Everything the paper leaves open is a field of Config.
"""

import math
from typing import Dict

import torch
import torch.nn.functional as F
from torch import nn

from .config import Config, InvertedResidualConfig, NestedConfig


class ConvBN(nn.Module):
    """CB(k, s, g): convolution without bias, zero padding dilation*(k-1)/2, then BatchNorm."""

    def __init__(self, in_c, out_c, kernel=1, stride=1, groups=1, dilation=1):
        super().__init__()
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (dilation * (kh - 1) // 2, dilation * (kw - 1) // 2)
        self.conv = nn.Conv2d(in_c, out_c, (kh, kw), stride, padding, dilation, groups, bias=False)
        self.bn = nn.BatchNorm2d(out_c, eps=1e-5)

    def forward(self, x):
        return self.bn(self.conv(x))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, depthwise, project."""

    def __init__(self, in_c, out_c, stride, config: InvertedResidualConfig):
        super().__init__()
        mid_c = in_c * config.expansion
        if config.expansion != 1:
            self.expand = ConvBN(in_c, mid_c)
        self.depthwise = ConvBN(mid_c, mid_c, config.kernel, stride, groups=mid_c)
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
            ConvBN(channels, channels, kernel, groups=channels, dilation=dilation)
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


def count_parameters(model: LeMoRe) -> int:
    """What training learns: BatchNorm weight and bias included, running statistics not."""
    return sum(p.numel() for p in model.parameters())


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
