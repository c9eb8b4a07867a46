"""Large images in windows of a few sizes: on the host, in numpy.

An image is cut into tiles. A network sees each through a window: the tile with a halo, as far
as the image reaches, so wide that no seam can appear. A window is put into a buffer of one
of a few sizes, so that a handful of compiled programs serve images of any size; the network
is told how much of the buffer is valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

TILE = 1024
Pair = tuple[int, int]


class Tile(NamedTuple):
    """A tile and its window: first row and column, and the ones after the last."""

    start: Pair
    stop: Pair
    window_start: Pair
    window_stop: Pair

    @property
    def shape(self) -> Pair:
        """Height and width of the tile."""
        return self.stop[0] - self.start[0], self.stop[1] - self.start[1]

    @property
    def window_shape(self) -> Pair:
        """Height and width of the window."""
        rows, columns = np.subtract(self.window_stop, self.window_start)
        return int(rows), int(columns)

    def shrunk(self, factor: int) -> Tile:
        """The same in samples that are `factor` apart, which all its numbers divide by."""
        return Tile(*((rows // factor, columns // factor) for rows, columns in self))

    def grown(self, factor: int) -> Tile:
        """The inverse of `shrunk`."""
        return Tile(*((rows * factor, columns * factor) for rows, columns in self))


def tiles(height: int, width: int, halo: int, *, edge: int = TILE) -> Iterator[Tile]:
    """The tiles of an image, row by row; this order is part of the file format.

    Args:
        height, width: of the image.
        halo: how much more the window holds on every side, inside the image.
        edge: of a tile; those at the right and at the bottom may be smaller.
    """
    for top in range(0, height, edge):
        for left in range(0, width, edge):
            start = (top, left)
            stop = (min(top + edge, height), min(left + edge, width))
            yield Tile(
                start,
                stop,
                (max(0, top - halo), max(0, left - halo)),
                (min(stop[0] + halo, height), min(stop[1] + halo, width)),
            )


def area(start: Sequence[int], stop: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns from `start` to `stop`, as an index of an image."""
    return slice(start[0], stop[0]), slice(start[1], stop[1])


def padded(height: int, width: int, stride: int) -> Pair:
    """Height and width, rounded up to multiples of `stride`.

    >>> padded(512, 513, 64)
    (512, 576)
    """
    return -(-height // stride) * stride, -(-width // stride) * stride


def edge_for(n: int, edges: Sequence[int]) -> int:
    """The smallest of some ascending buffer edges that holds `n` samples, or `n` itself."""
    return next((edge for edge in edges if edge >= n), n)


def cut(image: np.ndarray, start: Pair, stop: Pair) -> np.ndarray:
    """Rows and columns from `start` to `stop`, the border repeated beyond the image."""
    part = image[start[0] : stop[0], start[1] : stop[1]]
    rows, columns = stop[0] - start[0] - part.shape[0], stop[1] - start[1] - part.shape[1]
    return np.pad(part, ((0, rows), (0, columns), (0, 0)), mode="edge")


def fill(part: np.ndarray, shape: Pair) -> np.ndarray:
    """`part` in the top left corner of a buffer of zeros, `[*shape, C]`."""
    out = np.zeros((*shape, part.shape[2]), part.dtype)
    out[: part.shape[0], : part.shape[1]] = part
    return out


def place(out: np.ndarray, window: np.ndarray, tile: Tile) -> None:
    """Writes the tile's part of its window into `out`, which may end within the tile."""
    rows, columns = np.minimum(tile.stop, out.shape[:2]) - tile.start
    skip = np.subtract(tile.start, tile.window_start)
    out[tile.start[0] : tile.start[0] + rows, tile.start[1] : tile.start[1] + columns] = window[
        skip[0] : skip[0] + rows, skip[1] : skip[1] + columns
    ]
