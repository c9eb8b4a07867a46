"""From a rescaling network to a rescaler: images of any size, tile by tile, without seams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic import prng
from jaxlic.codecs.channel import Channel, channel
from jaxlic.codecs.sain import Downscaled, Upscaled
from jaxlic.core import Params, Reconstruction, Rescaler
from jaxlic.ops.quantisation import to_8_bits
from jaxlic.ops.resize import bicubic_down

TILE = 1024
# Enough for the shipped networks. The published ones nominally reach up to 640 pixels, but
# what lies that far away has next to no effect.
_MAX_HALO = 320
_WINDOWS = (64, 128, 256, 384, 512, 768, 1024)


class RescalingModel(Protocol):
    """What a rescaling network must say: a linen module with these methods.

    `size` is the height and width of the valid part of the image, in pixels, or None.
    `reach` is how far, in pixels of the image, anything has an effect.
    """

    scale: int
    stride: int
    reach: int

    def forward(self, x: jax.Array, size=None) -> Downscaled: ...

    def inverse(self, lr: jax.Array, latent: jax.Array, size=None) -> Upscaled: ...

    def draw(self, lr: jax.Array, key: jax.Array) -> jax.Array: ...

    def down(self, x: jax.Array, size=None) -> jax.Array: ...

    def up(
        self, lr: jax.Array, size=None, latent: str = "mean", key=None, origin=None
    ) -> jax.Array: ...


class Tile(NamedTuple):
    """A tile and the window the network sees it through; in pixels, per axis."""

    start: np.ndarray
    stop: np.ndarray
    window_start: np.ndarray
    window_stop: np.ndarray


def tiles(height: int, width: int, halo: int, tile: int = TILE) -> Iterator[Tile]:
    """The tiles of an image, row by row, each with at most `halo` pixels around it."""
    size = np.array([height, width])
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            start = np.array([top, left])
            stop = np.minimum(start + tile, size)
            yield Tile(start, stop, np.maximum(start - halo, 0), np.minimum(stop + halo, size))


def rescaler(
    model: RescalingModel, *, through: Channel | None = None, tile: int = TILE
) -> Rescaler:
    """The rescaler of `model`.

    Args:
        model: the network.
        through: what files do to thumbnails in training; None for real JPEG and WebP.
        tile: edge of the tiles in pixels, a multiple of the model's stride.
    """
    scale, stride = model.scale, model.stride
    halo = -(-min(model.reach, _MAX_HALO) // stride) * stride
    send = through or channel()

    def run(module, x, quality, key):
        down = module.forward(x)
        lr, reference = to_8_bits(down.lr), to_8_bits(bicubic_down(x, scale))
        sent = send(lr, reference, quality, prng.stream(key, "channel"))
        up = module.inverse(sent.received, module.draw(lr, prng.stream(key, "latent")))
        aux = {
            "lr": down.lr,
            "lr_8_bits": lr,
            "lr_decoded": sent.decoded,
            "lr_restored": up.restored,
            "compressed": down.compressed,
            "latent": down.latent,
            "reference": reference,
            "reference_decoded": sent.reference,
            "rate": sent.rate,
        }
        return Reconstruction(up.hr, {"file": sent.bits}, aux)

    def init(image: jax.Array, key: jax.Array) -> Params:
        def both(module, x):
            down = module.forward(x)
            return module.inverse(down.lr, module.draw(down.lr, key))

        return model.init(key, image, method=both)

    def forward(
        params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        return model.apply(params, image, quality, key, method=run)

    @jax.jit
    def down(params, x, size):
        lr = model.apply(params, x.astype(jnp.float32) / 255, size, method="down")
        return _bytes(lr)

    def up(params, lr, size, latent, key, origin):
        lr = lr.astype(jnp.float32) / 255
        return _bytes(model.apply(params, lr, size, latent, key, origin, method="up"))

    up = jax.jit(up, static_argnames="latent")

    def downscale(params: Params, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        full = _pad(image, stride)
        out = np.empty((full.shape[0] // scale, full.shape[1] // scale, 3), np.uint8)
        for t in tiles(*full.shape[:2], halo, tile):
            x, size = _window(full, t.window_start, t.window_stop, stride)
            _place(out, np.asarray(down(params, x[None], size))[0], t, scale)
        return out[: -(-height // scale), : -(-width // scale)]

    def upscale(
        params: Params,
        thumbnail: np.ndarray,
        shape: tuple[int, int],
        latent: str = "mean",
        seed: int = 0,
    ) -> np.ndarray:
        lr = _pad(thumbnail, stride // scale)
        out = np.empty((lr.shape[0] * scale, lr.shape[1] * scale, 3), np.uint8)
        key = jax.random.key(seed)
        for t in tiles(*out.shape[:2], halo, tile):
            start, stop = t.window_start // scale, t.window_stop // scale
            x, size = _window(lr, start, stop, stride // scale)
            origin = start.astype(np.int32)
            x = np.asarray(up(params, x[None], size * scale, latent, key, origin))[0]
            _place(out, x, t, 1)
        return out[: shape[0], : shape[1]]

    return Rescaler(init, forward, downscale, upscale, scale, stride)


def _bytes(x: jax.Array) -> jax.Array:
    return jnp.round(jnp.clip(x, 0, 1) * 255).astype(jnp.uint8)


def _pad(image, multiple):
    """Repeats the last row and column until both sizes are multiples."""
    pads = ((0, -image.shape[0] % multiple), (0, -image.shape[1] % multiple), (0, 0))
    return np.pad(image, pads, mode="edge")


def _window(image, start, stop, multiple):
    """The part from `start` to `stop` in a buffer of one of a few sizes, and its size."""
    part = image[start[0] : stop[0], start[1] : stop[1]]
    edges = [
        next((w for w in _WINDOWS if w >= n and w % multiple == 0), n) for n in part.shape[:2]
    ]
    # Networks know where the part ends; to plain filters the rest is its mirror image.
    pads = [(0, edge - n) for edge, n in zip(edges, part.shape[:2], strict=True)]
    return np.pad(part, (*pads, (0, 0)), "symmetric"), np.array(part.shape[:2], np.int32)


def _place(out, window, t: Tile, scale: int) -> None:
    """Writes the tile's part of a window, at 1 / `scale` of its size."""
    (top, left), (bottom, right) = t.start // scale, t.stop // scale
    skip = (t.start - t.window_start) // scale
    out[top:bottom, left:right] = window[
        skip[0] : skip[0] + bottom - top, skip[1] : skip[1] + right - left
    ]
