"""The way of an image: pixels to payloads and back, for any codec and any size of image.

    image -> windows -> analyse -> latent -> tiles -> encode -> payloads
    payloads -> decode -> latent -> windows -> synthesise -> image

Tiles of 1024 pixels are coded independently. Windows of all images of a call, where they have
buffers of the same size, go to the device together; coding is for the host.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import jax
import numpy as np

from jaxlic.core import MAX_QUALITY, Codec, Finish, Params
from jaxlic.entropy.detail import Detail
from jaxlic.entropy.range_coder import CONSTRICTION, RangeCoder
from jaxlic.entropy.tables import TableSets
from jaxlic.ops.tiling import TILE, Pair, Tile, cut, edge_for, fill, padded, place, tiles

Payloads = Sequence[Sequence[bytes]]  # By tile, then by level.

_EDGES, _AHEAD = (128, 256, 512, 768), 32  # Of windows; so many may be in memory.
COUNTS = (8, 4, 2, 1)  # Windows in one call; each is a program of its own.


def compress(
    codec: Codec,
    params: Params,
    tables: TableSets,
    image: np.ndarray,
    quality: float,
    *,
    range_coder: RangeCoder = CONSTRICTION,
    edge: int = TILE,
) -> list[list[bytes]]:
    """The payloads of an image.

    Args:
        codec: with its `params` and `tables`.
        image: uint8 `[H, W, 3]` of any size.
        quality: in [1, 100].
        range_coder: the entropy coder.
        edge: of a tile, in pixels; part of the file format.

    Returns:
        For each tile its payloads, one a level.
    """
    (payloads,) = compress_batch(
        codec, params, tables, [image], [quality], range_coder=range_coder, edge=edge
    )
    return payloads


def compress_batch(
    codec: Codec,
    params: Params,
    tables: TableSets,
    images: Sequence[np.ndarray],
    qualities: Sequence[float],
    *,
    range_coder: RangeCoder = CONSTRICTION,
    edge: int = TILE,
    counts: Sequence[int] = COUNTS,
    pool: Executor | None = None,
) -> list[list[list[bytes]]]:
    """As `compress`, for images of any sizes; each has the payloads that it has alone.

    `counts` says how many windows may be in one call of the device, descending to 1. `pool`
    is for threads that code what the device has done while it does the next.
    """
    g = codec.geometry
    coded: list[list[Callable[[], list[bytes]]]] = [[] for _ in images]
    places = [
        (i, tile)
        for i, image in enumerate(images)
        for tile in tiles(*padded(*image.shape[:2], g.stride), g.halo, edge=edge)
    ]

    def windows() -> Iterator[_Window]:
        for i, tile in places:
            part = cut(images[i], tile.window_start, tile.window_stop)
            yield _Window(part, buffer(tile, g.halo, edge), qualities[i], tile.window_shape)

    def run(*batch: np.ndarray) -> jax.Array:
        return codec.analyse(params, *batch)

    for (i, tile), y in zip(places, _on_device(run, windows(), counts), strict=True):
        inner = tile.shrunk(g.latent_stride)
        top, left = np.subtract(inner.start, inner.window_start)
        y = y[top : top + inner.shape[0], left : left + inner.shape[1]]
        code = functools.partial(codec.encode, params, tables, y, qualities[i], range_coder)
        coded[i].append(_done(code()) if pool is None else pool.submit(code).result)
    return [[payloads() for payloads in image] for image in coded]


def buffers(codec: Codec, shape: Pair, *, edge: int = TILE) -> frozenset[Pair]:
    """Sizes of the windows that the device sees of an image of this shape.

    Images that have them in common are served by the same compiled programs.
    """
    g = codec.geometry
    found = tiles(*padded(*shape, g.stride), g.halo, edge=edge)
    return frozenset(buffer(tile, g.halo, edge) for tile in found)


def warm(
    codec: Codec,
    params: Params,
    tables: TableSets,
    sizes: Iterable[Pair],
    *,
    range_coder: RangeCoder = CONSTRICTION,
    counts: Sequence[int] = COUNTS,
    decode: bool = False,
) -> None:
    """Runs all programs for windows of some sizes once, so that they are compiled.

    Args:
        codec, params, tables, range_coder: as of `compress`.
        sizes: of windows, as `buffers` tells.
        counts: as of `compress_batch`.
        decode: whether those that decode are wanted too.
    """
    ratio, quality = codec.geometry.latent_stride, MAX_QUALITY / 2
    for height, width in sizes:
        for count in counts:
            size = np.full((count, 2), (height, width), np.int32)
            qualities = np.full(count, quality, np.float32)
            blank = np.zeros((count, height, width, 3), np.uint8)
            y = np.asarray(codec.analyse(params, blank, qualities, size))
            if decode:
                known = _told(codec, codec.geometry.levels, count)
                codec.synthesise(params, np.zeros_like(y), qualities, size, *known)
        payloads = codec.encode(params, tables, y[0], quality, range_coder)
        if decode:
            shape = (height // ratio, width // ratio)
            codec.decode(params, tables, payloads, quality, shape, range_coder)


def latents(
    codec: Codec,
    params: Params,
    tables: TableSets,
    payloads: Payloads,
    shape: Pair,
    quality: float,
    *,
    range_coder: RangeCoder = CONSTRICTION,
    edge: int = TILE,
    detail: Detail | None = None,
) -> np.ndarray:
    """What payloads say: float32 `[H', W', C]`, the same to the bit on every machine.

    Args:
        codec, params, tables, quality, range_coder, edge: as of `compress`.
        payloads: of each tile, one or more.
        shape: height and width of the image.
        detail: what is drawn for levels that are not there; None for their means. All tiles
            are decoded at the lowest level that any of them has.

    Raises:
        BitstreamError: if they do not decode. Error: if there is no such detail.
    """
    g, level = codec.geometry, min(map(len, payloads))
    if detail is not None:
        detail.check()
    height, width = padded(*shape, g.stride)
    y_hat = np.empty((height // g.latent_stride, width // g.latent_stride, g.latents), "f4")
    for i, tile in enumerate(tiles(height, width, g.halo, edge=edge)):
        own = None if detail is None else detail._replace(tile=i)
        inner = tile.shrunk(g.latent_stride)
        (top, left), (bottom, right) = inner.start, inner.stop
        y_hat[top:bottom, left:right] = codec.decode(
            params, tables, payloads[i][:level], quality, inner.shape, range_coder, own
        )
    return y_hat


def synthesise(
    codec: Codec,
    params: Params,
    y_hat: np.ndarray,
    shape: Pair,
    quality: float,
    *,
    edge: int = TILE,
    counts: Sequence[int] = COUNTS,
    level: int | None = None,
) -> np.ndarray:
    """The image of a latent, uint8 `[*shape, 3]`; `level` as of `Synthesise`."""
    g = codec.geometry
    found = list(tiles(*padded(*shape, g.stride), g.halo, edge=edge))

    def windows() -> Iterator[_Window]:
        for tile in found:
            (top, left), (bottom, right) = tile.shrunk(g.latent_stride)[2:]
            height, width = buffer(tile, g.halo, edge)
            samples = (height // g.latent_stride, width // g.latent_stride)
            yield _Window(y_hat[top:bottom, left:right], samples, quality, tile.window_shape)

    def run(*batch: np.ndarray) -> jax.Array:
        return codec.synthesise(params, *batch, *_told(codec, level, len(batch[0])))

    image = np.empty((*shape, 3), np.uint8)
    for tile, x in zip(found, _on_device(run, windows(), counts), strict=True):
        place(image, x, tile)
    return image


def decompress(
    codec: Codec,
    params: Params,
    tables: TableSets,
    payloads: Payloads,
    shape: Pair,
    quality: float,
    *,
    range_coder: RangeCoder = CONSTRICTION,
    edge: int = TILE,
    counts: Sequence[int] = COUNTS,
    detail: Detail | None = None,
    finish: Finish | None = None,
) -> np.ndarray:
    """As `latents`, to the image, uint8 `[*shape, 3]`; `finish` has the last word."""
    level = min(map(len, payloads))
    y_hat = latents(
        codec,
        params,
        tables,
        payloads,
        shape,
        quality,
        range_coder=range_coder,
        edge=edge,
        detail=detail,
    )
    what = (codec, params, y_hat, shape, quality)
    image = synthesise(*what, edge=edge, counts=counts, level=level)
    return image if finish is None else finish(image, y_hat, quality)


class _Window(NamedTuple):
    """What a device call is given of one tile: an array, its buffer's size, its valid size."""

    part: np.ndarray
    buffer: Pair
    quality: float
    size: Pair


