"""Tests of the Python in tools/: run with `/usr/bin/python3 -m pytest tools/tests`."""

import os
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOOLS), str(TOOLS / "tests"), str(TOOLS.parent / "bench")]

torch = pytest.importorskip("torch", reason="needs Debian's python3-torch")
torch.set_num_threads(1)


@pytest.fixture
def shared_golden():
    """Recorded networks that are not part of the project: the folder golden below LEMORE_TEST_DATA."""
    folder = Path(os.environ.get("LEMORE_TEST_DATA", "/nonexistent")) / "golden"
    if not folder.is_dir():
        pytest.skip("LEMORE_TEST_DATA names no folder with golden")
    return folder
