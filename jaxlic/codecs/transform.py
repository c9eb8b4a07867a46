"""From a transform model to a codec: the same data flow, asked three ways.

Images of any size run through a handful of compiled programs. The image is cut into tiles
of 1024 pixels, coded independently; analysis and synthesis see each tile with a halo wide
enough that no seam can appear; and every window is padded to one of a few sizes, the
transforms being told how much of it is valid.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.core import Codec, Params, Reconstruction
from jaxlic.entropy.coder import Coder, Estimator, Reader, Writer
from jaxlic.entropy.range_coder import CONSTRICTION, RangeCoder
from jaxlic.entropy.tables import TableSets
from jaxlic.ops import quantisation
from jaxlic.ops.quantisation import Quantiser

TILE = 1024
_WINDOWS = (128, 256, 512, 768)


class TransformModel(Protocol):
    """What a learned codec must say: a linen module with these methods.

    `size` is the height and width of the valid part of the image (for `code`: of the
    latent), or None. `stride` is what height and width must divide by, `latent_stride` the
    ratio of image to latent, `latents` the channels of the latent; `halo`, a multiple of
    `stride`, is how far from a pixel, in pixels, a transform looks.
    """

    halo: int
    stride: int
    latent_stride: int
    latents: int

    def analysis(self, x: jax.Array, quality: jax.Array, size=None) -> jax.Array: ...

    def code(self, y: jax.Array, coder: Coder, quality: jax.Array, size=None) -> jax.Array: ...

    def synthesis(self, y_hat: jax.Array, quality: jax.Array, size=None) -> jax.Array: ...

    def tables(self) -> TableSets: ...

    def bound(self) -> float: ...


class Tile(NamedTuple):
    """A tile and the window the transforms see it through; all in pixels, per axis."""

    start: tuple[int, int]
    stop: tuple[int, int]
    window_start: tuple[int, int]
    window_stop: tuple[int, int]


def tiles(height: int, width: int, halo: int) -> Iterator[Tile]:
    """The tiles of a (padded) image, row by row; this order is part of the file format."""
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            start, size = (top, left), (height, width)
            stop = tuple(min(s + TILE, n) for s, n in zip(start, size, strict=True))
            yield Tile(
                start,
                stop,
                tuple(max(0, s - halo) for s in start),
                tuple(min(s + halo, n) for s, n in zip(stop, size, strict=True)),
            )


def padded(height: int, width: int, stride: int) -> tuple[int, int]:
    """Height and width, rounded up to multiples of `stride`."""
    return -(-height // stride) * stride, -(-width // stride) * stride


def transform_codec(
    model: TransformModel, *, quantise: Quantiser = quantisation.split
) -> Codec:
    """The codec of `model`; `quantise` is what rounding becomes in training."""
    ratio, halo = model.latent_stride, model.halo

    def run(module, x, quality, coder):
        y_hat = module.code(module.analysis(x, quality), coder, quality)
        return module.synthesis(y_hat, quality), y_hat

    def check(params: Params) -> tuple[float, Params]:
        bound, found = model.apply(params, method="bound", mutable=["exact"])
        exact = flax.traverse_util.flatten_dict({"params": found.get("exact", {})})
        merged = {**flax.traverse_util.flatten_dict(params), **exact}
        return bound, flax.traverse_util.unflatten_dict(merged)

    def init(image: jax.Array, key: jax.Array) -> Params:
        coder = Estimator(quantisation.hard, key)
        quality = jnp.ones(image.shape[0])
        return model.init(key, image, quality, coder, method=run)

    def forward(
        params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        coder = Estimator(quantise, key)
        x_hat, y_hat = model.apply(params, image, quality, coder, method=run)
        return Reconstruction(x_hat, coder.bits, {"y_hat": y_hat})

    @jax.jit
    def analyse(params, x, quality, size):
        x = x.astype(jnp.float32) / 255
        return model.apply(params, x, quality, size, method="analysis")

    @jax.jit
    def synthesise(params, y_hat, quality, size):
        x_hat = model.apply(params, y_hat, quality, size, method="synthesis")
        return jnp.round(jnp.clip(x_hat, 0, 1) * 255).astype(jnp.uint8)

    def code(params, y, coder, quality, size):
        return model.apply(params, y, coder, quality, size, method="code")

    def compress(
        params: Params,
        tables: TableSets,
        image: np.ndarray,
        quality: float,
        range_coder: RangeCoder = CONSTRICTION,
    ) -> list[bytes]:
        q, segments = np.full(1, quality, np.float32), []
        height, width = padded(*image.shape[:2], model.stride)
        for tile in tiles(height, width, halo):
            x = _cut(image, tile.window_start, tile.window_stop)
            x = _fill(x, tuple(_window(n, halo) for n in x.shape[:2]))
            size = np.subtract(tile.window_stop, tile.window_start).astype(np.int32)
            y = np.asarray(analyse(params, x[None], q, size))
            skip = np.subtract(tile.start, tile.window_start) // ratio
            size = (np.subtract(tile.stop, tile.start) // ratio).astype(np.int32)
            y = y[0, skip[0] : skip[0] + size[0], skip[1] : skip[1] + size[1]]
            y = _fill(y, tuple(_window(n * ratio, halo) // ratio for n in size))
            encoder = range_coder.encoder(tables)
            code(params, y[None], Writer(encoder, tables), q, size)
            segments.append(encoder.finish())
        return segments

    def latents(
        params: Params,
        tables: TableSets,
        segments: Sequence[bytes],
        shape: tuple[int, int],
        quality: float,
        range_coder: RangeCoder = CONSTRICTION,
    ) -> np.ndarray:
        q = np.full(1, quality, np.float32)
        height, width = padded(*shape, model.stride)
        out = np.empty((height // ratio, width // ratio, model.latents), np.float32)
        for tile, segment in zip(tiles(height, width, halo), segments, strict=True):
            start, stop = np.array(tile.start) // ratio, np.array(tile.stop) // ratio
            size = (stop - start).astype(np.int32)
            buffer = tuple(_window(n * ratio, halo) // ratio for n in size)
            unknown = jnp.full((1, *buffer, model.latents), jnp.nan)
            decoder = range_coder.decoder(segment, tables)
            y_hat = code(params, unknown, Reader(decoder), q, size)
            decoder.finish()
            y_hat = np.asarray(y_hat)[0, : size[0], : size[1]]
            out[start[0] : stop[0], start[1] : stop[1]] = y_hat
        return out

    def decompress(
        params: Params,
        tables: TableSets,
        segments: Sequence[bytes],
        shape: tuple[int, int],
        quality: float,
        range_coder: RangeCoder = CONSTRICTION,
    ) -> np.ndarray:
        y_hat = latents(params, tables, segments, shape, quality, range_coder)
        q = np.full(1, quality, np.float32)
        out = np.empty((*shape, 3), np.uint8)
        for tile in tiles(*padded(*shape, model.stride), halo):
            first = np.array(tile.window_start) // ratio
            last = np.array(tile.window_stop) // ratio
            size = np.subtract(tile.window_stop, tile.window_start).astype(np.int32)
            y = y_hat[first[0] : last[0], first[1] : last[1]]
            y = _fill(y, tuple(_window(n, halo) // ratio for n in size))
            x = np.asarray(synthesise(params, y[None], q, size))[0]
            skip = np.subtract(tile.start, tile.window_start)
            stop = np.minimum(tile.stop, shape)
            rows, columns = stop - tile.start
            out[tile.start[0] : stop[0], tile.start[1] : stop[1]] = x[
                skip[0] : skip[0] + rows, skip[1] : skip[1] + columns
            ]
        return out

    return Codec(
        init=init,
        forward=forward,
        compress=compress,
        latents=latents,
        decompress=decompress,
        tables=functools.partial(model.apply, method="tables"),
        check=check,
        stride=model.stride,
    )


def _window(n: int, halo: int) -> int:
    """The smallest window of at least `n` pixels."""
    return next(window for window in (*_WINDOWS, TILE + 2 * halo) if window >= n)


def _cut(image, start, stop):
    """Rows and columns from `start` to `stop`, the border repeated beyond the image."""
    x = image[start[0] : stop[0], start[1] : stop[1]]
    rows, columns = np.subtract(stop, start) - x.shape[:2]
    return np.pad(x, ((0, rows), (0, columns), (0, 0)), mode="edge")


def _fill(a, shape):
    """`a` in the top left corner of zeros."""
    out = np.zeros((*shape, a.shape[2]), a.dtype)
    out[: a.shape[0], : a.shape[1]] = a
    return out