def buffer(tile: Tile, halo: int, edge: int) -> Pair:
    """Height and width of what a tile's window is put into: one of a few sizes, in pixels."""
    edges = (*_EDGES, edge + 2 * halo)
    height, width = tile.window_shape
    return edge_for(height, edges), edge_for(width, edges)


def _done(value: list[bytes]) -> Callable[[], list[bytes]]:
    return lambda: value


def _told(codec: Codec, level: int | None, count: int) -> list[np.ndarray]:
    """What `Synthesise` is told of levels: nothing where there is but one, or all are there."""
    untold = codec.geometry.levels == 1 or level is None
    return [] if untold else [np.full(count, level, np.int32)]


def _on_device(
    run: Callable[..., jax.Array], windows: Iterable[_Window], counts: Sequence[int]
) -> Iterator[np.ndarray]:
    """`run(arrays, qualities, sizes)` for all windows, those of equal buffers together.

    A batch is of one of a few `counts`, so that few programs have to be compiled; what comes
    out is in the order of the windows, a few of which are in memory at a time.
    """
    remaining = iter(windows)
    while chunk := list(itertools.islice(remaining, _AHEAD)):
        groups: dict[Pair, list[int]] = {}
        for i, window in enumerate(chunk):
            groups.setdefault(window.buffer, []).append(i)
        results: dict[int, np.ndarray] = {}
        for buffer, members in groups.items():
            while members:
                count = next(n for n in counts if n <= len(members))
                batch, members = members[:count], members[count:]
                outputs = run(
                    np.stack([fill(chunk[i].part, buffer) for i in batch]),
                    np.array([chunk[i].quality for i in batch], np.float32),
                    np.array([chunk[i].size for i in batch], np.int32),
                )
                results |= zip(batch, np.asarray(outputs), strict=True)
        for i in range(len(chunk)):
            yield results.pop(i)
