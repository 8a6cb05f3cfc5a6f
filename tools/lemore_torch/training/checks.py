"""What would be silently wrong with a data set: refused where nothing can be learnt, else said."""

from ..data import DataError


def _some(names, limit=8):
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(f"'{n}'" for n in names[:limit]) + more


def _hint(split, label_map):
    """Where the only class is the first and the rest is ignored, masks of 0 and 255 are likely."""
    labels = split.labels
    others = [name for name, count in zip(labels.names, split.pixels) if count]
    if label_map is None and split.ignored and len(labels.names) == 2 and others in ([], labels.names[:1]):
        return (f"; if {labels.ignore_label} stands for '{labels.names[1]}', say so with --label-map FILE: "
                f'{{"values": {{"0": "{labels.names[0]}", "{labels.ignore_label}": "{labels.names[1]}"}}}}')  # fmt: skip
    return ""


def check_classes(train, val, label_map=None):
    """Lines to be shown about classes that no pixel has and labels that are ignored as a whole.

    Errors    DataError where a split has no labelled pixel, or the training set only one class of several.
    """
    notes = []
    for name, split in (("train", train), ("val", val)):
        where, hint = split.folder / "labels", _hint(split, label_map)
        if not any(split.pixels):
            raise DataError(f"{where}: every pixel is ignored{hint}")
        missing = split.missing()
        if split is train and len(missing) == len(split.labels.names) - 1 > 0:
            only = next(n for n, count in zip(split.labels.names, split.pixels) if count)
            raise DataError(f"{where}: '{only}' is the only class with pixels, nothing can be learnt from that{hint}")
        if missing:
            lost = "is never learnt" if split is train else "is never scored"
            each = lost if len(missing) == 1 else lost.replace("is", "are", 1)
            notes.append(f"no pixel in {name} of {_some(missing)}, which {each}{hint}")
        if split.unlabelled:
            notes.append(f"{len(split.unlabelled)} of the {len(split)} labels in {name} are ignored as a whole, "
                         f"{split.unlabelled[0]} is the first")  # fmt: skip
    return notes
