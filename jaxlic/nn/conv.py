"""Convolutions, in the one formulation every model uses.

XLA's CPU backend runs the textbook forms slowly in the backward pass: the weight gradient
of a strided transposed 5x5 convolution takes some 14 times what PyTorch needs, and a
gradient inside `lax.scan` 24 times what it takes outside. Here

* a transposed convolution is one stride-1 convolution to `stride**2` phases, followed by
  `depth_to_space` (the same sums, no zeros inserted between the samples);
* on CPU the weight gradient of a strided convolution is one matrix product a kernel tap, and
  its input gradient is the transposed convolution above (a `custom_vjp`).

Which it is, is decided where a program is lowered: accelerators keep XLA's own gradients.
`tests/benchmarks/train_step.py` shows what it buys.

All arrays are NHWC, kernels HWIO. Kernels of transposed convolutions are HWIO as well, I
being the channels that come in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from jaxlic.ops.geometry import depth_to_space

Padding = tuple[tuple[int, int], tuple[int, int]]

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def same_padding(kernel_size: int) -> Padding:
    """Padding that keeps the size at stride 1 and halves an even size at stride 2."""
    low = kernel_size // 2 if kernel_size % 2 else kernel_size // 2 - 1
    around = (low, kernel_size - 1 - low)
    return around, around


def conv2d(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int = 1,
    padding: Padding | None = None,
    precision: lax.Precision | None = None,
) -> jax.Array:
    """Correlates `x` with `kernel`.

    Args:
        x: `[B, H, W, I]`.
        kernel: `[kh, kw, I, O]`.
        stride: step between output positions, in samples of `x`.
        padding: zeros added `((top, bottom), (left, right))`; None means `same_padding`.
        precision: as in `jax.lax`; the exact layers ask for the highest.

    Returns:
        `[B, H', W', O]`, `H' = (H + top + bottom - kh) // stride + 1`.

    Raises:
        ValueError: if the channels of `x` are not those the kernel expects.
    """
    if x.ndim != 4 or x.shape[-1] != kernel.shape[2]:
        raise ValueError(f"a kernel {kernel.shape} cannot be applied to {x.shape}")
    if padding is None:
        padding = same_padding(kernel.shape[0])
    if kernel.shape[:2] == (1, 1) and stride == 1 and padding == ((0, 0), (0, 0)):
        return jnp.dot(x, kernel[0, 0], precision=precision)
    return _convolution(x, kernel, stride, padding, precision)


def conv2d_transpose(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int = 2,
    precision: lax.Precision | None = None,
) -> jax.Array:
    """Transposed convolution: the adjoint of `conv2d` with `same_padding`.

    Equals PyTorch's `ConvTranspose2d(k, stride, padding=k // 2, output_padding=stride - 1)`
    for odd k (with the two channel axes of the kernel exchanged).

    Args:
        x: `[B, H, W, I]`.
        kernel: `[k, k, I, O]`.
        stride: the factor by which height and width grow.
        precision: as in `jax.lax`.

    Returns:
        `[B, stride * H, stride * W, O]`.
    """
    low = same_padding(kernel.shape[0])[0][0]
    size = (stride * x.shape[1], stride * x.shape[2])
    return _transpose(x, kernel, stride, (low, low), size, precision, conv2d)


class Conv(nn.Module):
    """Convolution with bias, in PyTorch's padding (`kernel_size // 2`)."""

    features: int
    kernel_size: int = 3
    stride: int = 1
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.variance_scaling(1.0, "fan_in", "normal")

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[B, H, W, I]` to `[B, H / stride, W / stride, features]`."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        y = conv2d(x, kernel, stride=self.stride)
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,))
        return y


class ConvTranspose(nn.Module):
    """Transposed convolution with bias that multiplies height and width by `stride`."""

    features: int
    kernel_size: int = 5
    stride: int = 2
    kernel_init: Callable = nn.initializers.variance_scaling(4.0, "fan_in", "normal")

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[B, H, W, I]` to `[B, stride * H, stride * W, features]`."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return conv2d_transpose(x, kernel, stride=self.stride) + bias


def _conv(x, kernel, stride, padding, precision):
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=_DIMENSIONS,
        precision=precision,
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _convolution(x, kernel, stride, padding, precision):
    return _conv(x, kernel, stride, padding, precision)


def _forward(x, kernel, stride, padding, precision):
    return _conv(x, kernel, stride, padding, precision), (x, kernel)


def _backward(stride, padding, precision, residuals, dy):
    def plain(x, kernel, dy):
        convolve = functools.partial(_conv, stride=stride, padding=padding, precision=precision)
        return jax.vjp(convolve, x, kernel)[1](dy)

    cpu = functools.partial(_backward_cpu, stride, padding, precision)
    return lax.platform_dependent(*residuals, dy, cpu=cpu, default=plain)


def _backward_cpu(stride, padding, precision, x, kernel, dy):
    adjoint = kernel.swapaxes(2, 3)
    low = (padding[0][0], padding[1][0])
    dx = _transpose(dy, adjoint, stride, low, x.shape[1:3], precision, _conv_raw)
    if stride == 1:
        _, pull = jax.vjp(lambda k: _conv(x, k, 1, padding, precision), kernel)
        return dx, pull(dy)[0]
    return dx, _kernel_gradient(x, dy, kernel.shape, stride, padding, precision)


_convolution.defvjp(_forward, _backward)


def _conv_raw(x, kernel, *, padding, precision):
    return _conv(x, kernel, 1, padding, precision)


def _kernel_gradient(x, dy, shape, stride, padding, precision):
    """One matrix product a tap: dW[i, j] = (x, shifted by (i, j) and strided)^T dy."""
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    height, width = dy.shape[1:3]
    taps = [
        jnp.einsum(
            "nhwi,nhwo->io",
            x[
                :,
                i : i + stride * (height - 1) + 1 : stride,
                j : j + stride * (width - 1) + 1 : stride,
            ],
            dy,
            precision=precision,
        )
        for i in range(shape[0])
        for j in range(shape[1])
    ]
    return jnp.stack(taps).reshape(shape)


def _transpose(x, kernel, stride, low, size, precision, convolve):
    """y[stride * i + k - low] += x[i] kernel[k], cropped or padded to `size`.

    With k = stride * a + b the sum over a is a stride-1 convolution for every phase b.
    """
    taps = -(-kernel.shape[0] // stride), -(-kernel.shape[1] // stride)
    kernel = jnp.pad(
        kernel,
        (
            (0, taps[0] * stride - kernel.shape[0]),
            (0, taps[1] * stride - kernel.shape[1]),
            (0, 0),
            (0, 0),
        ),
    )
    channels_in, channels_out = kernel.shape[2:]
    kernel = kernel.reshape(taps[0], stride, taps[1], stride, channels_in, channels_out)
    kernel = kernel.transpose(0, 2, 4, 1, 3, 5).reshape(*taps, channels_in, -1)
    padding = tuple(
        (t - 1, max(t - 1, -(-(n + skip) // stride) - m))
        for t, n, skip, m in zip(taps, size, low, x.shape[1:3], strict=True)
    )
    y = convolve(x, kernel[::-1, ::-1], padding=padding, precision=precision)
    y = depth_to_space(y, stride)
    return y[:, low[0] : low[0] + size[0], low[1] : low[1] + size[1]]
