"""From an image to the network's input and from its logits to a label map, as the protocol of a weight file says.

The reference of what `lemore run` and `lemore eval` do: `preprocessing` is that JSON (weights/README.md).
"""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image


def target_size(size, input_size, preprocessing):
    """Height and width that an image of `size` is resized to."""
    rule = preprocessing.get("size_rule", "exact")
    if rule == "exact":
        target = tuple(input_size)
    elif rule == "native":
        target = tuple(size)
    else:
        long, short = preprocessing["fit"]
        scale = min(long / max(size), short / min(size))
        target = tuple(max(1, int(n * scale + 0.5)) for n in size)
    n = preprocessing.get("divisor", 1)
    return tuple(-(-side // n) * n for side in target)


def _opencv_taps(src, dst, across):
    """OpenCV's taps of one axis for 8-bit pixels: two places and their weights of 11 bits."""
    at = ((np.arange(dst) + 0.5) * (src / dst) - 0.5).astype(np.float32)
    low = np.floor(at).astype(int)
    part = at - low.astype(np.float32)
    if across:
        outside = (low < 0) | (low >= src - 1)
        part[outside] = 0
        low = np.where(outside, np.clip(low, 0, src - 1), low)
    weights = [np.rint(w * np.float32(2048)).astype(np.int64) for w in (np.float32(1) - part, part)]
    return [np.clip(low + i, 0, src - 1) for i in (0, 1)], weights


def resize_opencv(pixels, size):
    """cv2.resize(..., INTER_LINEAR) of uint8 [h, w, channels]: whole numbers all the way."""
    (h, w), (height, width) = pixels.shape[:2], size
    columns, across = _opencv_taps(w, width, True)
    rows, down = _opencv_taps(h, height, False)
    x = pixels.astype(np.int64)
    line = sum(x[:, c] * a[None, :, None] for c, a in zip(columns, across))
    total = sum(((line[r] >> 4) * b[:, None, None]) >> 16 for r, b in zip(rows, down))
    return np.clip((total + 2) >> 2, 0, 255).astype(np.uint8)


def resize_image(image, size, how):
    """uint8 [3, h, w] to float [1, 3, *size], still in 0..255."""
    size = tuple(size)
    if tuple(image.shape[1:]) == size:
        return image[None].float()
    if how == "bilinear":
        return F.interpolate(image[None].float(), size=size, mode="bilinear", align_corners=False)
    pixels = image.permute(1, 2, 0).contiguous().numpy()
    if how == "pillow":
        resized = np.array(Image.fromarray(pixels).resize(size[::-1], Image.BILINEAR))
    else:
        resized = resize_opencv(pixels, size)
    return torch.from_numpy(resized).permute(2, 0, 1)[None].float()


def prepare(image, input_size, preprocessing):
    """The network's input [1, 3, H, W] from uint8 RGB [3, h, w]."""
    x = resize_image(image, target_size(image.shape[1:], input_size, preprocessing), preprocessing["resize"])
    mean, std = (torch.tensor(preprocessing[name], dtype=torch.float32)[:, None, None] for name in ("mean", "std"))
    return (x - mean) / std


def _resized(logits, size):
    if tuple(logits.shape[2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


def window_starts(size, window, stride):
    """Where the windows begin along an axis."""
    count = max(size - window + stride - 1, 0) // stride + 1
    return [max(min(i * stride, size - window), 0) for i in range(count)]


def logits_at_input(model, x, preprocessing):
    """Logits of the whole input, or at its size the mean over the windows that cover each pixel."""
    if preprocessing.get("mode", "whole") == "whole":
        return model(x)
    (height, width), (h, w) = x.shape[2:], preprocessing["window"]
    down, across = preprocessing["stride"]
    total, count = 0, torch.zeros(1, 1, height, width)
    for top in window_starts(height, h, down):
        for left in window_starts(width, w, across):
            part = x[:, :, top : top + h, left : left + w]
            logits = _resized(model(part), part.shape[2:])
            right, below = width - left - part.shape[3], height - top - part.shape[2]
            total = total + F.pad(logits, (left, right, top, below))
            count[:, :, top : top + part.shape[2], left : left + part.shape[3]] += 1
    return total / count


def predict(model, image, input_size, preprocessing):
    """The label map [h, w] of uint8 RGB [3, h, w], at the image's own size. The first maximum wins."""
    x = prepare(image, input_size, preprocessing)
    logits = logits_at_input(model, x, preprocessing)
    if preprocessing["label_map"] == "two_step":
        logits = _resized(logits, x.shape[2:])
    return _resized(logits, image.shape[1:]).argmax(1)[0]
