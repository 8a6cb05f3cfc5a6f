"""A network of ten layers, which shows how one is added (CONTRIBUTING.md)."""

from dataclasses import asdict, dataclass
from typing import Tuple

import torch
import torch.nn.functional as F
from torch import nn

from .. import fields
from .lemore import ConvBN, InvertedResidual, InvertedResidualConfig, Source, resize

NAME = "tiny"
NAMINGS = ("tiny",)
MIN_SIDE = 8


@dataclass
class Config:
    input_size: Tuple[int, int] = (64, 64)
    num_classes: int = 3
    channels: int = 8
    head_channels: int = 16

    @property
    def outputs(self) -> int:
        return self.num_classes

    def to_json(self) -> dict:
        return {**asdict(self), "input_size": list(self.input_size)}

    @staticmethod
    def from_json(value) -> "Config":
        default = Config().to_json()
        v = {**default, **fields.check_object(value, "config", tuple(default))}
        return Config(
            fields.integers(v["input_size"], "config.input_size", 2, MIN_SIDE, fields.MAX_SIZE),
            fields.integer(v["num_classes"], "config.num_classes", 1, fields.MAX_CLASSES),
            fields.integer(v["channels"], "config.channels", 1, fields.MAX_CHANNELS),
            fields.integer(v["head_channels"], "config.head_channels", 1, fields.MAX_CHANNELS),
        )


class Tiny(nn.Module):
    """Normalised RGB [n, 3, h, w] to logits [n, classes, h/4, w/4]. Its layers fold without a word from here."""

    HEAD = ("lateral.", "classifier.")
    CLASSIFIER = ("classifier.",)

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        c, head, block = config.channels, config.head_channels, InvertedResidualConfig(2, 3)
        self.entry = ConvBN(3, c, 3, 2)
        self.blocks = nn.ModuleList([InvertedResidual(c, 2 * c, 2, block), InvertedResidual(2 * c, 3 * c, 2, block)])
        self.lateral = nn.ModuleList([ConvBN(2 * c, head), ConvBN(3 * c, head)])
        self.classifier = nn.Conv2d(head, config.num_classes, 1)

    def forward(self, image):
        return self.run(image)["output"]

    def run(self, image):
        stages = {"entry": F.relu6(self.entry(image))}
        fine = stages["blocks.0"] = self.blocks[0](stages["entry"])
        coarse = stages["blocks.1"] = self.blocks[1](fine)
        stages["sum"] = self.lateral[0](fine) + resize(self.lateral[1](coarse), fine.shape[2:])
        stages["output"] = self.classifier(stages["sum"])
        return stages


Model = Tiny


def run_with_stages(model, image):
    with torch.no_grad():
        return model.eval().run(image)


def count_macs(c: Config, height: int, width: int) -> int:
    h, w = (-(-side // 2) for side in (height, width))
    total, n = h * w * 27 * c.channels, c.channels
    for out in (2 * c.channels, 3 * c.channels):
        total += h * w * n * 2 * n
        h, w = -(-h // 2), -(-w // 2)
        total += h * w * (9 * 2 * n + 2 * n * out + out * c.head_channels)
        n = out
        if out == 2 * c.channels:
            total += h * w * c.head_channels * c.num_classes
    return total


def sources(name, shape, _naming) -> Source:
    return Source([(name, shape)])


def recognise(state):
    return "tiny" if "lateral.0.conv.weight" in state else None


def configuration(_state, _naming, given) -> dict:
    return given


def folded_away(_config, _stage) -> bool:
    return False


def is_optional(_name) -> bool:
    return False


def is_unused(_name, _naming) -> bool:
    return False
