"""Data sets: one split kept in memory, or decoded once into a memory-mapped file with what a recipe adds to it;
mixtures."""

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
import torch

from .. import images as pictures
from ..data import IGNORE, DataError, Labels, pairs, read_pair
from ..label_map import LabelMap
from .augmentation import Sample
from .recipe import SetSource

KINDS = ("image", "label", "trust", "soft")
FORMAT = 1  # of the prepared files
SOME_PIXELS = 50  # fewer pixels of a class don't make an image one of its images


def _split_names(path) -> Dict[str, str]:
    """Which split each name of a split file belongs to."""
    out = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    for number, line in enumerate(lines, 1):
        name, _, split = line.partition("\t")
        if split not in ("train", "val") or name in out:
            raise DataError(f"{path}: line {number}: expected NAME, a tab and train or val, each name once, "
                            f"got '{line[:60]}'")  # fmt: skip
        out[name] = split
    return out


def _files(root, source: SetSource, split) -> List[tuple]:
    folder = root / source.folder
    if source.split is None:
        return pairs(folder / split / "images", folder / split / "labels")
    names = _split_names(folder / source.split)
    found = pairs(folder / "images", folder / "labels")
    unknown = [image for image, _ in found if image.stem not in names]
    if unknown:
        raise DataError(f"{unknown[0]}: is not in {folder / source.split}")
    chosen = [files for files in found if names[files[0].stem] == split]
    if not chosen:
        raise DataError(f"{folder / source.split}: no image of '{split}'")
    return chosen


def _read_trust(path, shape) -> np.ndarray:
    try:
        data = path.read_bytes()
        if pictures.format_of(data) != "PNG":
            raise pictures.ImageError(f"{pictures.format_of(data) or 'not a picture'}; trust is a gray PNG")
        values = pictures.png_samples(data).values
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except pictures.ImageError as error:
        raise DataError(f"{path}: {error}") from None
    if values.shape != shape or values.dtype != np.uint8:
        raise DataError(f"{path}: expected a gray PNG of 8 bits and {shape}, got {values.dtype} {values.shape}")
    return values


