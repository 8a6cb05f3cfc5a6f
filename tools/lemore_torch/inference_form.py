"""From the trained tensors to the tensors the C++ library runs on. Pure rearrangement and exact algebra:

- BatchNorm folded into the convolution before it (computed in float64, rounded once to float32);
- the norm after the Cartesian views as a scale and a shift;
- the queries, the keys and the sum of the values of a nested layer as one matrix `qkv`;
- pointwise weights in panels of 16 outputs: [ceil(out/16), in, 16], zero beyond `out`; depthwise [kh, kw, channels].
"""

import math
from typing import Dict

import numpy as np
from torch import nn

from .config import Config
from .model import CartesianBlock, ConvBN, LeMoRe, NestedAttention

PANEL = 16


def pack_panels(weight: np.ndarray) -> np.ndarray:
    """[out, k] to [ceil(out/16), k, 16]: element [p, k, j] is weight[p * 16 + j, k]."""
    out, k = weight.shape
    panels = math.ceil(out / PANEL)
    padded = np.zeros((panels * PANEL, k), weight.dtype)
    padded[:out] = weight
    return np.ascontiguousarray(padded.reshape(panels, PANEL, k).transpose(0, 2, 1))


def unpack_panels(panels: np.ndarray, out: int) -> np.ndarray:
    """The inverse of pack_panels."""
    return panels.transpose(0, 2, 1).reshape(-1, panels.shape[1])[:out]


class _Writer:
    def __init__(self, state):
        self.state, self.out = state, {}

    def get(self, name):
        return self.state[name].astype(np.float64)

    def scale_shift(self, name, eps):
        """BatchNorm `name` as y = x * scale + shift."""
        scale = self.get(f"{name}.weight") / np.sqrt(self.get(f"{name}.running_var") + eps)
        return scale, self.get(f"{name}.bias") - self.get(f"{name}.running_mean") * scale

    def folded(self, name, eps):
        """Weight [out, in, kh, kw] and bias of the CB `name`."""
        scale, shift = self.scale_shift(f"{name}.bn", eps)
        return self.get(f"{name}.conv.weight") * scale[:, None, None, None], shift

    def put(self, name, weight, bias, depthwise):
        if depthwise:  # [C, 1, kh, kw] -> [kh, kw, C]
            self.out[f"{name}.weight"] = np.ascontiguousarray(weight[:, 0].transpose(1, 2, 0))
        else:  # k = (kh * kernel width + kw) * inputs + input
            self.out[f"{name}.weight"] = pack_panels(weight.transpose(0, 2, 3, 1).reshape(len(weight), -1))
        if bias is not None:
            self.out[f"{name}.bias"] = bias


def inference_form(config: Config, state: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """`state`: exactly the tensors of LeMoRe(config), of any float type. Returns float32 arrays by name."""
    writer, done = _Writer(state), set()
    for name, module in LeMoRe(config).named_modules():
        if name in done:
            continue
        if isinstance(module, NestedAttention) and hasattr(module, "project"):
            eps = module.project.bn.eps
            parts = [
                writer.folded(f"{name}.{kind}.{b}", eps) for kind in ("query", "key") for b in range(len(module.query))
            ]
            values = [writer.folded(f"{name}.value.{b}", eps) for b in range(len(module.value))]
            parts.append((sum(w for w, _ in values), sum(b for _, b in values)))
            writer.put(
                f"{name}.qkv", np.concatenate([w for w, _ in parts]), np.concatenate([b for _, b in parts]), False
            )
            inner = (module.query, module.key, module.value)
            done |= {f"{name}.{k}{'.' if n else ''}{n}" for k, m in zip(("query", "key", "value"), inner)
                     for n, _ in m.named_modules()}  # fmt: skip
        elif isinstance(module, ConvBN):
            writer.put(name, *writer.folded(name, module.bn.eps), _is_depthwise(name))
            done |= {f"{name}.conv", f"{name}.bn"}
        elif isinstance(module, CartesianBlock):
            for view in ("frontal", "lateral"):  # [n, n, 1, 1] -> [n, n]
                if hasattr(module, view):
                    writer.out[f"{name}.{view}.weight"] = writer.get(f"{name}.{view}.weight")[:, :, 0, 0]
                    done.add(f"{name}.{view}")
        elif isinstance(module, nn.BatchNorm2d):
            writer.out[f"{name}.weight"], writer.out[f"{name}.bias"] = writer.scale_shift(name, module.eps)
        elif isinstance(module, nn.Conv2d):
            bias = writer.get(f"{name}.bias") if module.bias is not None else None
            writer.put(name, writer.get(f"{name}.weight"), bias, _is_depthwise(name))
        elif isinstance(module, nn.Linear):
            writer.put(name, writer.get(f"{name}.weight")[:, :, None, None], writer.get(f"{name}.bias"), False)
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in writer.out.items()}


