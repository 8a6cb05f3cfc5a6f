"""Training losses for segmentation with rare classes."""

import torch
import torch.nn.functional as F

from .data import IGNORE


def class_weights(frequencies: torch.Tensor, power: float, cap: float = 4.0) -> torch.Tensor:
    """(median / share)^power, within 1 / cap and cap; power 0 weighs all alike."""
    present = frequencies > 0
    median = frequencies[present].median()
    weights = (median / frequencies.clamp(min=1e-12)).pow(power).clamp(1 / cap, cap)
    return torch.where(present, weights, torch.ones_like(weights)).float()


def lovasz_softmax(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The Lovasz extension of 1 - IoU (Berman et al. 2018), mean over the classes present. logits [n, c, h, w]."""
    keep = (target != IGNORE).flatten()
    probability = logits.softmax(1).permute(0, 2, 3, 1).reshape(-1, logits.shape[1])[keep]
    target = target.flatten()[keep]
    losses = []
    for c in torch.unique(target).tolist():
        truth = (target == c).float()
        error, order = (truth - probability[:, c]).abs().sort(descending=True)
        truth = truth[order]
        total = truth.sum()
        jaccard = 1 - (total - truth.cumsum(0)) / (total + (1 - truth).cumsum(0))
        losses.append((error * torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])).sum())
    return sum(losses) / max(1, len(losses)) if losses else logits.sum() * 0


def edges(labels: torch.Tensor) -> torch.Tensor:
    """Whether a pixel has a neighbour of another class, float [n, h, w]; what is ignored makes no edge."""
    value = labels[:, None].float()
    ignored = value == IGNORE
    high = F.max_pool2d(value.masked_fill(ignored, -1.0), 3, 1, 1)
    low = -F.max_pool2d(-value.masked_fill(ignored, float(IGNORE)), 3, 1, 1)
    return ((high > low) & ~ignored)[:, 0].float()


def sampled(labels: torch.Tensor, stride: int, size) -> torch.Tensor:
    """Every stride-th pixel of uint8 labels [n, H, W] (those in the middle of each step), as [n, *size]."""
    chosen = labels[:, stride // 2 :: stride, stride // 2 :: stride] if stride > 1 else labels
    if list(chosen.shape[1:]) != list(size):
        chosen = F.interpolate(labels[:, None].float(), size=size, mode="nearest-exact")[:, 0]
    return chosen.long()


def cross_entropy(logits, wanted, weights, factor=None, hard=1.0):
    """Cross entropy with class weights, and with a factor for each pixel; the mean over what counts. With hard < 1
    only that share of the pixels, the worst, counts."""
    if not (wanted != IGNORE).any():
        return logits.sum() * 0
    if factor is None and hard == 1:
        return F.cross_entropy(logits, wanted, weights, ignore_index=IGNORE)
    each = F.cross_entropy(logits, wanted, weights, ignore_index=IGNORE, reduction="none")
    each = each if factor is None else each * factor
    if hard < 1:
        return each.flatten().topk(max(1, int(hard * (wanted != IGNORE).sum().item()))).values.mean()
    total = torch.cat([weights, weights.new_zeros(IGNORE + 1 - len(weights))])[wanted] * factor
    return each.sum() / total.sum().clamp(min=1e-6)


def segmentation_loss(
    logits, target, weights, stride: int, lovasz: float, hard: float, trust=None, boundary: float = 0.0
):
    """Weighted cross entropy at 1/stride of the target's size, plus `lovasz` times the Lovasz loss at 1/4.

    logits [n, c, h, w]; target uint8 [n, H, W]; trust float [n, H, W], the weight of each pixel in the cross entropy;
    `boundary` is added to the weight of pixels at an edge between classes. With hard < 1 only that share of the pixels,
    the worst, counts.
    """
    size = [-(-n // stride) for n in target.shape[1:]]
    fine = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    wanted = sampled(target, stride, size)
    factor = trust if trust is None else trust[:, stride // 2 :: stride, stride // 2 :: stride]
    if boundary:
        at_edge = 1 + boundary * edges(wanted)
        factor = at_edge if factor is None else factor * at_edge
    loss = cross_entropy(fine, wanted, weights, factor, hard)
    if lovasz:
        step = max(1, 4 // stride)
        loss = loss + lovasz * lovasz_softmax(fine[:, :, ::step, ::step], wanted[:, ::step, ::step])
    return loss


def distillation_loss(logits, probabilities, target, agreeing: bool):
    """Cross entropy with a teacher's probabilities [n, c, h, w] (sums of 1, or of 0 where nothing is known), the
    mean over the pixels that count. With `agreeing` those are the ones where the teacher's best class is the label."""
    logits = F.interpolate(logits, size=probabilities.shape[2:], mode="bilinear", align_corners=False)
    known = probabilities.sum(1) > 0.5
    if agreeing:
        stride = target.shape[1] // logits.shape[2]
        known &= probabilities.argmax(1) == sampled(target, stride, logits.shape[2:])
    each = -(probabilities * logits.log_softmax(1)).sum(1)
    return (each * known).sum() / known.sum().clamp(min=1)
