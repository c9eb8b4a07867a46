"""A sample of what a decoded picture lacks, for pictures of any size.

A sampler's steps are taken by the whole picture at once: at each, the network sees one window
after the other, with as much around as it looks at, so that no seam can appear. The noise is
one field for the picture.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from jaxlic.core import Codec, Params
from jaxlic.diffusion.samplers import Steps
from jaxlic.ops.tiling import TILE, Pair, cut, edge_for, fill, padded, tiles

_EDGES = (128, 256, 512, 768)
_BLOCK = 64  # Noise is drawn by blocks of so many pixels: what a window has does not depend
_DRAWN = 16  # on the picture's size; so many blocks at a time.


def refine(
    codec: Codec,
    params: Params,
    image: np.ndarray,
    y_hat: np.ndarray,
    quality: float,
    steps: Steps,
    key: jax.Array,
    *,
    strength: float = 1.0,
    edge: int = TILE,
    tell: Callable[[int], None] = lambda evaluations: None,
) -> np.ndarray:
    """The picture and a sample of its residual.

    Beside the arguments it takes 60 bytes a pixel, and what one window takes.

    Args:
        codec: with a refiner; `params` its parameters.
        image: uint8 `[H, W, 3]`, as decoded.
        y_hat: the latent it was decoded from.
        quality: that of the file.
        steps: of a sampler.
        key: of the noise.
        strength: how much of the sample is added. The squared error grows as
            `1 + strength**2`, were the sampler perfect.
        edge: of tiles, in pixels.
        tell: called with 1 after each window of each step.

    Returns:
        uint8 `[H, W, 3]`.

    Raises:
        ValueError: if the codec has no refiner.
    """
    refiner, g = codec.refiner, codec.geometry
    if refiner is None:
        raise ValueError("this codec has nothing to refine with")
    height, width = padded(*image.shape[:2], g.stride)
    x_hat = cut(image, (0, 0), (height, width))
    z = _field(key, 0, (height, width))
    before, x = np.zeros_like(z), np.empty_like(z)
    for i in range(int(steps.active.sum())):
        for tile in tiles(height, width, refiner.halo, edge=edge):
            (top, left), (bottom, right) = tile.window_start, tile.window_stop
            inside = (slice(top, bottom), slice(left, right))
            latent = tuple(
                slice(s.start // g.latent_stride, s.stop // g.latent_stride) for s in inside
            )
            edges = (*_EDGES, edge + 2 * refiner.halo)
            buffer = (edge_for(bottom - top, edges), edge_for(right - left, edges))
            small = (buffer[0] // g.latent_stride, buffer[1] // g.latent_stride)
            found = refiner.denoise(
                params,
                fill(z[inside], buffer)[None],
                np.float32(steps.log_snr[i]),
                fill(x_hat[inside], buffer)[None],
                fill(y_hat[latent], small)[None],
                np.full(1, quality, np.float32),
                np.array([tile.window_shape], np.int32),
            )
            (row, column), (down, across) = (
                np.subtract(tile.start, tile.window_start),
                tile.shape,
            )
            (top, left), (bottom, right) = tile.start, tile.stop
            x[top:bottom, left:right] = found[0, row : row + down, column : column + across]
            tell(1)
        z *= np.float32(steps.z[i])
        z += np.float32(steps.x[i]) * x + np.float32(steps.before[i]) * before
        if steps.noise[i]:
            z += np.float32(steps.noise[i]) * _field(key, i + 1, (height, width))
        before, x = x, before
    height, width = image.shape[:2]
    added = np.float32(strength * refiner.deviation(quality) * 255) * z[:height, :width]
    return np.clip(np.rint(image + added), 0, 255).astype(np.uint8)


def windows(codec: Codec, shape: Pair, *, edge: int = TILE) -> int:
    """How many windows an evaluation of the network has; raises ValueError as `refine`."""
    if codec.refiner is None:
        raise ValueError("this codec has nothing to refine with")
    size = padded(*shape, codec.geometry.stride)
    return sum(1 for _ in tiles(*size, codec.refiner.halo, edge=edge))


def _field(key: jax.Array, number: int, shape: Pair) -> np.ndarray:
    """Noise for a picture whose sides are multiples of the block's."""
    field = np.empty((*shape, 3), np.float32)
    key = jax.random.fold_in(key, number)
    places = [(r, c) for r in range(0, shape[0], _BLOCK) for c in range(0, shape[1], _BLOCK)]
    for first in range(0, len(places), _DRAWN):
        some = places[first : first + _DRAWN]
        numbers = np.zeros((_DRAWN, 2), np.uint32)
        numbers[: len(some)] = np.array(some, np.uint32) // _BLOCK
        for (r, c), block in zip(some, np.asarray(_blocks(key, numbers)), strict=False):
            field[r : r + _BLOCK, c : c + _BLOCK] = block
    return field


@jax.jit
def _blocks(key, numbers):
    def one(place):
        own = jax.random.fold_in(jax.random.fold_in(key, place[0]), place[1])
        return jax.random.normal(own, (_BLOCK, _BLOCK, 3))

    return jax.vmap(one)(numbers)
