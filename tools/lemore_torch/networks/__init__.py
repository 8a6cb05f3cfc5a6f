"""The networks, one file each in this folder; a new file is found by itself. What a network's file has:

NAME, Config, Model          its name in weight files; its configuration; the module, made from a configuration
recognise(state)             which of its namings these tensors follow, or None
configuration(state, naming, given)   `given` (parsed JSON) completed by what names and shapes say
sources(name, shape, naming)          what a file of that naming calls the module's tensor `name`
is_optional(name), is_unused(name, naming)
folded_away(config, stage)            whether a stage of the module is none of the inference form
run_with_stages(model, image), count_macs(config, height, width)
"""

import difflib
import importlib
import pkgutil

import numpy as np
import torch

from ..fields import FieldError
from . import lemore, segformer

_FILES = sorted(module.name for module in pkgutil.iter_modules(__path__))
NETWORKS = {network.NAME: network for network in (importlib.import_module(f".{name}", __name__) for name in _FILES)}


class MisfitError(ValueError):
    """Tensors that are not those of a configuration; one line, in the file's own words."""


def of_model(model):
    """The network that a module belongs to."""
    return next(network for network in NETWORKS.values() if isinstance(model, network.Model))


def of_config(config):
    return next(network for network in NETWORKS.values() if isinstance(config, network.Config))


def of_state(state):
    """(network, naming) of these tensors, or (None, None)."""
    for network in NETWORKS.values():
        naming = network.recognise(state)
        if naming:
            return network, naming
    return None, None


def of_json(value):
    """The network that a configuration file is for: its "architecture", else what its fields are."""
    name = value.get("architecture") if isinstance(value, dict) else None
    if name is None:
        return segformer if isinstance(value, dict) and "backbone" in value else lemore
    if name not in NETWORKS:
        raise FieldError(f"config.architecture: expected {' or '.join(map(repr, NETWORKS))}, got {name!r:.40}")
    return NETWORKS[name]


def named(names, limit=3):
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(f"'{n}'" for n in names[:limit]) + more


def gather(model, weights, naming, partial=False):
    """The tensors of `weights` by the names of `model`, float; exactly those, of the right shapes, finite.

    Messages call a tensor what the file calls it. With `partial`, (tensors, names that could not be had and why).
    """
    network, state = of_model(model), weights.state
    wanted = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    plan = {name: network.sources(name, tuple(tensor.shape), naming) for name, tensor in wanted.items()}
    expected = {own: shape for source in plan.values() for own, shape in source.parts}
    arrays = {name for name, value in state.items() if isinstance(value, np.ndarray)}
    extra = sorted(name for name in arrays - expected.keys() if not network.is_unused(name, naming))
    missing = [own for name, source in plan.items() if not network.is_optional(name)
               for own, _ in source.parts if own not in state]  # fmt: skip
    if not partial:
        if missing:
            near = difflib.get_close_matches(missing[0], extra, 1, 0.8)
            hint = f"; the nearest there is '{weights.own(near[0])}'" if near else ""
            raise MisfitError(f"missing {named(missing)}{hint}")
        if extra:
            raise MisfitError(f"not part of this configuration: {named(weights.own(name) for name in extra)}")
    out, absent = {}, {}
    for name, source in plan.items():
        problem = None
        for own, shape in source.parts:
            value, called = state.get(own), weights.own(own)
            if value is None:
                problem = None if network.is_optional(name) and not partial else f"has no '{called}'"
                value = None
                break
            if not isinstance(value, np.ndarray):
                problem = f"'{called}' is {value!r:.60}, not a tensor"
            elif value.dtype.kind != "f":
                problem = f"'{called}' is {value.dtype}, not floating point"
            elif (
                value.shape != shape
                and value.size
                and np.squeeze(value).shape == np.squeeze(np.empty(shape, "V0")).shape
            ):
                pass  # [out, in] and [out, in, 1, 1] are the same matrix
            elif value.shape != shape:
                problem = f"'{called}' is {list(value.shape)}, the configuration asks for {list(shape)}"
            elif not np.isfinite(value).all():
                problem = f"'{called}' has values that are not finite"
            elif own.endswith("running_var") and (value < 0).any():
                problem = f"'{called}' has a negative variance"
            if problem:
                break
        if problem and not partial:
            raise MisfitError(problem)
        if problem:
            absent[name] = problem
        elif value is not None:
            made = source.make([np.asarray(state[own]).reshape(shape) for own, shape in source.parts])
            out[name] = torch.tensor(np.ascontiguousarray(made)).to(wanted[name].dtype)
    return (out, absent, extra) if partial else out


def build(config, weights, naming):
    """The module of a configuration with the weights of a file, for evaluation."""
    model = of_config(config).Model(config).eval()
    model.load_state_dict(gather(model, weights, naming), strict=False)
    return model


def count_parameters(model) -> int:
    """What training learns: BatchNorm weight and bias included, running statistics not."""
    return sum(p.numel() for p in model.parameters())
