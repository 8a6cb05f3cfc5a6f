"""Segmentation scores from integer confusion counts, at the label's own size."""

import numpy as np
import torch
import torch.nn.functional as F

from .data import IGNORE, normalise


def logits_of(model, image: torch.Tensor, size, device="cpu") -> torch.Tensor:
    """Logits [1, classes, h/8, w/8] of a uint8 image [3, H, W] resized to `size` (float bilinear, no antialiasing)."""
    x = image[None].to(device).float()
    if tuple(x.shape[2:]) != tuple(size):
        x = F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)
    return model(normalise(x).contiguous(memory_format=torch.channels_last))


def label_map(logits: torch.Tensor, size, two_step=None) -> torch.Tensor:
    """Logits resized straight to `size` (through the input size `two_step` first, if given), then argmax: [h, w]."""
    for target in ([two_step] if two_step else []) + [size]:
        logits = F.interpolate(logits, size=tuple(target), mode="bilinear", align_corners=False)
    return logits.argmax(1)[0]


def confusion(prediction: torch.Tensor, label: torch.Tensor, classes: int) -> np.ndarray:
    """Counts [truth, prediction] over the pixels that are not ignored."""
    keep = label != IGNORE
    index = label[keep].long() * classes + prediction[keep].cpu().long()
    return torch.bincount(index, minlength=classes * classes).reshape(classes, classes).numpy()


def scores(counts: np.ndarray, names) -> dict:
    """IoU and accuracy; classes in neither truth nor prediction are left out of the means (null in the list)."""
    hit, truth, predicted = np.diag(counts).astype(float), counts.sum(1).astype(float), counts.sum(0).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        iou, accuracy = hit / (truth + predicted - hit), hit / truth

    def mean(values):
        return float(np.nanmean(values)) if not np.isnan(values).all() else 0.0

    def number(value):
        return None if np.isnan(value) else float(value)

    return {
        "miou": mean(iou),
        "mean_accuracy": mean(accuracy),
        "pixel_accuracy": float(hit.sum() / max(1.0, truth.sum())),
        "classes": [{"name": n, "iou": number(i), "accuracy": number(a)} for n, i, a in zip(names, iou, accuracy)],
        "confusion": counts.tolist(),
    }


def evaluate(model, items, names, size, device="cpu", predict=None) -> dict:
    """Scores of `model` over (uint8 image, label) pairs, each resized to `size`; `predict` makes the label map of
    an image where that is not all there is to it."""
    counts = np.zeros((len(names), len(names)), np.int64)
    model.eval()
    with torch.no_grad():
        for image, label in items:
            made = predict(image) if predict else label_map(logits_of(model, image, size, device), label.shape)
            counts += confusion(made, label, len(names))
    return scores(counts, names)
