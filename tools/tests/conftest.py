"""Tests of the Python in tools/: run with `/usr/bin/python3 -m pytest tools/tests`."""

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOOLS), str(TOOLS / "tests"), str(TOOLS.parent / "bench")]

torch = pytest.importorskip("torch", reason="needs Debian's python3-torch")
torch.set_num_threads(1)


@pytest.fixture
def shared_golden():
    """The folder of golden files beside the checkout; they are no part of the project."""
    folder = TOOLS.parent.parent / "shared" / "golden"
    if not folder.is_dir():
        pytest.skip("../shared/golden is not here")
    return folder
