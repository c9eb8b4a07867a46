"""The networks of a published diffusion codec, CDC, as those of a refiner for accelerators.

Yang & Mandt 2023, "Lossy Image Compression with Conditional Diffusion Models",
arXiv:2209.06950, after its published code: a context decoder turns the latent into features at
four scales, and a U-Net of six scales is given them beside its input. About 42 million
parameters, a thousand kMAC a pixel an evaluation: `nn/unet.py` has what runs on CPUs.

What is ours: the decoded picture is an input too, and the quality is told beside the time;
attention is over windows of 256 pixels and not over all of them, so that a tile with a halo is
what the picture would be.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxlic.core import MAX_QUALITY, MIN_QUALITY
from jaxlic.nn.conv import Conv, ConvTranspose
from jaxlic.ops.geometry import keep, shrunk

HALO = 1024
_WINDOW = 256  # Pixels.
_SLOPE = 0.2


class CdcAnalysis(nn.Module):
    """Image to latent: a residual block and a strided convolution, four times.

    Attributes:
        widths: at 1/2, 1/4, 1/8 and 1/16; the last is the latent's.
    """

    widths: tuple[int, ...] = (64, 128, 192, 256)
    stride: int = 16

    @nn.compact
    def __call__(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, 3]` in [0, 1] to `[B, H / 16, W / 16, C]`; quality is not used."""
        for level, width in enumerate(self.widths):
            inside = shrunk(size, 2**level)
            x = CdcBlock(width, 3 if level else 7)(x, None, inside)
            x = Conv(width, 3, stride=2)(keep(x, inside))
        return x


class ContextDecoder(nn.Module):
    """Latent to features at 1/8, 1/4, 1/2 and 1 of the resolution.

    Attributes:
        widths: in this order.
    """

    widths: tuple[int, ...] = (192, 128, 64, 64)

    @nn.compact
    def __call__(self, y: jax.Array, size: jax.Array | None = None) -> list[jax.Array]:
        """Maps `[B, H / 16, W / 16, C]` to features from the finest to the coarsest."""
        features = []
        for level, width in enumerate(self.widths):
            inside = shrunk(size, 16 >> level)
            y = CdcBlock(width)(y, None, inside)
            y = ConvTranspose(width, 4, stride=2)(keep(y, inside))
            features.append(y)
        return features[::-1]


class CdcSynthesis(nn.Module):
    """Latent to image: a decoder as that of the context, and a convolution to colours.

    Attributes:
        widths: as of `ContextDecoder`.
    """

    widths: tuple[int, ...] = (192, 128, 64, 64)

    @nn.compact
    def __call__(
        self, y: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H / 16, W / 16, C]` to `[B, H, W, 3]`, near [0, 1]; without quality."""
        features = ContextDecoder(self.widths)(y, size)[0]
        return 0.5 + Conv(3, 3)(keep(features, size))


class CdcUNet(nn.Module):
    """Predicts v of a noisy residual, as `DenoisingUNet` does; arguments are the same.

    Attributes:
        widths: from full resolution to 1/32.
        context: widths of the `ContextDecoder`.
    """

    widths: tuple[int, ...] = (64, 128, 192, 256, 320, 384)
    context: tuple[int, ...] = (192, 128, 64, 64)

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
        """One evaluation; H and W are multiples of 32."""
        told, last = self._told(log_snr, quality), len(self.widths) - 1
        inside = [shrunk(size, 2**level) for level in range(last + 1)]
        features = ContextDecoder(self.context, name="context")(y_hat, size)
        h, kept = jnp.concatenate([z, 2 * x_hat - 1], axis=-1), []
        for level, width in enumerate(self.widths):
            if level < len(features):
                h = jnp.concatenate([h, features[level]], axis=-1)
            h = CdcBlock(width, 3 if level else 7)(h, told, inside[level])
            h = CdcBlock(width)(h, told, inside[level])
            h = _Attention(_WINDOW >> level)(h, inside[level])
            kept.append(h)
            if level < last:
                h = Conv(width, 3, stride=2)(keep(h, inside[level]))
        h = CdcBlock(self.widths[-1])(h, told, inside[-1])
        h = _Attention(_WINDOW >> last)(h, inside[-1])
        h = CdcBlock(self.widths[-1])(h, told, inside[-1])
        for level in range(last, 0, -1):
            width = self.widths[level - 1]
            h = jnp.concatenate([h, kept[level]], axis=-1)
            h = CdcBlock(width)(h, told, inside[level])
            h = CdcBlock(width)(h, told, inside[level])
            h = _Attention(_WINDOW >> level)(h, inside[level])
            h = ConvTranspose(width, 4, stride=2)(keep(h, inside[level]))
        h = nn.LayerNorm()(h)
        return Conv(3, 7, kernel_init=nn.initializers.zeros)(keep(h, size))

    def _told(self, log_snr, quality):
        """The time at which the cosine schedule has this log-SNR, and the quality, 0 to 1."""
        time = 2 / np.pi * jnp.arctan(jnp.exp(-log_snr / 2))
        level = (quality - MIN_QUALITY) / (MAX_QUALITY - MIN_QUALITY)
        h = nn.gelu(nn.Dense(4 * self.widths[0])(jnp.stack([time, level], axis=-1)))
        return nn.Dense(self.widths[0])(h)


class CdcBlock(nn.Module):
    """Convolution, norm, what is told, convolution, norm; added to the input."""

    features: int
    first: int = 3

    @nn.compact
    def __call__(
        self, x: jax.Array, told: jax.Array | None, size: jax.Array | None
    ) -> jax.Array:
        h = Conv(self.features, self.first)(keep(x, size))
        h = nn.relu(nn.LayerNorm()(h))
        if told is not None:
            h = h + nn.Dense(self.features)(nn.leaky_relu(told, _SLOPE))[:, None, None]
        h = nn.relu(nn.LayerNorm()(Conv(self.features, 3)(keep(h, size))))
        return h + (x if x.shape[-1] == self.features else Conv(self.features, 1)(x))


class _Attention(nn.Module):
    """Linear attention within windows of `edge` samples, added to its input."""

    edge: int

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None) -> jax.Array:
        b, height, width, features = x.shape
        down, across = (-(-n // self.edge) for n in (height, width))
        # A window that the array cuts, or the picture, has what is there.
        there = keep(jnp.ones((b, height, width, 1)), size)
        q, k, v = jnp.split(
            Conv(3 * features, 1, use_bias=False)(nn.LayerNorm()(x)), 3, axis=-1
        )

        def cut(a):
            rest = (
                (0, 0),
                (0, down * self.edge - height),
                (0, across * self.edge - width),
                (0, 0),
            )
            a = jnp.pad(a, rest).reshape(b, down, self.edge, across, self.edge, -1)
            return a.transpose(0, 1, 3, 2, 4, 5).reshape(b * down * across, self.edge**2, -1)

        there = cut(there)
        q, k, v = cut(q) * features**-0.5, cut(k), cut(v)
        k = nn.softmax(jnp.where(there > 0, k, -1e9), axis=1) * there
        out = q @ jnp.einsum("npc,npd->ncd", k, v)
        out = out.reshape(b, down, across, self.edge, self.edge, -1).transpose(0, 1, 3, 2, 4, 5)
        out = out.reshape(b, down * self.edge, across * self.edge, -1)[:, :height, :width]
        return x + Conv(features, 1)(out)
