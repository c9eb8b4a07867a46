"""The `--effort` of the encoder: how long it looks for a file that is worth more.

    image -> plain payloads -> search, tile by tile -> the better of the two

Effort 0 is the plain encoder. Above it a codec's `search` (`jaxlic/codecs/search.py`) moves
integers; at the end files are compared by what they are worth, their real bytes and the pixels
that they decode to, and the plain one is kept where it is better. Memory is that of a tile of
1024 pixels, beside the image, its latent, and what the plain encoder has at hand (32 windows).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence

import numpy as np

from jaxlic import coding
from jaxlic.core import Codec, Params
from jaxlic.entropy.range_coder import CONSTRICTION, RangeCoder
from jaxlic.entropy.tables import TableSets
from jaxlic.errors import Error, ModelError
from jaxlic.files import held
from jaxlic.ops.tiling import TILE, Tile, area, cut, fill, padded, tiles

STEPS = (0, 5, 20, 50)  # Of the search, by effort.
Track = Callable[[Iterable[None], int], Iterable[None]]


def untracked(steps: Iterable[None], total: int) -> Iterable[None]:
    """Shows nothing."""
    return steps


def compress(
    codec: Codec,
    params: Params,
    tables: TableSets,
    image: np.ndarray,
    quality: float,
    *,
    effort: int,
    range_coder: RangeCoder = CONSTRICTION,
    edge: int = TILE,
    counts: Sequence[int] = coding.COUNTS,
    track: Track = untracked,
) -> list[list[bytes]]:
    """The payloads of an image, as of `coding.compress`, and never of less worth.

    Worth is bits plus lambda 255**2 MSE: at an equal quality the file may be larger, for more
    PSNR.

    Args:
        codec, params, tables, image, quality, range_coder, edge: as of `coding.compress`.
        effort: 0 to 3; 0 is `coding.compress`.
        counts: as of `coding.compress_batch`.
        track: wraps the steps of the search, given how many there are at most, to show a bar.
            If it ends before they do, tiles that have not been searched stay as they were.

    Raises:
        Error: if there is no such effort.
        ModelError: if the codec cannot search.
    """
    if not isinstance(effort, int | np.integer) or effort not in range(len(STEPS)):
        raise Error(f"effort must be 0 to {len(STEPS) - 1}, got {effort}")
    search = codec.search
    if effort and (search is None or codec.lmbda is None):
        raise ModelError("this model has no search: only effort 0 is possible")
    (plain,) = coding.compress_batch(
        codec,
        params,
        tables,
        [image],
        [quality],
        range_coder=range_coder,
        edge=edge,
        counts=counts,
    )
    if not effort:
        return plain
    assert search is not None and codec.lmbda is not None
    shape, lmbda = (image.shape[0], image.shape[1]), codec.lmbda(quality)
    grey = held.is_grey(image)
    y_hat = coding.latents(
        codec, params, tables, plain, shape, quality, range_coder=range_coder, edge=edge
    )

    def worth(payloads: list[list[bytes]]) -> float:
        """The Lagrangian of a file whose latent is `y_hat`, in bits."""
        x_hat = coding.synthesise(
            codec, params, y_hat, shape, quality, edge=edge, counts=counts
        )
        x_hat = held.greyed(x_hat) if grey else x_hat
        size = sum(len(payload) for tile in payloads for payload in tile)
        return 8 * size + lmbda * _squared_error(image, x_hat) / 3

    before, searched = worth(plain), []
    found = list(tiles(*padded(*shape, codec.geometry.stride), codec.geometry.halo, edge=edge))

    def work() -> Generator[None]:
        for tile in found:
            y, inner = _analysed(codec, params, image, quality, tile, edge)
            window = image[area(tile.window_start, tile.window_stop)]
            around = y_hat[area(inner.window_start, inner.window_stop)]
            payloads = yield from search(
                params, tables, window, y, around, inner, quality, STEPS[effort], range_coder
            )
            searched.append(payloads)
            y_hat[area(inner.start, inner.stop)] = codec.decode(
                params, tables, payloads, quality, inner.shape, range_coder
            )

    for _ in track(work(), STEPS[effort] * len(found)):
        pass
    searched += plain[len(searched) :]
    return searched if worth(searched) < before else plain


def _analysed(codec, params, image, quality, tile: Tile, edge: int) -> tuple[np.ndarray, Tile]:
    """A tile's latent, and the tile in samples of it."""
    inner = tile.shrunk(codec.geometry.latent_stride)
    part = cut(image, tile.window_start, tile.window_stop)
    windows = fill(part, coding.buffer(tile, codec.geometry.halo, edge))[None]
    size = np.array([tile.window_shape], np.int32)
    y = np.asarray(codec.analyse(params, windows, np.full(1, quality, np.float32), size))[0]
    top, left = np.subtract(inner.start, inner.window_start)
    return y[top : top + inner.shape[0], left : left + inner.shape[1]], inner


def _squared_error(a: np.ndarray, b: np.ndarray) -> float:
    """In levels, over all pixels and colours of two uint8 images, a row at a time."""
    rows = zip(a, b, strict=True)
    return float(sum(np.sum(np.square(x.astype(np.int64) - y)) for x, y in rows))
