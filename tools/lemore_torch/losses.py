"""Training losses for segmentation with rare classes."""

import torch
import torch.nn.functional as F

from .data import IGNORE


def class_weights(frequencies: torch.Tensor, power: float) -> torch.Tensor:
    """(median / share)^power, within 0.25..4; power 0 weighs all alike."""
    present = frequencies > 0
    median = frequencies[present].median()
    weights = (median / frequencies.clamp(min=1e-12)).pow(power).clamp(0.25, 4)
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


def segmentation_loss(logits, target, weights, stride: int, lovasz: float, hard: float):
    """Weighted cross entropy at 1/stride of the target's size, plus `lovasz` times the Lovasz loss at 1/4.

    logits [n, c, h, w]; target uint8 [n, H, W]. With hard < 1 only that share of the pixels, the worst, counts.
    """
    size = [-(-n // stride) for n in target.shape[1:]]
    fine = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    wanted = target[:, stride // 2 :: stride, stride // 2 :: stride] if stride > 1 else target
    if list(wanted.shape[1:]) != size:
        wanted = F.interpolate(target[:, None].float(), size=size, mode="nearest-exact")[:, 0]
    wanted = wanted.long()
    if hard < 1:
        each = F.cross_entropy(fine, wanted, weights, ignore_index=IGNORE, reduction="none").flatten()
        count = max(1, int(hard * (wanted != IGNORE).sum().item()))
        loss = each.topk(count).values.mean()
    elif (wanted != IGNORE).any():
        loss = F.cross_entropy(fine, wanted, weights, ignore_index=IGNORE)
    else:
        loss = fine.sum() * 0
    if lovasz:
        step = max(1, 4 // stride)
        loss = loss + lovasz * lovasz_softmax(fine[:, :, ::step, ::step], wanted[:, ::step, ::step])
    return loss
