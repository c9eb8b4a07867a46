"""Analysis and synthesis transforms, each a pair that a codec is composed of.

`ConvAnalysis` and `ConvSynthesis` are the published ones: four strided 5x5 convolutions
with GDN between. `LappedAnalysis` and `LappedSynthesis` cost a tenth: they work at 1/8 and
1/16 of the resolution only, start as an orthonormal lapped cosine transform of the three
colours (so that the first training step already sees a codec) and learn residual blocks on
top. A pair agrees on `stride`, the ratio of image to latent size.

Every transform takes the image or the latent, a `quality` of shape `[B]` and a `size`: the
height and width in pixels of the part of the image that is valid, the top left one, or None
if all is. Inside, the result is that of the valid part alone.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxlic.core import MAX_QUALITY, MIN_QUALITY
from jaxlic.nn.conv import Conv, ConvTranspose, conv2d
from jaxlic.nn.gain import QualityGain
from jaxlic.nn.gdn import GDN
from jaxlic.ops.deband import deband
from jaxlic.ops.geometry import depth_to_space, extend, keep, shrunk, space_to_depth
from jaxlic.ops.lapped import lapped_kernel, merge_kernel


class ConvAnalysis(nn.Module):
    """conv-GDN-conv-GDN-conv-GDN-conv, 5x5, stride 2. Minnen et al. 2018, arXiv:1809.02736.

    Attributes:
        features, latents: channels inside and of the latent.
        groups: `(array, quality, size) -> array`, at 1/4, 1/8 and 1/16 of the resolution.
    """

    features: int = 128
    latents: int = 192
    groups: tuple[Callable[..., jax.Array], ...] = ()
    stride: int = 16

    @nn.compact
    def __call__(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, 3]` in [0, 1] to `[B, H / 16, W / 16, latents]`."""
        for level in range(3):
            x = keep(x, shrunk(size, 2**level))
            x = GDN()(Conv(self.features, 5, stride=2)(x))
            if level and self.groups:
                x = self.groups[level - 1](x, quality, shrunk(size, 2 ** (level + 1)))
        x = keep(x, shrunk(size, 8))
        x = Conv(self.latents, 5, stride=2, result=jnp.float32)(x)
        return self.groups[2](x, quality, shrunk(size, 16)) if self.groups else x


class ConvSynthesis(nn.Module):
    """The mirror image of `ConvAnalysis`, with inverse GDN; `groups` from 1/16 to 1/4."""

    features: int = 128
    latents: int = 192
    groups: tuple[Callable[..., jax.Array], ...] = ()
    stride: int = 16

    @nn.compact
    def __call__(
        self, y_hat: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, latents]` to `[B, 16 H, 16 W, 3]`."""
        x = y_hat
        for level in range(3):
            if self.groups:
                x = self.groups[level](x, quality, shrunk(size, 16 // 2**level))
            x = keep(x, shrunk(size, 16 // 2**level))
            x = GDN(inverse=True)(ConvTranspose(self.features)(x))
        return ConvTranspose(3, result=jnp.float32)(keep(x, shrunk(size, 2)))


class LappedAnalysis(nn.Module):
    """Lapped 8x8 transform, residual blocks, 2x2 merge to 1/16, residual blocks.

    Attributes:
        features: channels at 1/8 (of 192 coefficients the lowest in frequency, to start).
        latents: channels at 1/16.
        hidden: width of the residual blocks at 1/16.
        blocks: residual blocks at 1/8 and at 1/16.
        groups: `(array, quality, size) -> array`, after the blocks at 1/8 and at 1/16.
    """

    features: int = 128
    latents: int = 320
    hidden: int = 192
    blocks: tuple[int, int] = (2, 2)
    groups: tuple[nn.Module, ...] = ()
    stride: int = 16

    @nn.compact
    def __call__(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, 3]` in [0, 1] to `[B, H / 16, W / 16, latents]`."""
        kernel = self.param("lapped", lambda _: lapped_kernel(self.features))
        merge = self.param("merge", lambda _: merge_kernel(self.features, self.latents))
        x = extend(x - 0.5, 4, size, "symmetric")
        x = conv2d(space_to_depth(x, 8), kernel, padding=((0, 0), (0, 0)))
        for _ in range(self.blocks[0]):
            x = ResidualBlock(self.features)(x, quality, shrunk(size, 8))
        if self.groups:
            x = self.groups[0](x, quality, shrunk(size, 8))
        x = conv2d(space_to_depth(x, 2), merge[None, None])
        for _ in range(self.blocks[1]):
            x = ResidualBlock(self.hidden)(x, quality, shrunk(size, 16))
        return self.groups[1](x, quality, shrunk(size, 16)) if self.groups else x


class LappedSynthesis(nn.Module):
    """The mirror image of `LappedAnalysis`, then `restoration` and `deband`.

    Attributes:
        features, latents, hidden, blocks: as in `LappedAnalysis`.
        groups: `(array, quality, size) -> array`, before the blocks at 1/16 and at 1/8.
        restoration: `(image, quality, size) -> image`, such as `nn.restoration.Restoration`.
        deband: thresholds at quality 1 and 100, in levels of 255, log-linear between.
    """

    features: int = 128
    latents: int = 320
    hidden: int = 192
    blocks: tuple[int, int] = (2, 2)
    groups: tuple[nn.Module, ...] = ()
    restoration: nn.Module | None = None
    deband: tuple[float, float] = (2.9, 0.29)
    stride: int = 16

    @nn.compact
    def __call__(
        self, y_hat: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, latents]` to `[B, 16 H, 16 W, 3]`."""
        kernel = self.param("lapped", lambda _: lapped_kernel(self.features))
        split = self.param("merge", lambda _: merge_kernel(self.features, self.latents))
        x = y_hat
        if self.groups:
            x = self.groups[0](x, quality, shrunk(size, 16))
        for _ in range(self.blocks[1]):
            x = ResidualBlock(self.hidden)(x, quality, shrunk(size, 16))
        x = depth_to_space(conv2d(x, split.T[None, None]), 2)
        if self.groups:
            x = self.groups[1](x, quality, shrunk(size, 8))
        for _ in range(self.blocks[0]):
            x = ResidualBlock(self.features)(x, quality, shrunk(size, 8))
        # The adjoint of the analysis: every block adds to its 2x2 neighbourhood.
        adjoint = kernel[::-1, ::-1].swapaxes(2, 3)
        x = extend(x, 1, shrunk(size, 8), "edge")
        x = depth_to_space(conv2d(x, adjoint, padding=((0, 0), (0, 0))), 8)
        x = x[:, 4:-4, 4:-4] + 0.5
        if self.restoration is not None:
            x = self.restoration(x, quality, size)
        t = (quality - MIN_QUALITY) / (MAX_QUALITY - MIN_QUALITY)
        first, last = self.deband
        threshold = first / 255 * (last / first) ** t
        return deband(x, threshold[:, None, None, None], size)


class ResidualBlock(nn.Module):
    """`x + W2 (s(quality) * act(W1 * x))`: 3x3 then 1x1, starting as the identity."""

    hidden: int
    anchors: int = 7

    @nn.compact
    def __call__(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, C]` to the same shape; here `size` is in samples of `x`."""
        h = nn.leaky_relu(Conv(self.hidden, 3)(keep(x, size)), 0.1)
        h = h * QualityGain(self.hidden, anchors=self.anchors)(quality)
        return x + Conv(x.shape[-1], 1, kernel_init=nn.initializers.zeros)(h)
