"""Whatever `compress` accepts comes back out of the file that `decompress` leads to."""

import functools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import jaxlic
from jaxlic.files import images
from jaxlic.files.bitstream import MAX_ICC
from jaxlic.files.images import Picture


@functools.cache
def _codec():
    """Not a fixture: hypothesis prints those when a test fails."""
    return jaxlic.load("base")


def _profile(size, seed):
    """Any profile of RGB; with a seed, one that cannot be deflated."""
    body = bytes(size - 20) if seed is None else np.random.default_rng(seed).bytes(size - 20)
    return bytes(16) + b"RGB " + body


@settings(max_examples=12)
@given(
    st.tuples(st.integers(1, 64), st.integers(1, 64)),
    st.none() | st.integers(0, 9),
    st.none() | st.integers(20, 5_000) | st.integers(20, 3_000_000),
    st.none() | st.integers(0, 9),
    st.sampled_from([".png", ".webp", ".tiff"]),
)
@example((5, 7), 1, 1 << 20, 0, ".png")
@example((5, 7), 1, (1 << 20) + 1, 0, ".png")
@example((5, 7), None, 2_000_000, None, ".png")
@example((5, 7), None, MAX_ICC, None, ".png")
@example((5, 7), None, MAX_ICC, 0, ".png")
@example((1, 1), 0, None, None, ".png")
def test_profiles_and_transparency_of_any_size(
    tmp_path_factory, shape, alpha, profile, random, suffix
):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    if alpha is not None:
        alpha = np.random.default_rng(alpha).integers(0, 255, shape).astype(np.uint8)
    icc = None if profile is None else _profile(profile, random)
    codec = _codec()
    decoded = codec.decode(codec.compress(Picture(rgb, alpha, icc)))
    path = tmp_path_factory.mktemp("round") / f"a{suffix}"
    assert images.write(path, decoded) == ()
    read = images.read(path)
    assert read.icc == icc and read.notes == ()
    np.testing.assert_array_equal(read.rgb, decoded.rgb)
    assert (read.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(read.alpha, alpha)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (Picture(np.zeros((4, 4, 3), np.uint8), icc=bytes(MAX_ICC + 1)), "over 16 MiB"),
        (Picture(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8)), "alpha is uint8"),
        (Picture(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4))), "alpha is uint8"),
        (Picture(np.zeros((4, 4), np.uint8)), "an image is uint8"),
        (Picture(np.broadcast_to(np.uint8(0), ((1 << 20) + 1, 1, 3))), "a side of over"),
    ],
)
def test_what_could_not_come_back_is_refused(picture, message):
    with pytest.raises(jaxlic.Error, match=message):
        _codec().compress(picture)


def test_a_limit_of_ones_own_holds_both_ways():
    codec, rgb = _codec(), np.zeros((8, 8, 3), np.uint8)
    data = codec.compress(rgb, max_pixels=64)
    assert codec.decompress(data, max_pixels=64).shape == (8, 8, 3)
    with pytest.raises(jaxlic.Error, match="8x8 pixels is over 63 pixels"):
        codec.compress(rgb, max_pixels=63)
    for decode in (codec.decompress, codec.decode, codec.latents):
        with pytest.raises(jaxlic.BitstreamError, match="8x8 pixels is over 63 pixels"):
            decode(data, max_pixels=63)
