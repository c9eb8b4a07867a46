"""A sample of what a decoded picture lacks, for pictures of any size.

A sampler's steps are taken by the whole picture at once: at each, the network sees one window
after the other, with as much around as it looks at, so that no seam can appear. The noise is
one field for the picture.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.core import Codec, Params
from jaxlic.diffusion.samplers import Steps
from jaxlic.ops.tiling import TILE, Pair, Tile, area, cut, edge_for, fill, padded, tiles

_EDGES = (128, 256, 512, 768)
_BLOCK = 64  # Noise is drawn by blocks of so many pixels: what a window has does not depend
_DRAWN = 16  # on the picture's size; so many blocks at a time.
_GREY = 8.0  # Levels of 255 between channels, on average: a picture of less is taken as grey.
_BLEND = 32  # Pixels in which what is added fades towards a tile that is left as it is.


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
    noise: float = 1.0,
    edge: int = TILE,
    chosen: Collection[int] | None = None,
    tell: Callable[[int], None] = lambda evaluations: None,
) -> np.ndarray:
    """The picture and a sample of its residual; what is added to a grey picture is grey.

    Beside the arguments it takes 70 bytes a pixel, and what one window takes.

    Args:
        codec: with a refiner; `params` its parameters.
        image: uint8 `[H, W, 3]`, as decoded.
        y_hat: the latent it was decoded from.
        quality: that of the file.
        steps: of a sampler.
        key: of the noise.
        strength: how much of the sample is added. The squared error grows as
            `1 + strength**2`, were the sampler perfect.
        noise: the deviation of the noise that the sampler begins with, over the one that the
            network was trained for. Less than 1 gives less grain (the released code of CDC,
            arXiv:2209.06950, has 0.8); 0 draws nothing, and sharpens.
        edge: of tiles, in pixels; a multiple of the codec's stride.
        chosen: numbers of the tiles that are refined, in the order of `ops.tiling.tiles`; None
            for all. The others stay as they are, and cost nothing.
        tell: called with 1 after each window of each step.

    Returns:
        uint8 `[H, W, 3]`.

    Raises:
        ValueError: if the codec has no refiner, or there is no such tile.
    """
    refiner, g = codec.refiner, codec.geometry
    if refiner is None:
        raise ValueError("this codec has nothing to refine with")
    height, width = padded(*image.shape[:2], g.stride)
    found = list(tiles(height, width, refiner.halo, edge=edge))
    some = range(len(found)) if chosen is None else sorted(set(chosen))
    if not set(some) <= set(range(len(found))):
        raise ValueError(f"there are {len(found)} tiles, and {max(some)} is none of them")
    x_hat = cut(image, (0, 0), (height, width))
    z = _field(key, 0, (height, width))
    z *= np.float32(0 if refiner.deterministic else noise)
    before, x = np.zeros_like(z), np.zeros_like(z)
    for i in range(int(steps.active.sum())):
        for number in some:
            tile = found[number]
            seen = (z, x_hat, y_hat)
            estimate = _estimate(codec, params, tile, edge, steps.log_snr[i], seen, quality)
            row, column = np.subtract(tile.start, tile.window_start)
            down, across = tile.shape
            (top, left), (bottom, right) = tile.start, tile.stop
            part = estimate[row : row + down, column : column + across]
            x[top:bottom, left:right] = part
            tell(1)
        z *= np.float32(steps.z[i])
        z += np.float32(steps.x[i]) * x + np.float32(steps.before[i]) * before
        if steps.noise[i]:
            z += np.float32(steps.noise[i]) * _field(key, i + 1, (height, width))
        before[:] = x
    z *= np.float32(refiner.deviation(quality) * 255)
    if refiner.direct:
        z += np.float32(127.5) - x_hat
    if np.ptp(image, axis=-1).mean() < _GREY:
        z[:] = z.mean(-1, keepdims=True)
    if len(some) < len(found):
        for number, tile in enumerate(found):
            (top, left), (bottom, right) = tile.start, tile.stop
            z[top:bottom, left:right] *= _fading(found, number, set(some), edge)[..., None]
    height, width = image.shape[:2]
    added = np.float32(strength) * z[:height, :width]
    return np.clip(np.rint(image + added), 0, 255).astype(np.uint8)


def places(codec: Codec, shape: Pair, *, edge: int = TILE) -> list[Tile]:
    """The tiles of a picture of this shape, with the windows that the network sees of them.

    Raises:
        ValueError: as `refine`.
    """
    if codec.refiner is None:
        raise ValueError("this codec has nothing to refine with")
    size = padded(*shape, codec.geometry.stride)
    return list(tiles(*size, codec.refiner.halo, edge=edge))


def affordable(
    codec: Codec,
    params: Params,
    wanted: list[Tile],
    seconds: float,
    *,
    steps: int = 1,
    edge: int = TILE,
) -> int:
    """How many of some tiles of `places`, the first ones, can be refined in so many seconds.

    Each size of window is compiled and measured here, which counts, the first in any case and
    others while there is time.

    Raises:
        ValueError: as `refine`.
    """
    if codec.refiner is None:
        raise ValueError("this codec has nothing to refine with")
    known: dict[Pair, float] = {}
    end, needed = time.perf_counter() + seconds, 0.0
    for count, tile in enumerate(wanted):
        buffer = _buffer(codec, tile, edge)
        if buffer not in known:
            if count and time.perf_counter() + steps * needed > end:
                return count
            known[buffer] = _measured(codec, params, tile, edge)
        needed += known[buffer]
        if time.perf_counter() + steps * needed > end:
            return count
    return len(wanted)


def _measured(codec, params, tile, edge):
    """Seconds of an evaluation of a tile's window."""
    height, width = tile.window_stop
    stride, took = codec.geometry.latent_stride, 0.0
    seen = (
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width, 3), np.uint8),
        np.zeros((height // stride, width // stride, codec.geometry.latents), np.float32),
    )
    for _ in range(2):  # The first one compiles.
        began = time.perf_counter()
        _estimate(codec, params, tile, edge, 0.0, seen, 50.0)
        took = time.perf_counter() - began
    return took


def _estimate(codec, params, tile, edge, log_snr, seen, quality):
    """The network's estimate for a tile's window, `[h, w, 3]`, of noise, picture and latent."""
    z, x_hat, y_hat = seen
    stride, buffer = codec.geometry.latent_stride, _buffer(codec, tile, edge)
    inside = area(tile.window_start, tile.window_stop)
    latent = area(*tile.shrunk(stride)[2:])
    small = (buffer[0] // stride, buffer[1] // stride)
    found = codec.refiner.denoise(
        params,
        fill(z[inside], buffer)[None],
        np.float32(log_snr),
        fill(x_hat[inside], buffer)[None],
        fill(y_hat[latent], small)[None],
        np.full(1, quality, np.float32),
        np.array([tile.window_shape], np.int32),
    )
    return np.asarray(found[0])


def _buffer(codec, tile, edge):
    edges = (*_EDGES, edge + 2 * codec.refiner.halo)
    height, width = tile.window_shape
    return edge_for(height, edges), edge_for(width, edges)


def _fading(found, number, chosen, edge):
    """How much of what is added to a tile is kept, `[h, w]`; 0 for one that is not chosen."""
    tile = found[number]
    weight = np.full(tile.shape, number in chosen, np.float32)
    if number not in chosen:
        return weight
    by_place = {other.start: i for i, other in enumerate(found)}
    inward = [(np.arange(n, dtype=np.float32) + 0.5) / _BLEND for n in tile.shape]
    ramp = [{-1: a, 0: np.zeros_like(a), 1: a[::-1]} for a in inward]
    for down, across in itertools.product((-1, 0, 1), repeat=2):
        start = (tile.start[0] + down * edge, tile.start[1] + across * edge)
        if by_place.get(start, number) not in chosen:
            away = np.maximum(ramp[0][down][:, None], ramp[1][across][None])
            weight = np.minimum(weight, away)
    return weight


def _field(key: jax.Array, number: int, shape: Pair) -> np.ndarray:
    """Noise for a picture whose sides are multiples of the block's."""
    field = np.empty((*shape, 3), np.float32)
    key = jax.random.fold_in(key, number)
    corners = [(r, c) for r in range(0, shape[0], _BLOCK) for c in range(0, shape[1], _BLOCK)]
    for first in range(0, len(corners), _DRAWN):
        some = corners[first : first + _DRAWN]
        numbers = np.zeros((_DRAWN, 2), np.uint32)
        numbers[: len(some)] = np.array(some, np.uint32) // _BLOCK
        # Whatever the program around it has set: the same seed, the same noise.
        with jax.threefry_partitionable(True), jax.enable_x64(False):
            drawn = np.asarray(_blocks(key, numbers))
        for (r, c), block in zip(some, drawn, strict=False):
            field[r : r + _BLOCK, c : c + _BLOCK] = block
    return field


@jax.jit
def _blocks(key, numbers):
    def one(place):
        own = jax.random.fold_in(jax.random.fold_in(key, place[0]), place[1])
        return jax.random.normal(own, (_BLOCK, _BLOCK, 3), jnp.float32)

    return jax.vmap(one)(numbers)