def _read_soft(path, classes) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as file:
            values = file["prob"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: expected an array 'prob' ({error})") from None
    if values.dtype != np.uint8 or values.ndim != 3 or len(values) != classes:
        raise DataError(f"{path}: expected uint8 [{classes}, h, w], got {values.dtype} {list(values.shape)}")
    return values


def _count(label):
    """Pixels of each value of a label, int64 [256]."""
    return torch.bincount(label.flatten().long(), minlength=256)


class _Split:
    """What is counted of a split. `counts` int64 [images, 256] are the pixels of each class in each image."""

    def count(self, files, labels, counts):
        self.files, self.labels, self.counts = files, labels, counts
        self.pixels, self.ignored = counts.sum(0)[: len(labels.names)].tolist(), int(counts[:, IGNORE].sum())
        self.unlabelled = [paths[1] for paths, count in zip(files, counts) if count[IGNORE] == count.sum()]

    def __len__(self):
        return len(self.files)

    def missing(self) -> List[str]:
        """Names of the classes that no pixel has."""
        return [name for name, count in zip(self.labels.names, self.pixels) if count == 0]


class SegmentationSet(_Split):
    """All images and labels of one split, decoded once and kept as uint8."""

    def __init__(self, folder, labels: Labels, label_map: Optional[LabelMap] = None, pattern=None, recursive=False):
        self.folder = Path(folder)
        files = pairs(self.folder / "images", self.folder / "labels", pattern, recursive)
        self.samples = [Sample(*read_pair(*paths, labels, label_map)) for paths in files]
        self.count(files, labels, torch.stack([_count(sample.label) for sample in self.samples]))

    def sample(self, index) -> Sample:
        return self.samples[index]

    def items(self):
        """(image, label) of every pair."""
        for sample in self.samples:
            yield sample.image, sample.label


class PreparedSet(_Split):
    """One split of one data set. The arrays lie in a file in the cache folder, which is made anew when the files of the
    data set or the labels change; several runs may share the folder."""

    def __init__(self, name, root, source: SetSource, labels: Labels, split, cache):
        self.name, self.source, self.labels = name, source, labels
        self.folder = Path(root) / source.folder / ("" if source.split else split)
        self.files = _files(Path(root), source, split)
        self.extra = {"trust": None if source.trust is None else Path(root) / source.folder / source.trust,
                      "soft": None if source.soft is None or split != "train" else Path(root) / source.soft}  # fmt: skip
        key = hashlib.sha256()
        key.update(json.dumps([FORMAT, labels.to_json(), sorted(self.extra.items(), key=str)], default=str).encode())
        for image, label in self.files:
            others = [self.path_of(kind, image) for kind, folder in self.extra.items() if folder]
            try:
                stats = [(str(path), path.stat()) for path in (image, label, *others)]
            except OSError as error:
                raise DataError(f"{error.filename}: {error.strerror}") from None
            key.update(json.dumps([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]).encode())
        stem = Path(cache) / f"{name}-{split}-{key.hexdigest()[:16]}"
        self.data_file, self.index_file = stem.with_suffix(".bin"), stem.with_suffix(".json")
        if not self.index_file.is_file():
            self._prepare()
        index = json.loads(self.index_file.read_text(encoding="utf-8"))
        self.table = index["items"]
        self.count(self.files, labels, torch.tensor(index["counts"], dtype=torch.int64))
        self.data = torch.from_numpy(np.memmap(self.data_file, np.uint8, mode="c"))
        self.stretches = [self._stretch(i) for i in range(len(self.files))]

    def path_of(self, kind, image) -> Path:
        return self.extra[kind] / f"{image.stem}{'.png' if kind == 'trust' else '.npz'}"

    def _prepare(self):
        self.data_file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.data_file.with_name(f".{self.data_file.name}.{os.getpid()}.tmp")
        items, counts, offset = [], [], 0
        try:
            with open(temporary, "wb") as file:
                for image_path, label_path in self.files:
                    image, label = read_pair(image_path, label_path, self.labels)
                    arrays = {"image": image.numpy(), "label": label.numpy()}
                    if self.extra["trust"]:
                        arrays["trust"] = _read_trust(self.path_of("trust", image_path), tuple(label.shape))
                    if self.extra["soft"]:
                        arrays["soft"] = _read_soft(self.path_of("soft", image_path), len(self.labels.names))
                    entry = {}
                    for kind, array in arrays.items():
                        file.write(np.ascontiguousarray(array).tobytes())
                        entry[kind] = [offset, *array.shape]
                        offset += array.size
                    items.append(entry)
                    counts.append(_count(label).tolist())
            os.replace(temporary, self.data_file)
            temporary.write_text(json.dumps({"items": items, "counts": counts}), encoding="utf-8")
            os.replace(temporary, self.index_file)
        finally:
            temporary.unlink(missing_ok=True)

    def _array(self, entry, kind):
        if kind not in entry:
            return None
        offset, *shape = entry[kind]
        return self.data[offset : offset + int(np.prod(shape))].reshape(shape)

    def _stretch(self, index):
        """By how much the image has to be widened for the aspect that its name stands for."""
        name, (_, _, height, width) = self.files[index][0].name, self.table[index]["image"]
        for prefix, aspect in self.source.aspect.items():
            if name.startswith(prefix):
                return aspect * height / width
        return 1.0

    def sample(self, index) -> Sample:
        entry = self.table[index]
        return Sample(*(self._array(entry, kind) for kind in KINDS), stretch=self.stretches[index])

    def items(self):
        """(image, label) of every pair."""
        for entry in self.table:
            yield self._array(entry, "image"), self._array(entry, "label")


class Mixture(_Split):
    """Several data sets as one: what is counted over all of them, and the images of an epoch."""

    def __init__(self, sets: Dict[str, _Split], labels: Labels):
        self.sets, self.folder = sets, next(iter(sets.values())).folder
        self.count(
            [paths for s in sets.values() for paths in s.files], labels, torch.cat([s.counts for s in sets.values()])
        )

    def sample(self, name, index) -> Sample:
        return self.sets[name].sample(index)

    def frequencies(self, shares) -> torch.Tensor:
        """Share of each class among the labelled pixels of images drawn by `shares`, float64 [classes]."""
        total = torch.zeros(len(self.labels.names), dtype=torch.float64)
        for name, share in shares.items():
            count = torch.tensor(self.sets[name].pixels, dtype=torch.float64)
            total += share * count / max(1, len(self.sets[name]))
        return total / total.sum().clamp(min=1e-300)

    def order(self, shares, count, balance, generator):
        """(set, index) of the images of an epoch: exactly `count` of them in the sets' shares, in random order. With
        `balance` the images of rare classes come more often."""
        out, total, done, ends = [], sum(shares.values()), 0, 0.0
        for name, share in shares.items():
            ends += share / total
            number = round(ends * count) - done
            done += number
            size = len(self.sets[name])
            if balance:
                chosen = generator.choice(size, number, p=self._chances(name, balance))
            else:  # every image once before any comes twice
                rounds = [generator.permutation(size) for _ in range(-(-number // size))]
                chosen = np.concatenate(rounds)[:number] if rounds else []
            out += [(name, int(i)) for i in chosen]
        return [out[i] for i in generator.permutation(len(out))]

    def _chances(self, name, balance):
        has = (self.sets[name].counts[:, : len(self.labels.names)].numpy() >= SOME_PIXELS).astype(float)
        score = (has / np.maximum(1, has.sum(0))).sum(1)
        even = np.full(len(has), 1 / len(has))
        return even if not score.sum() else (1 - balance) * even + balance * score / score.sum()
