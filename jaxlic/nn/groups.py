"""Residual blocks and groups around a kernel of choice.

`ResidualGroup` of `DynamicConv`s is the dynamic residual block group of Wang et al. 2023
(arXiv:2308.08723) as far as its abstract and summaries tell; widths, depth and the gain are
ours. Any module `(array, size) -> array` made from a number of features can be the kernel.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxlic.nn.conv import Conv
from jaxlic.nn.dynamic_conv import DynamicConv
from jaxlic.nn.gain import QualityGain
from jaxlic.ops.geometry import keep


class KernelBlock(nn.Module):
    """`x + s(quality) * kernel(act(W x))`, W a 1x1 convolution to `hidden` channels."""

    hidden: int
    kernel: Callable[[int], nn.Module] = DynamicConv
    anchors: int = 7

    @nn.compact
    def __call__(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, C]` to the same shape; `size` is in samples of `x`."""
        h = nn.leaky_relu(Conv(self.hidden, 1)(x), 0.1)
        h = self.kernel(x.shape[-1])(h, size)
        return x + h * QualityGain(x.shape[-1], anchors=self.anchors)(quality)


class ResidualGroup(nn.Module):
    """`x + W(blocks(x))`: starts as the identity.

    After an orthonormal transform the lowest frequency is a hundred times the others, and what
    little of it a weight lets through drowns them. `knee` compresses what the blocks see:
    `knee asinh(x / knee)`, the identity for the small and logarithmic for the large.

    Attributes:
        hidden: width of the blocks.
        blocks: how many.
        kernel: makes a module `(array, size) -> array` from its output channels.
        tail: edge of the kernel of the convolution W.
        knee: see above; None compresses nothing.
        scanned: the blocks are a loop, their parameters stacked along a first axis: a program
            of one block, which accelerators compile sooner.
    """

    hidden: int
    blocks: int = 2
    kernel: Callable[[int], nn.Module] = DynamicConv
    tail: int = 1
    knee: float | None = None
    scanned: bool = False

    @nn.compact
    def __call__(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, C]` to the same shape; `size` is in samples of `x`."""
        h = x if self.knee is None else self.knee * jnp.arcsinh(x / self.knee)
        if self.scanned:
            block = KernelBlock(self.hidden, self.kernel, name="blocks")
            # Sums of blocks are float32, also where convolutions are not (nn/precision.py).
            h, _ = _loop(self.blocks)(block, h.astype(jnp.float32), quality, size)
        else:
            for _ in range(self.blocks):
                h = KernelBlock(self.hidden, self.kernel)(h, quality, size)
        zeros = nn.initializers.zeros
        return x + Conv(x.shape[-1], self.tail, kernel_init=zeros)(keep(h, size))


def _loop(times: int) -> Callable:
    """A block, `times` times over, each with parameters of its own."""
    return nn.scan(
        lambda block, h, quality, size: (block(h, quality, size), None),
        variable_axes={"params": 0, "intermediates": 0},
        split_rngs={"params": True},
        in_axes=(nn.broadcast, nn.broadcast),
        length=times,
    )
