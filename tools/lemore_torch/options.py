"""Command-line options of the Python tools: checked as they are read, wrong ones refused in one line."""

import argparse
import math
from pathlib import Path

from .data import pair_pattern


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line (exit code 2) and shows the default of every option that has one."""

    def __init__(self, description):
        super().__init__(description=description, formatter_class=_Help, allow_abbrev=False)

    def error(self, message):
        self.exit(2, f"{Path(self.prog).name}: {message.replace('argument ', '', 1)} (--help lists the options)\n")


class _Help(argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action):
        text, default = action.help or "", action.default
        if not action.option_strings or default in (None, False, "", argparse.SUPPRESS) or "default" in text:
            return text
        shown = " ".join(map(str, default)) if isinstance(default, (tuple, list)) else default
        return f"{text} (default: {shown})"


def integer(low, high):
    """The type of an option that takes low..high."""

    def read(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got '{text}'")
        return value

    return read


def size(text):
    """The type of an option that takes HxW, 32 to 16384 a side."""
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit() and all(32 <= int(n) <= 16384 for n in (height, width))):
        raise argparse.ArgumentTypeError(f"expected HxW, 32 to 16384 a side, got '{text}'")
    return int(height), int(width)


def add_pairing(parser):
    """The options that say which image goes with which label."""

    def pattern(text):
        try:
            return pair_pattern(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    parser.add_argument("--pair", type=pattern, metavar="IMAGE=LABEL",
                        help="names of an image and its label, {} for what "
                        "they share: '{}_leftImg8bit.png={}_gtFine_labelTrainIds.png'")  # fmt: skip
    parser.add_argument("--recursive", action="store_true", help="sub-folders of the images and labels too")


def number(low, high, above=False, below=False):
    """The type of an option that takes a number of low..high, without `low` itself where `above`, without `high` where
    `below`. NaN and infinities are no numbers."""

    def read(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if (
            not math.isfinite(value)
            or not low <= value <= high
            or (above and value == low)
            or (below and value == high)
        ):
            bounds = f"{'above' if above else 'of at least'} {low} and {'below' if below else 'at most'} {high}"
            raise argparse.ArgumentTypeError(f"expected a number {bounds}, got '{text}'")
        return value

    return read
