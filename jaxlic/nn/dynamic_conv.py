"""Dynamic kernels: where a convolution looks, and how much each place counts, by content.

    u = W_in x,  h = gelu(depthwise3x3(x)),  d = R tanh(W_d h / R),  m = modulation(W_m h)
    y_g(p) = sum_k m_gk(p) u_g(p + p_k + d_gk(p)),  out = W_out y

The operator of DCNv3 (Wang et al. 2023, arXiv:2211.05778) with the weights that all
positions share in W_in and W_out only, and three differences: offsets are bounded by R
samples (unbounded ones explode in training), borders are repeated instead of dark, and the
branch that predicts them has no layer norm. `DynamicConv` goes where a convolution of stride
1 goes; `PlainConv` and `DepthwiseConv` are what it is to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxlic.nn.conv import Conv, conv2d
from jaxlic.ops.geometry import extend, keep
from jaxlic.ops.warp import Aggregate, aggregate, aggregate_fixed


def softmax(logits: jax.Array) -> jax.Array:
    """Weights of the taps that sum to one: DCNv3. `[..., K]`."""
    return jax.nn.softmax(logits, axis=-1)


def sigmoid(logits: jax.Array) -> jax.Array:
    """Each tap in (0, 1) by itself: DCNv2 (Zhu et al. 2019, arXiv:1811.11168). `[..., K]`."""
    return jax.nn.sigmoid(logits)


def unbounded(logits: jax.Array) -> jax.Array:
    """The mean of the taps plus anything: DCNv4 (Xiong et al. 2024, arXiv:2401.06197)."""
    return logits + 1 / logits.shape[-1]


def uniform(logits: jax.Array) -> jax.Array:
    """The mean of the taps, whatever the logits: only the offsets adapt. `[..., K]`."""
    return jnp.full_like(logits, 1 / logits.shape[-1])


class DynamicConv(nn.Module):
    """A 3x3 aggregation whose sampling points and weights are predicted at every position.

    Offsets start at zero and all taps alike (with `softmax`: a box filter). An offset or a
    logit that is not finite counts as zero, so that what is predicted moves no tap out of
    reach. (A sample of the input that is not finite still spoils the positions that can look
    at it, and gradients.)

    Sown into the collection "intermediates" (`apply(..., mutable=["intermediates"])`), as
    tuples: `offsets` `[B, H, W, G, K, 2]`, rows then columns, in samples; `weights`
    `[B, H, W, G, K]`; `radius`; `fallbacks`, how many logits and offsets were not finite.

    Attributes:
        features: output channels.
        kernel_size: edge of the grid of taps, odd.
        group: channels that share their offsets; input channels are a multiple.
        radius: R, the longest offset along an axis, in samples.
        modulation: logits `[..., K]` to weights: `softmax`, `sigmoid`, `unbounded` or
            `uniform`.
        offsets: False keeps the taps on their grid: only the weights adapt.
        aggregate: how it is computed, a function of `jaxlic.ops.warp`; the default chooses by
            platform.
        kernel_init: of W_out.
    """

    features: int
    kernel_size: int = 3
    group: int = 16
    radius: int = 2
    modulation: Callable[[jax.Array], jax.Array] = softmax
    offsets: bool = True
    aggregate: Aggregate = aggregate
    kernel_init: Callable = nn.initializers.variance_scaling(1.0, "fan_in", "normal")

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None = None) -> jax.Array:
        """Maps `[B, H, W, I]` to `[B, H, W, features]`.

        Args:
            x: the features.
            size: integer `[2]`, height and width of their valid part; None for all.

        Raises:
            ValueError: if I is not a multiple of `group`, the kernel is even, or the radius is
                not a whole number from 1 on.
            TypeError: if x holds integers.
        """
        channels, count = x.shape[-1], self.kernel_size**2
        if self.kernel_size % 2 == 0 or self.kernel_size < 1:
            raise ValueError(f"kernels have odd edges, got {self.kernel_size}")
        if not isinstance(self.radius, int) or self.radius < 1:
            raise ValueError(f"radius is a whole number from 1 on, got {self.radius}")
        if self.group < 1 or channels % self.group:
            raise ValueError(f"{channels} channels are not in groups of {self.group}")
        x = keep(x, size)
        groups = channels // self.group
        context = nn.gelu(DepthwiseConv(name="context")(x, size))

        def predict(name: str, per_tap: int) -> jax.Array:
            zeros = nn.initializers.zeros
            values = Conv(groups * count * per_tap, 1, kernel_init=zeros, name=name)(context)
            values = values.reshape(*values.shape[:3], groups, count, per_tap)
            fine = jnp.isfinite(values)
            self.sow("intermediates", "fallbacks", jnp.sum(~fine))
            return jnp.where(fine, values, 0)

        weights = self.modulation(predict("modulation", 1)[..., 0].astype(jnp.float32))
        u = Conv(channels, 1, name="project")(x)
        if self.offsets:
            raw = predict("offset", 2).astype(jnp.float32)
            offsets = self.radius * jnp.tanh(raw / self.radius)
            self.sow("intermediates", "offsets", offsets)
            self.sow("intermediates", "radius", self.radius)
            y = self.aggregate(u, offsets, weights, radius=self.radius, size=size)
        else:
            y = aggregate_fixed(u, weights, size=size)
        self.sow("intermediates", "weights", weights)
        return Conv(self.features, 1, kernel_init=self.kernel_init, name="out")(y)


class DepthwiseConv(nn.Module):
    """A kernel a channel, the border repeated; content changes nothing."""

    kernel_size: int = 3

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None = None) -> jax.Array:
        """Maps `[B, H, W, C]` to the same shape and type; sums are float32."""
        edge, channels = self.kernel_size, x.shape[-1]
        init = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
        kernel = self.param("kernel", init, (edge, edge, 1, channels))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        margin = edge // 2
        padded = extend(x, margin, size, "edge")
        # Sums of shifted copies: XLA's grouped convolutions are slow on CPU.
        total = bias
        for i in range(edge):
            for j in range(edge):
                shifted = padded[:, i : i + x.shape[1], j : j + x.shape[2]]
                total = total + kernel[i, j, 0] * shifted
        return total.astype(x.dtype)


class SeparableConv(nn.Module):
    """`DynamicConv` with neither offsets nor modulation: 1x1, a kernel a channel, 1x1."""

    features: int
    kernel_init: Callable = nn.initializers.variance_scaling(1.0, "fan_in", "normal")

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None = None) -> jax.Array:
        """Maps `[B, H, W, I]` to `[B, H, W, features]`."""
        u = Conv(x.shape[-1], 1, name="project")(keep(x, size))
        y = DepthwiseConv()(u, size)
        return Conv(self.features, 1, kernel_init=self.kernel_init, name="out")(y)


class PlainConv(nn.Module):
    """An ordinary 3x3 convolution with the signature of `DynamicConv`."""

    features: int
    kernel_init: Callable = nn.initializers.variance_scaling(1.0, "fan_in", "normal")

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None = None) -> jax.Array:
        """Maps `[B, H, W, I]` to `[B, H, W, features]`."""
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return conv2d(keep(x, size), kernel) + bias.astype(x.dtype)
