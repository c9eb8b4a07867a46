"""Bicubic thumbnails, and a network that restores them: what rescalers are compared with."""

from __future__ import annotations

import jax
from flax import linen as nn

from jaxlic.core import Builder
from jaxlic.ops.geometry import depth_to_space
from jaxlic.ops.resize import bicubic_down, bicubic_up
from jaxlic.rescaling.coupling import FoldedNet
from jaxlic.rescaling.rescaler import Downscaled, Upscaled, rescaler


class RestoredBicubic(nn.Module):
    """Bicubic down; bicubic up plus what a residual network makes of the thumbnail.

    Attributes:
        scale: the factor, 2 or 4.
        width, blocks, fold: of the network, see `FoldedNet`; a width of 0 is plain bicubic.
    """

    scale: int = 2
    width: int = 64
    blocks: int = 8
    fold: int = 2

    def setup(self) -> None:
        if self.width:
            self.net = FoldedNet(3 * self.scale**2, self.width, self.blocks, self.fold)

    @property
    def stride(self) -> int:
        """What height and width must divide by."""
        return self.fold * self.scale

    @property
    def reach(self) -> int:
        """How far, in pixels, anything has an effect."""
        return self.scale * (FoldedNet(3, self.width, self.blocks, self.fold).reach + 4)

    def forward(self, x: jax.Array, size: jax.Array | None = None) -> Downscaled:
        """As `Invertible.forward`; nothing is kept beside the thumbnail."""
        lr = self.down(x, size)
        return Downscaled(lr, lr, lr[..., :0])

    def down(self, x: jax.Array, size: jax.Array | None = None) -> jax.Array:
        """The thumbnail."""
        return bicubic_down(x, self.scale)

    def draw(self, lr: jax.Array, key: jax.Array) -> jax.Array:
        """There is no latent."""
        return lr[..., :0]

    def surprise(self, latent: jax.Array) -> jax.Array:
        """Zeros, `[B]`."""
        return latent.sum(axis=(1, 2, 3))

    def inverse(
        self, lr: jax.Array, latent: jax.Array, size: jax.Array | None = None
    ) -> Upscaled:
        """As `Invertible.inverse`."""
        return Upscaled(self.up(lr, size), lr)

    def up(
        self,
        lr: jax.Array,
        size: jax.Array | None = None,
        latent: str = "mean",
        key: jax.Array | None = None,
        origin: jax.Array | None = None,
    ) -> jax.Array:
        """The image."""
        hr = bicubic_up(lr, self.scale)
        if not self.width:
            return hr
        size = None if size is None else size // self.scale
        return hr + depth_to_space(self.net(lr - 0.5, size), self.scale)


def restored_bicubic(
    *, scale: int = 2, width: int = 64, blocks: int = 8, fold: int = 2
) -> RestoredBicubic:
    """The network, of the builder `rescaler.bicubic`."""
    return RestoredBicubic(scale, width, blocks, fold)


_LIMITS = (("scale", 4), ("blocks", 32), ("fold", 8))
BUILDERS = (Builder("rescaler.bicubic", restored_bicubic, rescaler, limits=_LIMITS),)
