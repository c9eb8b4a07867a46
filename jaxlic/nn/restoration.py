"""A filter of the reconstruction: takes back what quantisation does to edges.

A transform codec that zeroes what is small leaves ringing beside edges and blurs them. What a
loop filter does in video codecs, a small network does here at 1/4 of the resolution, where a
cell of 4x4 pixels is 48 channels. Two things make it learn fast: it sees the picture less its
smooth part, in units of the error that the quality leaves, compressed by `asinh`, so that
faint ringing beside a strong edge is not drowned by it; and what it adds is in these units too.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxlic.nn.conv import Conv
from jaxlic.nn.dynamic_conv import PlainConv
from jaxlic.nn.gain import QualityGain
from jaxlic.nn.groups import KernelBlock
from jaxlic.ops.deband import smooth
from jaxlic.ops.geometry import depth_to_space, keep, shrunk, space_to_depth

_CELL = 4


class Restoration(nn.Module):
    """`x + s(quality) W_out * blocks(asinh(W_in * (x - smooth(x)) / s(quality)))`.

    Starts as the identity.

    Attributes:
        width, hidden: channels between the blocks and within.
        blocks: how many `KernelBlock`s.
        kernel: theirs.
        error: s, in levels of 255, at quality 1 and 100, log-linear between, to start with.
    """

    width: int = 64
    hidden: int = 64
    blocks: int = 2
    kernel: Callable[[int], nn.Module] = PlainConv
    error: tuple[float, float] = (10.0, 1.5)

    @nn.compact
    def __call__(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, 3]` around [0, 1] to the same shape, H and W multiples of 8."""
        cells = shrunk(size, _CELL)
        worst, best = (float(np.log(e / 255)) for e in self.error)
        scale = QualityGain(1, worst, best)(quality)
        detail = space_to_depth((x - smooth(x, size)) / scale, _CELL)
        h = jnp.arcsinh(Conv(self.width, 3)(keep(detail, cells)))
        for _ in range(self.blocks):
            h = KernelBlock(self.hidden, self.kernel)(h, quality, cells)
        zeros = nn.initializers.zeros
        added = Conv(detail.shape[-1], 3, kernel_init=zeros)(keep(h, cells))
        return x + scale * depth_to_space(added, _CELL)
