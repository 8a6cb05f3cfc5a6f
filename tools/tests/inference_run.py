"""Evaluates the inference form with plain tensor operations: what the C++ library is to compute, and nothing else.

It shares no code with lemore_torch.networks: sums over axes, slices and explicit resizes, in float64.
"""

import math

import numpy as np


def unpack(panels, out):
    """[panels, k, 16] to [out, k]."""
    return np.concatenate([p.T for p in panels])[:out]


def linear_resize(n, size, axis, x):
    """Half-pixel linear resize of axis `axis` of `x` from n to `size`, clamped to the ends."""
    if n == size:
        return x
    position = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, n - 1)
    weight = (position - low).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.take(x, low, axis) * (1 - weight) + np.take(x, high, axis) * weight


def resize(x, size):
    """[c, h, w] to [c, *size]."""
    return linear_resize(x.shape[2], size[1], 2, linear_resize(x.shape[1], size[0], 1, x))


def relu6(x):
    return np.clip(x, 0, 6)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def adaptive_pool(x, size):
    (h, w), (rows, columns) = x.shape[1:], size
    out = np.empty((len(x), rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = x[:, i * h // rows : -(-(i + 1) * h // rows), j * w // columns : -(-(j + 1) * w // columns)]
            out[:, i, j] = window.mean((1, 2))
    return out


class Network:
    """The network of `config` (parsed JSON) with the tensors of an inference-form file; `run` keeps every stage."""

    def __init__(self, config, tensors):
        self.config, self.used = config, set()
        self.tensors = {name: array.astype(np.float64) for name, array in tensors.items()}

    def get(self, name):
        self.used.add(name)
        return self.tensors[name]

    def pointwise(self, name, x, out=None):
        """[c, ...] to [out, ...]; `out` is the bias's length where there is one."""
        bias = self.get(f"{name}.bias") if f"{name}.bias" in self.tensors else None
        weight = unpack(self.get(f"{name}.weight"), out if bias is None else len(bias))
        y = np.tensordot(weight, x, 1)
        return y if bias is None else y + bias.reshape([-1] + [1] * (x.ndim - 1))

    def depthwise(self, name, x, stride=1, dilation=1):
        weight, bias = self.get(f"{name}.weight"), self.get(f"{name}.bias")
        kh, kw, _ = weight.shape
        ph, pw = dilation * (kh - 1) // 2, dilation * (kw - 1) // 2
        h, w = x.shape[1:]
        padded = np.pad(x, ((0, 0), (ph, ph), (pw, pw)))
        y = 0
        for i in range(kh):
            for j in range(kw):
                rows, columns = slice(i * dilation, i * dilation + h), slice(j * dilation, j * dilation + w)
                y = y + weight[i, j][:, None, None] * padded[:, rows, columns]
        return y[:, ::stride, ::stride] + bias[:, None, None]

    def stem(self, x):
        h, w = x.shape[1:]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        taps = np.concatenate([padded[:, i : i + h : 2, j : j + w : 2] for i in range(3) for j in range(3)])
        return relu6(self.pointwise("stem", taps))

    def residual(self, name, x, block, stride):
        y = relu6(self.pointwise(f"{name}.expand", x)) if block["expansion"] != 1 else x
        y = self.pointwise(f"{name}.project", relu6(self.depthwise(f"{name}.depthwise", y, stride)))
        return x + y if stride == 1 and x.shape == y.shape else y

    def operator(self, name, n):
        a = self.get(name)
        size = len(a)
        return linear_resize(size, n, 0, a) @ linear_resize(n, size, 0, np.eye(n)) if n != size else a

    def cartesian(self, name, x):
        (c, h, w), config, y = x.shape, self.config, 0
        if "transverse" in config["views"]:
            y = y + self.pointwise(f"{name}.transverse", x, c)
        if "frontal" in config["views"]:
            y = y + np.einsum("hk,ckw->chw", self.operator(f"{name}.frontal.weight", h), x)
        if "lateral" in config["views"]:
            y = y + np.einsum("wk,chk->chw", self.operator(f"{name}.lateral.weight", w), x)
        y = relu6(y * self.get(f"{name}.norm.weight")[:, None, None] + self.get(f"{name}.norm.bias")[:, None, None])
        for i, dilation in enumerate((1, 1, config["dilation"], config["dilation"])):
            y = self.depthwise(f"{name}.axial.{i}", y, 1, dilation)
            y = relu6(y) if i % 2 else y
        ca = f"{name}.attention"
        if config["attention"] == "coordinate":
            both = self.pointwise(f"{ca}.reduce", np.concatenate([y.mean(2), y.mean(1)], 1))
            both = both * relu6(both + 3) / 6
            rows = sigmoid(self.pointwise(f"{ca}.height", both[:, :h]))
            y = y * rows[:, :, None] * sigmoid(self.pointwise(f"{ca}.width", both[:, h:]))[:, None, :]
        elif config["attention"] == "channel":
            gate = self.pointwise(f"{ca}.fc2", np.maximum(self.pointwise(f"{ca}.fc1", y.mean((1, 2))), 0))
            y = y * sigmoid(gate)[:, None, None]
        return x + y if config["skip"] else y

    def nested(self, name, x):
        nested, (_, h, w) = self.config["nested"], x.shape
        if nested["enabled"]:
            qkv = self.pointwise(f"{name}.qkv", x.reshape(len(x), -1))
            b, key_dim, heads = nested["branches"], nested["key_dim"], nested["heads"]
            parts = np.split(qkv, [key_dim * (i + 1) for i in range(2 * b)])
            width, out = key_dim // heads, []
            value = np.split(parts[-1], heads)
            for head in range(heads):
                block = slice(head * width, (head + 1) * width)
                psi = sum(softmax(parts[i][block].T @ parts[b + j][block] / math.sqrt(width))
                          for i in range(b) for j in range(b))  # fmt: skip
                out.append(value[head] @ psi.T)
            x = x + self.pointwise(f"{name}.project", relu6(np.concatenate(out))).reshape(x.shape)
        y = self.depthwise(f"{name}.ffn.depthwise", self.pointwise(f"{name}.ffn.expand", x))
        return x + self.pointwise(f"{name}.ffn.project", relu6(y))

    def run(self, image):
        """`image` [3, h, w], normalised. Returns {stage: array} with 'output'."""
        config, out, local = self.config, {}, []
        x = out["stem"] = self.stem(image.astype(np.float64))
        for i, stage in enumerate(config["stages"]):
            x = out[f"stages.{i}.down"] = self.residual(f"stages.{i}.down", x, stage["down"], 2)
            for j, block in enumerate(stage["blocks"]):
                x = self.residual(f"stages.{i}.blocks.{j}", x, block, 1)
            x = out[f"stages.{i}"] = self.cartesian(f"stages.{i}.cartesian", x)
            local.append(x)
        grid = [-(-n // config["token_stride"]) for n in image.shape[1:]]
        x = np.concatenate([adaptive_pool(f, grid) for f in local])
        for layer in range(config["nested"]["layers"]):
            x = out[f"nested.{layer}"] = self.nested(f"nested.{layer}", x)
        if "classes_only" in config:
            out["output"] = self.pointwise("classifier", x.mean((1, 2)))
            return out
        size, fused = [-(-n // config["fusion_stride"]) for n in image.shape[1:]], 0
        groups = np.split(x, np.cumsum([s["channels"] for s in config["stages"]])[:-1])
        for i, (f, g) in enumerate(zip(local, groups)):
            gate, globl = sigmoid(self.pointwise(f"fusion.{i}.gate", g)), self.pointwise(f"fusion.{i}.globl", g)
            z = self.pointwise(f"fusion.{i}.local", f) * resize(gate, f.shape[1:]) + resize(globl, f.shape[1:])
            out[f"fusion.{i}"] = z
            fused = fused + resize(z, size)
        x = out["head.fuse"] = relu6(self.pointwise("head.fuse", fused))
        out["output"] = self.pointwise("head.classifier", x)
        return out
