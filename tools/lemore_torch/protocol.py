"""How the authors of a form of a network prepare images and make label maps, where the file itself does not say."""

from .data import MEAN, STD

PROTOCOLS = ("ade20k", "ade20k-640", "cityscapes", "coco-stuff", "plain")


def plain() -> dict:
    """The whole image resized to the input size, as this package trains and evaluates."""
    return {"channel_order": "rgb", "mean": list(MEAN), "std": list(STD), "resize": "bilinear", "label_map": "direct"}


def by_classes(count):
    """The data set that a number of classes stands for, or None."""
    return {150: "ade20k", 19: "cityscapes", 171: "coco-stuff"}.get(count)


def of_form(naming, name, offset_learning) -> tuple:
    """(input size, preprocessing) of the protocol `name` for SegFormers of `naming`."""
    if name == "plain":
        return [512, 512], plain()
    out = {**plain(), "resize": "opencv", "label_map": "two_step"}
    if name == "cityscapes":
        out.update(size_rule="native", mode="slide", window=[1024, 1024], stride=[768, 768])
        return [1024, 1024], out
    if naming.startswith("hf"):
        side = 640 if name == "ade20k-640" else 512
        return [side, side], {**plain(), "resize": "pillow", "size_rule": "exact", "mode": "whole"}
    short = 640 if name == "ade20k-640" else 512
    out.update(size_rule="fit", fit=[2048, short], mode="whole")
    if offset_learning:
        out.update(mode="slide", window=[512, 512], stride=[480, 480])
    elif naming.startswith("nvlabs"):
        out.update(divisor=32)
    return [short, short], out