def training_form(config: Config, tensors: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """The way back from inference_form, to weights that compute the same in evaluation.

    A norm after a convolution gets scale 1, mean 0 and the variance that makes its divisor 1: the scale stays in the
    convolution. Of a nested layer's values only the sum is known; each branch gets an equal part of it.
    """
    out = {}

    def norm(name, scale, shift, eps):
        channels = len(shift)
        out.update({f"{name}.weight": scale, f"{name}.bias": shift, f"{name}.running_mean": np.zeros(channels),
                    f"{name}.running_var": np.full(channels, 1 - eps)})  # fmt: skip

    def unpacked(name, like):
        """The weight of the layer `name` in the shape of the module's weight `like`."""
        array, shape = tensors[f"{name}.weight"].astype(np.float64), tuple(like.shape)
        if _is_depthwise(name):
            return array.transpose(2, 0, 1)[:, None]
        flat = unpack_panels(array, shape[0])
        return flat.reshape(shape[0], *shape[2:], shape[1]).transpose(0, 3, 1, 2) if len(shape) == 4 else flat

    model, done = LeMoRe(config), set()
    for name, module in model.named_modules():
        if name in done:
            continue
        if isinstance(module, NestedAttention) and hasattr(module, "project"):
            # The rows of qkv: each query, each key, then one value, which is the sum of all.
            rows = [len(cb.bn.weight) for cb in (*module.query, *module.key, module.value[0])]
            weight = unpack_panels(tensors[f"{name}.qkv.weight"].astype(np.float64), sum(rows))
            parts = np.split(weight, np.cumsum(rows)[:-1])
            shifts = np.split(tensors[f"{name}.qkv.bias"].astype(np.float64), np.cumsum(rows)[:-1])
            names = [f"{name}.{kind}.{b}" for kind in ("query", "key", "value") for b in range(len(module.value))]
            share = 1 / len(module.value)
            for i, part in enumerate(names):
                j = min(i, len(parts) - 1)
                factor = share if ".value." in part else 1
                out[f"{part}.conv.weight"] = parts[j][:, :, None, None] * factor
                norm(f"{part}.bn", np.ones(len(shifts[j])), shifts[j] * factor, module.project.bn.eps)
                done |= {part, f"{part}.conv", f"{part}.bn"}
        elif isinstance(module, ConvBN):
            out[f"{name}.conv.weight"] = unpacked(name, module.conv.weight)
            bias = tensors[f"{name}.bias"]
            norm(f"{name}.bn", np.ones(len(bias)), bias, module.bn.eps)
            done |= {f"{name}.conv", f"{name}.bn"}
        elif isinstance(module, CartesianBlock):
            for view in ("frontal", "lateral"):
                if hasattr(module, view):
                    out[f"{name}.{view}.weight"] = tensors[f"{name}.{view}.weight"][:, :, None, None]
                    done.add(f"{name}.{view}")
        elif isinstance(module, nn.BatchNorm2d):
            norm(name, tensors[f"{name}.weight"], tensors[f"{name}.bias"], module.eps)
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            out[f"{name}.weight"] = unpacked(name, module.weight)
            if module.bias is not None:
                out[f"{name}.bias"] = tensors[f"{name}.bias"]
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in out.items()}


def _is_depthwise(name):
    """By its place in the network: with a single channel the group count would not tell."""
    return name.endswith(".depthwise") or ".axial." in name
