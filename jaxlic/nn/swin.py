"""Transforms of shifted-window attention, of the paper's size: for GPUs.

Source: Liang et al. 2025, arXiv:2505.22438, and its released code: patches of 2x2, four stages
of Swin blocks (Liu et al. 2021, arXiv:2103.14030) between 1/2 and 1/16 of the resolution, and
merging of patches before, or its reverse after, a stage. Nothing here depends on quality; it is
taken for the interface of `nn/transforms.py`. `size` is the height and width of the valid part,
or None.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxlic.nn.conv import Conv
from jaxlic.ops.geometry import depth_to_space, keep, shrunk, space_to_depth

WINDOW = 8
_FAR = -100.0  # Added to what may not be seen.


class SwinAnalysis(nn.Module):
    """`[B, H, W, 3]` to `[B, H / 16, W / 16, widths[-1]]`.

    Attributes:
        widths, depths: channels and blocks of the stages, from 1/2 to 1/16.
        heads: of every block.
    """

    widths: tuple[int, ...] = (256, 384, 512, 512)
    depths: tuple[int, ...] = (1, 2, 2, 3)
    heads: int = 16
    stride: int = 16

    @nn.compact
    def __call__(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps an image in [0, 1] to the latent."""
        x = nn.LayerNorm()(nn.Dense(self.widths[0])(space_to_depth(keep(x, size), 2)))
        factor = 2
        for k, (width, depth) in enumerate(zip(self.widths, self.depths, strict=True)):
            if k:
                x = nn.LayerNorm()(space_to_depth(keep(x, shrunk(size, factor)), 2))
                x = nn.Dense(width, use_bias=False)(x)
                factor *= 2
            for i in range(depth):
                x = SwinBlock(self.heads, WINDOW // 2 * (i % 2))(x, shrunk(size, factor))
        return nn.LayerNorm()(x)


class SwinSynthesis(nn.Module):
    """`[B, H, W, widths[0]]` to `[B, 16 H, 16 W, 3]`.

    Attributes:
        widths, depths: channels and blocks of the stages, from 1/16 to 1/2.
        heads: of every block.
    """

    widths: tuple[int, ...] = (512, 512, 384, 256)
    depths: tuple[int, ...] = (3, 2, 2, 1)
    heads: int = 16
    stride: int = 16

    @nn.compact
    def __call__(
        self, y_hat: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps the latent to an image, near [0, 1]."""
        x, factor = y_hat, 16
        after = (*self.widths[1:], self.widths[-1])
        for width, depth in zip(after, self.depths, strict=True):
            for i in range(depth):
                x = SwinBlock(self.heads, WINDOW // 2 * (i % 2))(x, shrunk(size, factor))
            x = nn.Dense(width, use_bias=False)(nn.LayerNorm()(depth_to_space(x, 2)))
            factor //= 2
        return Conv(3, 3)(keep(x, size))


class SwinBlock(nn.Module):
    """`x + attention(LN(x))`, then `x + MLP(LN(x))`, within windows of 8x8 that may be shifted.

    Attributes:
        heads: a divisor of the channels.
        shift: of the windows, in samples.
    """

    heads: int
    shift: int = 0

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None = None) -> jax.Array:
        """`[B, H, W, C]` to the same; what lies beyond `size` is not seen from inside."""
        width = x.shape[-1]
        table = self.param(
            "bias", nn.initializers.truncated_normal(0.02), ((2 * WINDOW - 1) ** 2, self.heads)
        )
        h = self._attend(nn.LayerNorm()(x), table[_relative()], size)
        x = x + nn.Dense(width, name="project")(h)
        h = nn.gelu(nn.Dense(4 * width, name="widen")(nn.LayerNorm()(x)), approximate=False)
        return x + nn.Dense(width, name="narrow")(h)

    def _attend(self, x, bias, size):
        b, height, width, channels = x.shape
        pads = ((0, -height % WINDOW), (0, -width % WINDOW))
        rows, columns = height + pads[0][1], width + pads[1][1]
        x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
        inside = jnp.pad(keep(jnp.ones((1, height, width, 1)), size), ((0, 0), *pads, (0, 0)))
        regions = jnp.asarray(_regions(rows, columns, self.shift))[None, :, :, None]
        back = (-self.shift, -self.shift)
        x, inside = (jnp.roll(a, back, axis=(1, 2)) for a in (x, inside))
        qkv = nn.Dense(3 * channels, name="qkv")(_windows(x))
        q, k, v = (a.reshape(*a.shape[:2], self.heads, -1) for a in jnp.split(qkv, 3, axis=-1))
        scores = jnp.einsum("nihc,njhc->nhij", q, k) / np.sqrt(channels // self.heads)
        scores = scores + bias.transpose(2, 0, 1)
        region, seen = _windows(regions)[..., 0], _windows(inside)[..., 0]
        apart = (region[:, :, None] != region[:, None, :]) | (seen[:, None, :] == 0)
        apart = jnp.tile(apart, (b, 1, 1))[:, None]
        weights = nn.softmax(jnp.where(apart, scores + _FAR, scores).astype(jnp.float32))
        out = jnp.einsum("nhij,njhc->nihc", weights, v).reshape(*qkv.shape[:2], channels)
        out = _whole(out, (b, rows, columns))
        out = jnp.roll(out, (self.shift, self.shift), axis=(1, 2))
        return out[:, :height, :width]


def _windows(x):
    """`[B, H, W, C]` to `[B * windows, 64, C]`."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // WINDOW, WINDOW, w // WINDOW, WINDOW, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, WINDOW**2, c)


def _whole(x, shape):
    """The inverse of `_windows`."""
    b, h, w = shape
    x = x.reshape(b, h // WINDOW, w // WINDOW, WINDOW, WINDOW, -1)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h, w, -1)


def _relative():
    """For each pair of positions of a window the row of the table of biases, `[64, 64]`."""
    places = np.stack(np.meshgrid(*[np.arange(WINDOW)] * 2, indexing="ij"), -1).reshape(-1, 2)
    apart = places[:, None] - places[None] + WINDOW - 1
    return apart[..., 0] * (2 * WINDOW - 1) + apart[..., 1]


def _regions(height, width, shift):
    """Numbers `[H, W]`, after the shift: positions that were not neighbours have others."""

    def parts(n):
        return (np.arange(n) >= n - WINDOW).astype(int) + (np.arange(n) >= n - shift)

    if not shift:
        return np.zeros((height, width), np.int32)
    return (3 * parts(height)[:, None] + parts(width)[None]).astype(np.int32)
