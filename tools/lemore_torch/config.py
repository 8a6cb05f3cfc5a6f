"""LeMoRe's configuration, by the name that scripts outside this repository import it by."""

from .fields import FieldError as ConfigError
from .networks.lemore import Config

__all__ = ["Config", "ConfigError"]
