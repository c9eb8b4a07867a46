import numpy as np
import pytest

from jaxlic.ops import tiling


@pytest.mark.parametrize("edge", [64, 1024])
def test_tiles_cover_the_image_once_and_windows_surround_them(edge):
    covered = np.zeros((1300, 2112), int)
    for tile in tiling.tiles(1300, 2112, 128, edge=edge):
        (top, left), (bottom, right) = tile.start, tile.stop
        covered[top:bottom, left:right] += 1
        assert tile.window_start == (max(top - 128, 0), max(left - 128, 0))
        assert tile.window_stop == (min(bottom + 128, 1300), min(right + 128, 2112))
        assert tile.shape == (bottom - top, right - left)
        assert tile.shrunk(4).grown(4) == tile
        assert covered[tiling.area(tile.start, tile.stop)].shape == tile.shape
    assert covered.min() == covered.max() == 1


def test_windows_that_are_cut_and_placed_make_the_image_again():
    image = np.random.default_rng(0).integers(0, 256, (75, 100, 3)).astype(np.uint8)
    out = np.zeros_like(image)
    for tile in tiling.tiles(*tiling.padded(75, 100, 16), 16, edge=32):
        window = tiling.cut(image, tile.window_start, tile.window_stop)
        assert window.shape[:2] == tile.window_shape
        tiling.place(out, tiling.fill(window, (80, 80)), tile)
    np.testing.assert_array_equal(out, image)


def test_the_border_is_repeated_beyond_the_image():
    image = np.arange(12).reshape(2, 2, 3)
    part = tiling.cut(image, (1, 1), (4, 3))
    assert part.shape == (3, 2, 3)
    assert (part == image[1, 1]).all()


def test_buffers_come_in_few_sizes():
    assert [tiling.edge_for(n, (128, 256)) for n in (1, 128, 129, 300)] == [128, 128, 256, 300]
