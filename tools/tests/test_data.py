"""Images as they are read for training and evaluation."""

import numpy as np
import pytest
from PIL import Image

from lemore_torch.data import read_image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_read_image_turns_upright(tmp_path, orientation):
    """A picture stored in each EXIF orientation is read as the upright one."""
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8] = 255  # a corner that every turn and flip moves elsewhere
    turn = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}[orientation]  # fmt: skip
    image = Image.fromarray(upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    (image if turn is None else image.transpose(turn)).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "turned.png").permute(1, 2, 0).numpy(), upright)


def test_names_that_scripts_import():
    """Scripts outside this repository know the first network by these names."""
    from lemore_torch.config import Config
    from lemore_torch.data import SegmentationSet
    from lemore_torch.model import LeMoRe
    from lemore_torch.networks import lemore
    from lemore_torch.training import sets

    assert (Config, LeMoRe, SegmentationSet) == (lemore.Config, lemore.LeMoRe, sets.SegmentationSet)
