"""The C++ program, for tests that hold it against the Python reference."""

import os
import subprocess

import pytest
from conftest import TOOLS


def binary():
    """LEMORE_BIN, or what the release preset builds; the test is skipped where neither is there."""
    path = os.environ.get("LEMORE_BIN", str(TOOLS.parent / "build" / "release" / "bin" / "lemore"))
    if not os.access(path, os.X_OK):
        pytest.skip(f"{path} is not built; LEMORE_BIN names another")
    return path


def lemore(*args):
    """Runs the program; its stdout. A failure shows what it said."""
    done = subprocess.run([binary(), *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
