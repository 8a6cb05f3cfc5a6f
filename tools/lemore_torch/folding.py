"""From a trained module to the tensors the C++ library runs on, and back. Knows layers, and no network.

The walk goes through the modules by name. A module that needs more than its layers do says so itself: `fold(writer,
name)` writes its tensors, `unfold(reader, name)` fills its parameters from them. What is written:

- a BatchNorm after its convolution folded into it (computed in float64, rounded once to float32);
- pointwise and dense weights in panels of 16 outputs: [ceil(out/16), in, 16], zero beyond `out`; k = (kh * kernel width
  + kw) * inputs + input;
- depthwise weights as [kh, kw, channels]; norms as scale and shift.
"""

import math
from typing import Dict

import numpy as np
import torch
from torch import nn

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


def _f64(tensor):
    return tensor.detach().cpu().double().numpy()


def batch_norm(bn):
    """Evaluation of `bn` as y = x * scale + shift, in float64."""
    scale = _f64(bn.weight) / np.sqrt(_f64(bn.running_var) + bn.eps)
    return scale, _f64(bn.bias) - _f64(bn.running_mean) * scale


def is_depthwise(conv):
    return conv.groups > 1 or getattr(conv, "depthwise", False)


class Writer:
    """Collects the tensors of the inference form, float32."""

    def __init__(self):
        self.out = {}

    def plain(self, name, array):
        with np.errstate(over="ignore"):
            self.out[name] = np.ascontiguousarray(array, dtype=np.float32)

    def panels(self, name, weight, bias=None):
        """`weight` [out, in] or [out, in, kh, kw]."""
        if weight.ndim == 4:
            weight = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
        self.plain(f"{name}.weight", pack_panels(weight))
        if bias is not None:
            self.plain(f"{name}.bias", bias)

    def conv(self, name, conv, bn=None):
        """A convolution under `name`, with the BatchNorm behind it if there is one."""
        weight, bias = _f64(conv.weight), None if conv.bias is None else _f64(conv.bias)
        if bn is not None:
            scale, shift = batch_norm(bn)
            weight, bias = weight * scale[:, None, None, None], shift if bias is None else bias * scale + shift
        if is_depthwise(conv):  # [C, 1, kh, kw] -> [kh, kw, C]
            self.plain(f"{name}.weight", weight[:, 0].transpose(1, 2, 0))
            if bias is not None:
                self.plain(f"{name}.bias", bias)
        else:
            self.panels(name, weight, bias)

    def walk(self, module, name=""):
        if hasattr(module, "fold"):
            module.fold(self, name)
        elif isinstance(module, nn.Conv2d):
            self.conv(name, module)
        elif isinstance(module, nn.Linear):
            self.panels(name, _f64(module.weight), None if module.bias is None else _f64(module.bias))
        elif isinstance(module, nn.BatchNorm2d):
            scale, shift = batch_norm(module)
            self.plain(f"{name}.weight", scale)
            self.plain(f"{name}.bias", shift)
        elif isinstance(module, nn.LayerNorm):
            self.plain(f"{name}.weight", _f64(module.weight))
            self.plain(f"{name}.bias", _f64(module.bias))
        else:
            self.children(module, name)

    def children(self, module, name, leave=()):
        """The children of `module`, but those in `leave`."""
        for child, inner in module.named_children():
            if child not in leave:
                self.walk(inner, f"{name}.{child}" if name else child)


class Reader:
    """Fills a module's parameters from the inference form, so that it evaluates to the same."""

    def __init__(self, tensors):
        self.tensors = tensors

    def __getitem__(self, name):
        return self.tensors[name].astype(np.float64)

    def matrix(self, name, out):
        """[out, k] of a weight in panels."""
        return unpack_panels(self[f"{name}.weight"], out)

    @staticmethod
    def put(parameter, array):
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))

    def identity(self, bn, shift):
        """A norm that only adds `shift`: the scale stays in the convolution before it."""
        self.put(bn.weight, np.ones(len(shift)))
        self.put(bn.bias, shift)
        self.put(bn.running_mean, np.zeros(len(shift)))
        self.put(bn.running_var, np.full(len(shift), 1 - bn.eps))

    def conv(self, name, conv, bn=None):
        shape = tuple(conv.weight.shape)
        if is_depthwise(conv):
            self.put(conv.weight, self[f"{name}.weight"].transpose(2, 0, 1)[:, None])
        else:
            flat = self.matrix(name, shape[0])
            self.put(conv.weight, flat.reshape(shape[0], *shape[2:], shape[1]).transpose(0, 3, 1, 2))
        if bn is not None:
            self.identity(bn, self[f"{name}.bias"])
        elif conv.bias is not None:
            self.put(conv.bias, self[f"{name}.bias"])

    def walk(self, module, name=""):
        if hasattr(module, "unfold"):
            module.unfold(self, name)
        elif isinstance(module, nn.Conv2d):
            self.conv(name, module)
        elif isinstance(module, nn.Linear):
            self.put(module.weight, self.matrix(name, len(module.weight)))
            if module.bias is not None:
                self.put(module.bias, self[f"{name}.bias"])
        elif isinstance(module, nn.BatchNorm2d):
            self.identity(module, self[f"{name}.bias"])
            self.put(module.weight, self[f"{name}.weight"])
        elif isinstance(module, nn.LayerNorm):
            self.put(module.weight, self[f"{name}.weight"])
            self.put(module.bias, self[f"{name}.bias"])
        else:
            self.children(module, name)

    def children(self, module, name, leave=()):
        for child, inner in module.named_children():
            if child not in leave:
                self.walk(inner, f"{name}.{child}" if name else child)


def inference_form(model) -> Dict[str, np.ndarray]:
    """The tensors of a trained module, by name."""
    writer = Writer()
    writer.walk(model)
    return writer.out


def fill_from_inference_form(model, tensors) -> None:
    """The way back; a KeyError names a tensor that is missing."""
    Reader(tensors).walk(model)
