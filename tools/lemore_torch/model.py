"""LeMoRe's module, by the name that scripts outside this repository import it by."""

from .networks.lemore import LeMoRe, resample_operator, run_with_stages

__all__ = ["LeMoRe", "resample_operator", "run_with_stages"]
