"""A denoising U-Net for what a decoded picture lacks, conditioned on picture and latent.

It works at 1/4, 1/8 and 1/16 of the resolution, where a cell is channels, so that an evaluation
costs about as much as the decoder itself. There is no attention: all that it sees lies within
`halo` pixels, so tiles with such a halo are what the whole image would be. The published model
that it follows in what it is told works at full resolution, with attention over all pixels, and
costs 984 kMAC a pixel (Yang & Mandt 2023, arXiv:2209.06950; Brenig & Timofte 2024,
arXiv:2505.13152); these widths and depths are ours.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxlic.core import MAX_QUALITY, MIN_QUALITY
from jaxlic.nn.conv import Conv
from jaxlic.ops.deband import smooth
from jaxlic.ops.geometry import depth_to_space, keep, shrunk, space_to_depth

_ZEROS = nn.initializers.zeros


def halo(depths: tuple[int, int, int]) -> int:
    """How far a network of such depths looks, in pixels, rounded up to a multiple of 64."""
    reach = 50 + sum(4 * scale * depth for scale, depth in zip((4, 8, 16), depths, strict=True))
    return -(-reach // 64) * 64


class DenoisingUNet(nn.Module):
    """Predicts v of a noisy residual, in units of the residual.

    Attributes:
        widths: channels at 1/4, 1/8 and 1/16.
        depths: blocks there on the way down, as many on the way up.
        embedding: width of what blocks are told of noise and quality.
    """

    widths: tuple[int, int, int] = (64, 128, 256)
    depths: tuple[int, int, int] = (1, 1, 1)
    embedding: int = 128

    @nn.compact
    def __call__(
        self,
        z: jax.Array,
        log_snr: jax.Array,
        x_hat: jax.Array,
        y_hat: jax.Array,
        scale: jax.Array,
        quality: jax.Array,
        size: jax.Array | None = None,
    ) -> jax.Array:
        """One evaluation.

        Args:
            z: `[B, H, W, 3]`, the noisy residual, of variance near one.
            log_snr: `[B]`.
            x_hat: `[B, H, W, 3]`, the decoded picture, around [0, 1].
            y_hat: `[B, H / 16, W / 16, C]`, the decoded latent, in quantisation steps.
            scale: `[B]`, the residual's standard deviation in units of the image.
            quality: `[B]`.
            size: the valid part of the image, or None.

        Returns:
            v, `[B, H, W, 3]`; zero at the start of training.
        """
        told = self._told(log_snr, quality)
        cells = [shrunk(size, n) for n in (4, 8, 16)]
        detail = jnp.arcsinh((x_hat - smooth(x_hat, size)) / scale[:, None, None, None])
        seen = [space_to_depth(a, 4) for a in (z, detail, x_hat - 0.5)]
        h = Conv(self.widths[0], 3, name="in")(keep(jnp.concatenate(seen, -1), cells[0]))
        latent = Conv(self.widths[2], 1, name="latent")(jnp.arcsinh(y_hat))
        kept = []
        for level in (0, 1, 2):
            if level:
                h = Conv(self.widths[level], 1, name=f"down_{level}")(space_to_depth(h, 2))
            h = h + latent if level == 2 else h
            h = self._blocks(h, told, "descent", level, cells[level])
            kept.append(h)
        for level in (2, 1, 0):
            if level < 2:
                up = Conv(4 * self.widths[level], 1, name=f"up_{level}")(h)
                h = kept[level] + depth_to_space(up, 2)
            h = self._blocks(h, told, "ascent", level, cells[level])
        h = keep(nn.silu(nn.LayerNorm(name="norm")(h)), cells[0])
        out, gain = (Conv(48, 3, kernel_init=_ZEROS, name=name)(h) for name in ("out", "gain"))
        # Of a pixel whose residual has variance s, the best guess of v is a multiple of z.
        return depth_to_space(out, 4) + depth_to_space(gain, 4) * z

    def _told(self, log_snr, quality):
        """Noise and quality as a vector, `[B, embedding]`."""
        t = (quality - MIN_QUALITY) / (MAX_QUALITY - MIN_QUALITY)
        rates = np.pi * 2.0 ** np.arange(6)
        angles = jnp.concatenate([a[:, None] * rates for a in (log_snr / 24, t / 2)], axis=-1)
        h = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        h = nn.silu(nn.Dense(self.embedding, name="told_0")(h))
        return nn.silu(nn.Dense(self.embedding, name="told_1")(h))

    def _blocks(self, h, told, way, level, size):
        for k in range(self.depths[level]):
            name = f"{way}_{(4, 8, 16)[level]}_{k}"
            h = _Block(self.widths[level], name=name)(h, told, size)
        return h


class _Block(nn.Module):
    """Norm, convolution, scaled and shifted by what is told, convolution, added."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array, told: jax.Array, size: jax.Array | None) -> jax.Array:
        h = Conv(self.features, 3, name="first")(keep(nn.silu(nn.LayerNorm()(x)), size))
        told = nn.Dense(2 * self.features, kernel_init=_ZEROS, name="told")(told)
        gain, shift = jnp.split(told[:, None, None], 2, axis=-1)
        h = nn.silu(nn.LayerNorm()(h) * (1 + gain) + shift)
        return x + Conv(self.features, 3, kernel_init=_ZEROS, name="last")(keep(h, size))
