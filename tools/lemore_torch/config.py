"""The configuration of a LeMoRe network: JSON that travels with the weights."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional, Tuple

VIEWS = ("transverse", "frontal", "lateral")
ATTENTION_KINDS = ("coordinate", "channel", None)

# Bounds the C++ reader enforces too (src/config/lemore_config.cpp): far beyond any sensible network.
MAX_SIZE = 16384
MAX_CHANNELS = 8192
MAX_LAYERS = 64
MAX_WIDE_CHANNELS = 65536
MAX_WEIGHT_BYTES = 1 << 31
MAX_CLASSES = 256  # a label map has 8 bits a pixel
MAX_CLASSIFIER_CLASSES = 65536


class ConfigError(ValueError):
    """A configuration that names no network; the message says the field, what was expected and what came."""


@dataclass
class InvertedResidualConfig:
    expansion: int = 6
    kernel: int = 3


@dataclass
class StageConfig:
    channels: int
    down: InvertedResidualConfig = field(default_factory=InvertedResidualConfig)
    blocks: List[InvertedResidualConfig] = field(default_factory=list)


@dataclass
class NestedConfig:
    enabled: bool = True
    layers: int = 3
    branches: int = 3
    heads: int = 1
    key_dim: int = 48
    value_dim: int = 64


def _default_stages():
    residual = InvertedResidualConfig
    return [
        StageConfig(16),
        StageConfig(40),
        StageConfig(80, blocks=[residual(3, 3)]),
        StageConfig(96, blocks=[residual(6, 5)]),
    ]


@dataclass
class Config:
    """Defaults are the published LeMoRe for 512x512 and 150 classes."""

    input_size: Tuple[int, int] = (512, 512)
    num_classes: int = 150
    stem_channels: int = 16
    stages: List[StageConfig] = field(default_factory=_default_stages)
    views: Tuple[str, ...] = VIEWS
    dilation: int = 2
    attention: Optional[str] = "coordinate"
    skip: bool = True
    token_stride: int = 64
    nested: NestedConfig = field(default_factory=NestedConfig)
    ffn_expansion: int = 2
    fusion_channels: int = 128
    fusion_stride: int = 8
    classes_only: Optional[int] = None

    @property
    def token_channels(self) -> int:
        return sum(stage.channels for stage in self.stages)

    def to_json(self) -> dict:
        def residual(block):
            return {"expansion": block.expansion, "kernel": block.kernel}

        out = {
            "input_size": list(self.input_size),
            "num_classes": self.num_classes,
            "stem_channels": self.stem_channels,
            "stages": [
                {"channels": s.channels, "down": residual(s.down), "blocks": [residual(b) for b in s.blocks]}
                for s in self.stages
            ],
            "views": list(self.views),
            "dilation": self.dilation,
            "attention": self.attention,
            "skip": self.skip,
            "token_stride": self.token_stride,
            "nested": dict(self.nested.__dict__),
            "ffn_expansion": self.ffn_expansion,
            "fusion_channels": self.fusion_channels,
            "fusion_stride": self.fusion_stride,
        }
        if self.classes_only is not None:
            out["classes_only"] = self.classes_only
        return out

    @staticmethod
    def from_json(value: dict) -> "Config":
        return _Reader(value).config()

    @staticmethod
    def load(path) -> "Config":
        try:
            return Config.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {error}") from None


class _Reader:
    """Strict reading: unknown fields and wrong types are errors, absent fields take the published value."""

    def __init__(self, value):
        self.value = value

    @staticmethod
    def _fields(value, where, known):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: expected an object, got {json.dumps(value)[:60]}")
        for key in value:
            if key not in known:
                raise ConfigError(f"{where}: unknown field '{key}'")
        return value

    @staticmethod
    def _int(value, where, low, high):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ConfigError(f"{where}: expected an integer in {low}..{high}, got {json.dumps(value)[:60]}")
        return value

    @staticmethod
    def _bool(value, where):
        if not isinstance(value, bool):
            raise ConfigError(f"{where}: expected true or false, got {json.dumps(value)[:60]}")
        return value

    @staticmethod
    def _list(value, where, low, high):
        if not isinstance(value, list) or not low <= len(value) <= high:
            raise ConfigError(f"{where}: expected a list of {low}..{high} items, got {json.dumps(value)[:60]}")
        return value

    def _residual(self, value, where):
        self._fields(value, where, ("expansion", "kernel"))
        kernel = self._int(value.get("kernel", 3), f"{where}.kernel", 3, 5)
        if kernel not in (3, 5):
            raise ConfigError(f"{where}.kernel: expected 3 or 5, got {kernel}")
        return InvertedResidualConfig(self._int(value.get("expansion", 6), f"{where}.expansion", 1, 64), kernel)

    def _stage(self, value, where):
        self._fields(value, where, ("channels", "down", "blocks"))
        blocks = self._list(value.get("blocks", []), f"{where}.blocks", 0, MAX_LAYERS)
        return StageConfig(
            self._int(value.get("channels"), f"{where}.channels", 1, MAX_CHANNELS),
            self._residual(value.get("down", {}), f"{where}.down"),
            [self._residual(b, f"{where}.blocks[{j}]") for j, b in enumerate(blocks)],
        )

    def _nested(self, value):
        where = "config.nested"
        self._fields(value, where, NestedConfig().__dict__)
        default = NestedConfig()
        nested = NestedConfig(
            self._bool(value.get("enabled", default.enabled), f"{where}.enabled"),
            self._int(value.get("layers", default.layers), f"{where}.layers", 0, MAX_LAYERS),
            self._int(value.get("branches", default.branches), f"{where}.branches", 1, 16),
            self._int(value.get("heads", default.heads), f"{where}.heads", 1, 64),
            self._int(value.get("key_dim", default.key_dim), f"{where}.key_dim", 1, MAX_CHANNELS),
            self._int(value.get("value_dim", default.value_dim), f"{where}.value_dim", 1, MAX_CHANNELS),
        )
        for name in ("key_dim", "value_dim"):
            if getattr(nested, name) % nested.heads:
                raise ConfigError(
                    f"{where}.{name}: expected a multiple of heads ({nested.heads}), got {getattr(nested, name)}"
                )
        return nested

    def config(self) -> Config:
        where, default = "config", Config()
        v = self._fields(self.value, where, default.__dict__)
        size = self._list(v.get("input_size", list(default.input_size)), f"{where}.input_size", 2, 2)
        stages = v.get("stages")
        if stages is not None:
            self._list(stages, f"{where}.stages", 1, 8)
            stages = [self._stage(s, f"{where}.stages[{i}]") for i, s in enumerate(stages)]
        views = self._list(v.get("views", list(default.views)), f"{where}.views", 1, len(VIEWS))
        for view in views:
            if view not in VIEWS or views.count(view) > 1:
                raise ConfigError(
                    f"{where}.views: expected distinct names of {', '.join(VIEWS)}, got {json.dumps(view)}"
                )
        attention = v.get("attention", default.attention)
        if attention not in ATTENTION_KINDS:
            raise ConfigError(f"{where}.attention: expected coordinate, channel or null, got {json.dumps(attention)}")
        classes_only = v.get("classes_only")
        if classes_only is not None:
            self._int(classes_only, f"{where}.classes_only", 1, MAX_CLASSIFIER_CLASSES)

        def integer(name, low, high):
            return self._int(v.get(name, getattr(default, name)), f"{where}.{name}", low, high)

        read = Config(
            input_size=tuple(self._int(n, f"{where}.input_size", 32, MAX_SIZE) for n in size),
            num_classes=integer("num_classes", 1, MAX_CLASSES if classes_only is None else MAX_CLASSIFIER_CLASSES),
            stem_channels=integer("stem_channels", 1, MAX_CHANNELS),
            stages=stages or default.stages,
            views=tuple(view for view in VIEWS if view in views),
            dilation=integer("dilation", 1, 64),
            attention=attention,
            skip=self._bool(v.get("skip", default.skip), f"{where}.skip"),
            token_stride=integer("token_stride", 1, 1024),
            nested=self._nested(v.get("nested", {})),
            ffn_expansion=integer("ffn_expansion", 1, 64),
            fusion_channels=integer("fusion_channels", 1, MAX_CHANNELS),
            fusion_stride=integer("fusion_stride", 1, 1024),
            classes_only=classes_only,
        )
        self._check_size(read)
        return read

    @staticmethod
    def _check_size(c: Config):
        """Refuses what the bounds of single fields let through together."""

        def at_most(what, value, high=MAX_WIDE_CHANNELS):
            if value > high:
                raise ConfigError(f"config.{what}: expected at most {high}, got {value}")

        in_c = c.stem_channels
        for i, stage in enumerate(c.stages):
            at_most(f"stages[{i}].down: input channels x expansion", in_c * stage.down.expansion)
            in_c = stage.channels
            for block in stage.blocks:
                at_most(f"stages[{i}].blocks: channels x expansion", in_c * block.expansion)
        at_most("ffn_expansion x token channels", c.ffn_expansion * c.token_channels)
        if c.nested.enabled:
            wide = 2 * c.nested.branches * c.nested.key_dim + c.nested.value_dim
            at_most("nested: 2 x branches x key_dim + value_dim", wide)
        if 4 * weight_floats(c) > MAX_WEIGHT_BYTES:
            raise ConfigError(
                f"config: expected a network of at most {MAX_WEIGHT_BYTES} bytes of weights, got {4 * weight_floats(c)}"
            )


def weight_floats(c: Config) -> int:
    """How many values the inference form has, padding of panels not counted."""

    def pointwise(in_c, out_c):
        return in_c * out_c + out_c

    def residual(in_c, out_c, block):
        mid = in_c * block.expansion
        expand = pointwise(in_c, mid) if block.expansion != 1 else 0
        return expand + mid * (block.kernel**2 + 1) + pointwise(mid, out_c)

    total, in_c = pointwise(27, c.stem_channels), c.stem_channels
    height, width = (-(-n // 2) for n in c.input_size)
    for stage in c.stages:
        height, width, n = -(-height // 2), -(-width // 2), stage.channels
        total += residual(in_c, n, stage.down) + sum(residual(n, n, block) for block in stage.blocks)
        total += n * n * ("transverse" in c.views) + height**2 * ("frontal" in c.views)
        total += width**2 * ("lateral" in c.views) + 2 * n + 4 * 4 * n
        total += {"coordinate": 3, "channel": 2, None: 0}[c.attention] * pointwise(n, n)
        in_c = n
    tokens, wide = c.token_channels, c.token_channels * c.ffn_expansion
    layer = pointwise(tokens, wide) + 10 * wide + pointwise(wide, tokens)
    if c.nested.enabled:
        layer += pointwise(tokens, 2 * c.nested.branches * c.nested.key_dim + c.nested.value_dim)
        layer += pointwise(c.nested.value_dim, tokens)
    total += c.nested.layers * layer
    if c.classes_only is not None:
        return total + pointwise(tokens, c.classes_only)
    fused = c.fusion_channels
    total += sum(3 * pointwise(stage.channels, fused) for stage in c.stages)
    return total + pointwise(fused, fused) + pointwise(fused, c.num_classes)
