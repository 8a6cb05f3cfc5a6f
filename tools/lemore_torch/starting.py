"""Starting a training from weights that there are: whatever convert.py takes, and the files that it writes."""

from pathlib import Path

import numpy as np
import torch

from . import loading, networks
from .checkpoint import CheckpointError, Weights
from .folding import fill_from_inference_form
from .networks.lemore import resample_operator


def taken_apart(weights: Weights) -> Weights:
    """The training form of a file that convert.py wrote: weights that evaluate to the same."""
    name = weights.metadata.get("architecture")
    if name not in networks.NETWORKS:
        raise CheckpointError(f"{weights.path}: is of architecture '{name}', which is not known")
    network = networks.NETWORKS[name]
    try:
        model = network.Model(network.Config.from_json(weights.extras.get("config")))
        fill_from_inference_form(model, weights.state)
    except (ValueError, KeyError) as error:
        raise CheckpointError(f"{weights.path}: {error}") from None
    state = {k: v.numpy() for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    return Weights(weights.path, state, {}, weights.extras, {}, weights.notes)


def initialise(model, path, key=None) -> str:
    """Puts the weights of a file into `model`: anything that convert.py takes, and the files that it writes.

    Axis operators are resampled to the model's sizes. Where only the classes differ, the classifier keeps the weights
    that the model had; an ImageNet classifier gives everything but the head. Whatever else does not fit is a
    CheckpointError that names the tensor. Returns one line that says what was done.

    In a file of convert.py BatchNorm is folded. It is taken apart exactly as far as evaluation goes: each norm becomes
    scale 1, and its statistics those that change nothing. Training normalises with the batch's own statistics, which
    that does not foresee: call settle_norms() with a few batches before training goes on.
    """
    weights = loading.read(path, key)
    folded = weights.folded
    if folded:
        weights = taken_apart(weights)
    network = networks.of_model(model)
    naming = network.recognise(weights.state)
    if naming is None:
        other, _ = networks.of_state(weights.state)
        kind = f"holds a {other.NAME} network" if other else "holds none of its tensors"
        raise CheckpointError(f"{path}: does not fit the configuration of {network.NAME}: {kind}")
    chosen, absent, extra = networks.gather(model, weights, naming, partial=True)
    wanted, resampled = model.state_dict(), 0
    for name in [n for n in absent if n.endswith((".frontal.weight", ".lateral.weight"))]:
        array, size = weights.state.get(network.sources(name, (), naming).parts[0][0]), wanted[name].shape[0]
        if isinstance(array, np.ndarray) and array.ndim == 4 and array.shape == (len(array), len(array), 1, 1):
            operator = torch.tensor(array)[:, :, 0, 0].double()
            chosen[name] = resample_operator(operator, size)[:, :, None, None].to(wanted[name].dtype)
            resampled += 1
            del absent[name]
    head, classifier = tuple(type(model).HEAD), tuple(type(model).CLASSIFIER)
    other_head = not any(name.startswith(head) for name in chosen)
    kept = [name for name in absent if name.startswith(head if other_head else classifier)]
    misfits = [problem for name, problem in absent.items() if name not in kept]
    if not kept or not other_head:
        misfits += [f"'{weights.own(name)}' is not part of it" for name in extra if not name.startswith(classifier)]
    if misfits:
        more = f" (and {len(misfits) - 1} more)" if len(misfits) > 1 else ""
        raise CheckpointError(f"{path}: does not fit the configuration: {misfits[0]}{more}")
    model.load_state_dict(chosen, strict=False)
    said = [f"starts from {Path(path).name}"]
    if kept:
        said.append("its encoder only, the head anew" if other_head else "the classifier anew, as the classes differ")
    if resampled:
        said.append(f"{resampled} axis operators resampled")
    if folded:
        said.append("norms taken apart from the folded weights")
    return ", ".join(said + weights.notes)


def settle_norms(model, batches) -> None:
    """Gives every BatchNorm the statistics of its input over `batches` and the scale and shift that leave the model's
    evaluation as it is. After it, training (which uses the batch's statistics) computes what evaluation does."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    sums = {norm: [0, 0.0, 0.0] for norm in norms}

    def hook(norm, inputs, _output):
        x = inputs[0].detach().double()
        entry = sums[norm]
        entry[0] += x.numel() // x.shape[1]
        entry[1] = entry[1] + x.sum((0, 2, 3))
        entry[2] = entry[2] + (x * x).sum((0, 2, 3))

    hooks = [norm.register_forward_hook(hook) for norm in norms]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()
            for batch in batches:
                model(batch)
    finally:
        for each in hooks:
            each.remove()
        model.train(training)
    with torch.no_grad():
        for norm, (count, total, squares) in sums.items():
            if count == 0:
                continue
            scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
            shift = norm.bias.double() - norm.running_mean.double() * scale
            mean = total / count
            variance = (squares / count - mean * mean).clamp(min=0)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_(scale * torch.sqrt(variance + norm.eps))
            norm.bias.copy_(shift + scale * mean)
