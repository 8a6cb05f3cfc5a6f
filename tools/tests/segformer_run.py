"""Evaluates SegFormer's inference form with plain numpy: what the C++ library is to compute, and nothing else.

It shares no code with lemore_torch.networks: explicit windows, sums and resizes, in float64.
"""

import math

import numpy as np
from inference_run import resize, softmax, unpack


def layer_norm(x, eps):
    """Over the last axis, without an affine part."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + eps)


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2)))


def windows(x, kernel, stride, padding):
    """[h, w, c] to [h', w', kernel * kernel * c]: k = (ky * kernel + kx) * c + channel."""
    x = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    h, w = ((n - kernel) // stride + 1 for n in x.shape[:2])
    rows = []
    for y in range(h):
        for x0 in range(w):
            rows.append(x[y * stride : y * stride + kernel, x0 * stride : x0 * stride + kernel].ravel())
    return np.array(rows).reshape(h, w, -1)


class Network:
    def __init__(self, config, tensors):
        self.config, self.used = config, set()
        self.tensors = {name: array.astype(np.float64) for name, array in tensors.items()}

    def get(self, name):
        self.used.add(name)
        return self.tensors[name]

    def linear(self, name, x, out, bias=True):
        y = x @ unpack(self.get(f"{name}.weight"), out).T
        return y + self.get(f"{name}.bias") if bias else y

    def affine_norm(self, name, x, eps):
        return layer_norm(x, eps) * self.get(f"{name}.weight") + self.get(f"{name}.bias")

    def block(self, name, t, s):
        b = self.config["backbone"]
        c, heads, r, wide = b["channels"][s], b["heads"][s], b["reductions"][s], b["channels"][s] * b["mlp_ratios"][s]
        h, w, _ = t.shape
        y = layer_norm(t, b["norm_eps"])
        z = y
        if r > 1:
            z = layer_norm(self.linear(f"{name}.attn.sr", windows(y, r, r, 0), c), b["reduction_norm_eps"])
        q = self.linear(f"{name}.attn.attn.q", y.reshape(h * w, c), c)
        kv = self.linear(f"{name}.attn.attn.kv", z.reshape(-1, c), 2 * c, bias=False)
        out = np.empty((h * w, c))
        for i in range(heads):
            part = slice(i * c // heads, (i + 1) * c // heads)
            out[:, part] = softmax(q[:, part] @ kv[:, :c][:, part].T) @ kv[:, c:][:, part]
        t = t + self.linear(f"{name}.attn.attn.out_proj", out, c).reshape(h, w, c)
        u = self.linear(f"{name}.ffn.layers.0", layer_norm(t, b["norm_eps"]), wide)
        weight, bias = self.get(f"{name}.ffn.layers.1.weight"), self.get(f"{name}.ffn.layers.1.bias")
        u = (windows(u, 3, 1, 1).reshape(h, w, 9, wide) * weight.reshape(9, wide)).sum(2) + bias
        return t + self.linear(f"{name}.ffn.layers.4", gelu(u), c)

    def run(self, image):
        """`image` [3, h, w]; the stages by name, channels first, and 'output'."""
        b, head, stages = self.config["backbone"], self.config["head"], {}
        x, maps = image.astype(np.float64).transpose(1, 2, 0), []

        def keep(name, t):
            stages[name] = t.transpose(2, 0, 1)

        for s in range(4):
            c, name, k = b["channels"][s], f"backbone.layers.{s}", b["patch_sizes"][s]
            x = self.linear(f"{name}.0.projection", windows(x, k, b["strides"][s], k // 2), c)
            x = self.affine_norm(f"{name}.0.norm", x, b["patch_norm_eps"])
            keep(f"backbone.stages.{s}.patch", x)
            for j in range(b["depths"][s]):
                x = self.block(f"{name}.1.{j}", x, s)
                if j == 0:
                    keep(f"backbone.stages.{s}.blocks.0", x)
            x = self.affine_norm(f"{name}.2", x, b["norm_eps"])
            keep(f"backbone.stages.{s}", x)
            maps.append(x)
        classes = self.config["num_classes"]
        if head["type"] == "classifier":
            stages["output"] = self.linear("classifier", x.mean((0, 1)), classes)
            return stages
        e, size, fused = head["channels"], maps[0].shape[:2], self.get("decode_head.fusion_conv.bias")
        for s, x in enumerate(maps):
            if head["projection"] == "conv_bn_relu":
                x = np.maximum(self.linear(f"decode_head.convs.{s}.conv", x, e), 0)
                keep(f"head.project.{s}", x)
            x = self.linear(f"decode_head.fusion_conv.{s}", x, e, bias=False)
            fused = fused + resize(x.transpose(2, 0, 1), size).transpose(1, 2, 0)
        x = np.maximum(fused, 0)
        keep("head.fuse", x)
        if head["classifier"] == "linear":
            keep("output", self.linear("decode_head.conv_seg", x, classes))
            return stages
        h, w = size[0] // 2, size[1] // 2
        x = x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, e).max((1, 3))
        keep("head.pool", x)
        name, pixels = "decode_head.offset_learning", x.reshape(h * w, e)
        r = self.get(f"{name}.cls_repr")
        affinity = pixels @ r.T
        keep("head.offset.affinity", affinity.reshape(h, w, classes))
        offset = softmax(affinity.T) @ pixels
        r2 = r + self.linear(f"{name}.cls_offset_proj", offset, e, bias=False)
        stages["head.offset.classes"] = r2
        # The K x K form: the feature offset is never made.
        g = self.linear(f"{name}.feat_offset_proj", r, e, bias=False) @ r2.T
        raw = pixels @ r2.T + softmax(affinity) @ g
        keep("head.offset.raw", raw.reshape(h, w, classes))
        norm = layer_norm(raw, 1e-5) * self.get(f"{name}.mask_norm.weight") + self.get(f"{name}.mask_norm.bias")
        keep("output", norm.reshape(h, w, classes))
        return stages
