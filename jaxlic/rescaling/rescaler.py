"""From a rescaling network to a rescaler: images of any size, tile by tile, without seams."""

from __future__ import annotations

import functools
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic import prng
from jaxlic.core import Module, Params, Reconstruction, Rescaler
from jaxlic.ops.quantisation import to_8_bits
from jaxlic.ops.resize import bicubic_down
from jaxlic.ops.tiling import TILE, Tile, cut, edge_for, padded, place, tiles
from jaxlic.rescaling.channel import Channel, channel

# Enough for the shipped networks. The published ones nominally reach up to 640 pixels, but
# what lies that far away has next to no effect.
_MAX_HALO = 320
_EDGES = (64, 128, 256, 384, 512, 768, 1024)


class Downscaled(NamedTuple):
    """What the forward direction returns, each `[B, H / scale, W / scale, C]`.

    Attributes:
        lr: the thumbnail, C = 3, near [0, 1], not yet in 8 bits.
        compressed: what the thumbnail is expected to look like when it comes from a file.
        latent: what does not go into the file, C = 3 scale^2 - 3.
    """

    lr: jax.Array
    compressed: jax.Array
    latent: jax.Array


class Upscaled(NamedTuple):
    """What the inverse returns.

    Attributes:
        hr: `[B, H, W, 3]`, near [0, 1].
        restored: `[B, H / scale, W / scale, 3]`, the thumbnail as it was before its file.
    """

    hr: jax.Array
    restored: jax.Array


class RescalingModel(Module, Protocol):
    """What a rescaling network must say: a linen module with these methods.

    `size` is the height and width of the valid part of the image, in pixels, or None.
    `reach` is how far, in pixels of the image, anything has an effect.
    """

    @property
    def scale(self) -> int: ...

    @property
    def stride(self) -> int: ...

    @property
    def reach(self) -> int: ...

    def forward(self, x: jax.Array, size: jax.Array | None = None) -> Downscaled: ...

    def inverse(
        self, lr: jax.Array, latent: jax.Array, size: jax.Array | None = None
    ) -> Upscaled: ...

    def draw(self, lr: jax.Array, key: jax.Array) -> jax.Array: ...

    def surprise(self, latent: jax.Array) -> jax.Array: ...

    def down(self, x: jax.Array, size: jax.Array | None = None) -> jax.Array: ...

    def up(
        self,
        lr: jax.Array,
        size: jax.Array | None = None,
        latent: str = "mean",
        key: jax.Array | None = None,
        origin: jax.Array | None = None,
    ) -> jax.Array: ...


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
            "surprise": module.surprise(down.latent),
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

    @functools.partial(jax.jit, static_argnames="latent")
    def up(params, lr, size, latent, key, origin):
        lr = lr.astype(jnp.float32) / 255
        return _bytes(model.apply(params, lr, size, latent, key, origin, method="up"))

    def downscale(params: Params, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        full = _pad(image, stride)
        out = np.empty((full.shape[0] // scale, full.shape[1] // scale, 3), np.uint8)
        for t in tiles(*full.shape[:2], halo, edge=tile):
            x, size = _window(full, t, stride)
            place(out, np.asarray(down(params, x[None], size))[0], t.shrunk(scale))
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
        for t in tiles(*out.shape[:2], halo, edge=tile):
            small = t.shrunk(scale)
            x, size = _window(lr, small, stride // scale)
            origin = np.array(small.window_start, np.int32)
            x = np.asarray(up(params, x[None], size * scale, latent, key, origin))[0]
            place(out, x, t)
        return out[: shape[0], : shape[1]]

    return Rescaler(init, forward, downscale, upscale, scale, stride)


def _bytes(x: jax.Array) -> jax.Array:
    return jnp.round(jnp.clip(x, 0, 1) * 255).astype(jnp.uint8)


def _pad(image: np.ndarray, multiple: int) -> np.ndarray:
    """Repeats the last row and column until both sizes are multiples."""
    return cut(image, (0, 0), padded(*image.shape[:2], multiple))


def _window(image: np.ndarray, tile: Tile, multiple: int) -> tuple[np.ndarray, np.ndarray]:
    """A tile's window in a buffer of one of a few sizes, and its size."""
    part = cut(image, tile.window_start, tile.window_stop)
    edges = [edge for edge in _EDGES if edge % multiple == 0]
    # Networks know where the part ends; to plain filters the rest is its mirror image.
    pads = [(0, edge_for(n, edges) - n) for n in part.shape[:2]]
    return np.pad(part, (*pads, (0, 0)), "symmetric"), np.array(part.shape[:2], np.int32)
