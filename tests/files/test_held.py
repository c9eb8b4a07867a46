"""What a .jlic file can hold."""

import numpy as np
import pytest

from jaxlic.errors import Error
from jaxlic.files import held
from jaxlic.files.images import Picture


def test_arrays_become_pictures():
    grey = held.picture(np.full((4, 5), 7, np.uint8))
    assert grey.rgb.shape == (4, 5, 3) and grey.alpha is None
    clear = held.picture(np.full((4, 5, 4), 7, np.uint8))
    assert clear.rgb.shape == (4, 5, 3) and clear.alpha.shape == (4, 5)
    for odd in (np.zeros((4, 5, 3)), np.zeros((4, 5, 2), np.uint8), np.zeros((0, 5), np.uint8)):
        with pytest.raises(Error, match="an image"):
            held.picture(odd)


def test_grey_is_seen_and_made():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (9, 7, 3), np.uint8)
    assert not held.is_grey(rgb)
    made = held.greyed(rgb)
    assert made.dtype == np.uint8 and held.is_grey(made)
    np.testing.assert_array_equal(made[..., 0], (rgb @ np.array([77, 150, 29]) + 128) // 256)
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=-1)
    np.testing.assert_array_equal(held.greyed(levels), levels)
    almost = levels.copy()
    almost[255, 0, 2] = 254
    assert held.is_grey(levels) and not held.is_grey(almost)


def test_pictures_that_no_file_holds_are_refused():
    rgb = np.zeros((4, 5, 3), np.uint8)
    held.check(Picture(rgb, rgb[..., 0]), 20)
    with pytest.raises(Error, match="over 19 pixels"):
        held.check(Picture(rgb), 19)
    with pytest.raises(Error, match="alpha is uint8"):
        held.check(Picture(rgb, rgb[:1, :, 0]), 20)
    with pytest.raises(Error, match="has a side of over"):
        held.check(Picture(np.zeros((1, (1 << 20) + 1, 3), np.uint8)), 1 << 21)
