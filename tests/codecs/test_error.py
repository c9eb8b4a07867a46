import functools

import numpy as np
import pytest

from jaxlic.codecs import error
from jaxlic.codecs.error import Picture, differentiated
from jaxlic.models import build
from jaxlic.ops.tiling import tiles
from tests.conftest import TINY

QUALITY = 60.0


@pytest.fixture(scope="module")
def run(tiny):
    """The program of the small codec."""
    return functools.partial(differentiated(build(TINY)), tiny[1])


def _case(tiny, photo):
    codec, params, _ = tiny
    (tile,) = tiles(*photo.shape[:2], codec.geometry.halo)
    size = np.array([photo.shape[:2]], np.int32)
    y = codec.analyse(params, photo[None], np.full(1, QUALITY, np.float32), size)
    return tile.shrunk(16), np.round(np.asarray(y)[0])


def test_the_error_is_that_of_the_decoded_image(tiny, photo, run):
    codec, params, _ = tiny
    tile, y_hat = _case(tiny, photo)
    found, gradient = Picture(run, photo, tile, QUALITY, 16).error(y_hat)
    size = np.array([photo.shape[:2]], np.int32)
    x_hat = codec.synthesise(params, y_hat[None], np.full(1, QUALITY, np.float32), size)[0]
    expected = np.square(np.asarray(x_hat, np.float64) - photo).sum()
    assert abs(found.sum() / expected - 1) < 0.05  # Not rounded to levels.
    assert found.shape == y_hat.shape[:2] and gradient.shape == y_hat.shape
    step = 1e-2 * gradient / np.linalg.norm(gradient)
    moved = Picture(run, photo, tile, QUALITY, 16).error(y_hat + step)[0]
    change = moved.sum(dtype=np.float64) - found.sum(dtype=np.float64)
    assert 0.5 < change / np.sum(step * gradient) < 2


def test_patches_cover_a_tile_once_through_windows_of_bounded_size():
    for tile in tiles(2500, 1800, 256):
        inner, covered = tile.shrunk(16), np.zeros(tile.shrunk(16).window_shape, int)
        for patch in error._patches(inner, 16):
            assert max(patch.grown(16).window_shape) <= 768
            (top, left), (bottom, right) = patch.start, patch.stop
            covered[top:bottom, left:right] += 1
        (top, left), (height, width) = np.subtract(tile.start, tile.window_start), tile.shape
        inside = np.zeros_like(covered)
        inside[top // 16 : (top + height) // 16, left // 16 : (left + width) // 16] = 1
        np.testing.assert_array_equal(covered, inside)


def test_patches_give_what_the_whole_gives(tiny, photo, run, monkeypatch):
    tile, y_hat = _case(tiny, photo)
    whole = Picture(run, photo, tile, QUALITY, 16)
    expected, slope = whole.error(y_hat)
    monkeypatch.setattr(error, "_EDGES", (128, 192))
    monkeypatch.setattr(error, "_PATCH", 64)
    parts = Picture(run, photo, tile, QUALITY, 16)
    assert len(parts._patches) == 12 and len(whole._patches) == 1
    found, gradient = parts.error(y_hat)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert np.linalg.norm(gradient - slope) < 0.02 * np.linalg.norm(slope)


def test_what_lies_beyond_the_image_does_not_count(tiny, photo, run):
    tile, y_hat = _case(tiny, photo)
    found, _ = Picture(run, photo[:160, :200], tile, QUALITY, 16).error(y_hat)
    assert np.all(found[10:] == 0) and np.all(found[:, 13:] == 0) and np.all(found[:10, :12])


def test_the_curvature_is_what_a_step_adds(tiny, photo, run):
    tile, y_hat = _case(tiny, photo)
    picture = Picture(run, photo, tile, QUALITY, 16)
    here, slope = picture.error(y_hat)
    channel, steps = 0, np.zeros_like(y_hat)
    signs = np.random.default_rng(1).choice([-1, 1], y_hat.shape[:2])
    steps[..., channel] = signs
    there, _ = picture.error(y_hat + steps)
    added = there.sum(dtype=np.float64) - here.sum(dtype=np.float64) - np.sum(slope * steps)
    assert picture.curvature(y_hat).shape == y_hat.shape[-1:]
    assert 0.6 < added / signs.size / picture.curvature(y_hat)[channel] < 1.6
