"""Convolutions, in the one formulation every model uses.

XLA's CPU backend runs the textbook forms slowly in the backward pass: as it differentiates
them, a strided transposed 5x5 convolution takes many times what PyTorch needs. Here

* a transposed convolution is `stride**2` convolutions of stride 1, one for every phase of the
  result, each with its own taps of the kernel (the same sums, no zeros between the samples);
* on CPU a kernel's gradient is one wide matrix product for every shift of the smaller array
  against all phases of the larger one, and a convolution's input gradient is the transposed
  convolution above (`custom_vjp`).

Which gradient it is, is decided where a program is lowered: accelerators keep XLA's own.
`tests/benchmarks/train_step.py` shows what it buys, layer by layer.

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
from jax.typing import DTypeLike

from jaxlic.ops.platforms import by_platform

Padding = tuple[tuple[int, int], tuple[int, int]]

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")
_FEW = 8  # Below so many channels a product a shift is too narrow, and one of all taps wins.


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
    result: DTypeLike | None = None,
) -> jax.Array:
    """Correlates `x` with `kernel`.

    Args:
        x: `[B, H, W, I]`.
        kernel: `[kh, kw, I, O]`; rounded to the type of `x`.
        stride: step between output positions, in samples of `x`.
        padding: zeros added `((top, bottom), (left, right))`; None means `same_padding`.
        precision: as in `jax.lax`; the exact layers ask for the highest.
        result: type of the result; None for that of `x`.

    Returns:
        `[B, H', W', O]`, `H' = (H + top + bottom - kh) // stride + 1`.

    Raises:
        ValueError: if the channels of `x` are not those the kernel expects.
        TypeError: if `x` holds integers: kernels would be rounded to these.
    """
    if x.ndim != 4 or x.shape[-1] != kernel.shape[2]:
        raise ValueError(f"a kernel {kernel.shape} cannot be applied to {x.shape}")
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise TypeError(f"a convolution takes floating-point numbers, got {x.dtype}")
    if padding is None:
        padding = same_padding(kernel.shape[0])
    x = jnp.asarray(x)  # Of a type that JAX has, also where NumPy's doubles come in.
    kernel = kernel.astype(x.dtype)
    if kernel.shape[:2] == (1, 1) and stride == 1 and padding == ((0, 0), (0, 0)):
        return jnp.dot(x, kernel[0, 0], precision=precision, preferred_element_type=result)
    return _convolution(x, kernel, stride, padding, precision, result)


def conv2d_transpose(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int = 2,
    precision: lax.Precision | None = None,
    result: DTypeLike | None = None,
) -> jax.Array:
    """Transposed convolution: the adjoint of `conv2d` with `same_padding`.

    Equals PyTorch's `ConvTranspose2d(k, stride, padding=k // 2, output_padding=stride - 1)`
    for odd k (with the two channel axes of the kernel exchanged).

    Args:
        x: `[B, H, W, I]`.
        kernel: `[k, k, I, O]`.
        stride: the factor by which height and width grow.
        precision: as in `jax.lax`.
        result: as of `conv2d`.

    Returns:
        `[B, stride * H, stride * W, O]`.
    """
    x = jnp.asarray(x)
    return _transposed(x, kernel.astype(x.dtype), stride, precision, result)


class Conv(nn.Module):
    """Convolution with bias, in PyTorch's padding (`kernel_size // 2`).

    Computes in the type of its input; `result` is that of the result, if it is to be another.
    """

    features: int
    kernel_size: int = 3
    stride: int = 1
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
    result: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[B, H, W, I]` to `[B, H / stride, W / stride, features]`."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        y = conv2d(x, kernel, stride=self.stride, result=self.result)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y = y + bias.astype(y.dtype)
        return y


class ConvTranspose(nn.Module):
    """Transposed convolution with bias that multiplies height and width by `stride`.

    Types are those of `Conv`.
    """

    features: int
    kernel_size: int = 5
    stride: int = 2
    kernel_init: Callable = nn.initializers.variance_scaling(4.0, "fan_in", "normal")
    result: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[B, H, W, I]` to `[B, stride * H, stride * W, features]`."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = conv2d_transpose(x, kernel, stride=self.stride, result=self.result)
        return y + bias.astype(y.dtype)


def _conv(x, kernel, stride, padding, precision, result=None):
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=_DIMENSIONS,
        precision=precision,
        preferred_element_type=result,
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def _convolution(x, kernel, stride, padding, precision, result):
    return _conv(x, kernel, stride, padding, precision, result)


def _forward(x, kernel, stride, padding, precision, result):
    return _conv(x, kernel, stride, padding, precision, result), (x, kernel)


def _backward(stride, padding, precision, result, residuals, dy):
    def cpu(x, kernel, dy):
        low = (padding[0][0], padding[1][0])
        dx = _phases(dy, kernel.swapaxes(2, 3), stride, low, x.shape[1:3], precision)
        return dx, _kernel_gradient(x, dy, kernel.shape[:2], stride, padding, precision)

    convolve = functools.partial(_conv, stride=stride, padding=padding, precision=precision)
    return _by_platform(cpu, convolve, residuals, dy)


_convolution.defvjp(_forward, _backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _transposed(x, kernel, stride, precision, result):
    low = same_padding(kernel.shape[0])[0][0]
    size = (stride * x.shape[1], stride * x.shape[2])
    return _phases(x, kernel, stride, (low, low), size, precision, result)


def _transposed_forward(x, kernel, stride, precision, result):
    return _transposed(x, kernel, stride, precision, result), (x, kernel)


def _transposed_backward(stride, precision, result, residuals, dy):
    def cpu(x, kernel, dy):
        padding, taps = same_padding(kernel.shape[0]), kernel.shape[:2]
        dx = _conv(dy, kernel.swapaxes(2, 3), stride, padding, precision)
        adjoint = _kernel_gradient(dy, x, taps, stride, padding, precision)
        return dx, adjoint.swapaxes(2, 3)

    def transpose(x, kernel):
        low = same_padding(kernel.shape[0])[0][0]
        size = (stride * x.shape[1], stride * x.shape[2])
        return _phases(x, kernel, stride, (low, low), size, precision)

    return _by_platform(cpu, transpose, residuals, dy)


_transposed.defvjp(_transposed_forward, _transposed_backward)


def _by_platform(cpu, function, residuals, dy):
    """The gradients of `function` at `residuals`: `cpu` on CPUs, elsewhere XLA's own."""
    default = lambda x, kernel, dy: jax.vjp(function, x, kernel)[1](dy)  # noqa: E731
    dy = dy.astype(residuals[0].dtype)
    return by_platform(*residuals, dy, cpu=cpu, default=default)


def _phases(x, kernel, stride, low, size, precision, result=None):
    """y[stride * i + k - low] += x[i] kernel[k], for the places of y within `size`.

    y[stride * m + p] sees every stride-th tap only: it is a convolution of stride 1 over m.
    """
    lengths = [-(-n // stride) for n in size]

    def axis(phase, which):
        first = (phase + low[which]) % stride
        taps = len(range(first, kernel.shape[which], stride))
        before = taps - 1 - (phase + low[which] - first) // stride
        return first, taps, (before, lengths[which] - x.shape[1 + which] - before + taps - 1)

    def one(p, q):
        (top, rows, vertical), (left, columns, horizontal) = axis(p, 0), axis(q, 1)
        if not rows or not columns:
            return jnp.zeros((x.shape[0], *lengths, kernel.shape[3]), result or x.dtype)
        part = kernel[top::stride, left::stride][::-1, ::-1]
        return _conv(x, part, 1, (vertical, horizontal), precision, result)

    phases = [[one(p, q) for q in range(stride)] for p in range(stride)]
    if stride == 1:
        return phases[0][0]
    y = jnp.stack([jnp.stack(row, 3) for row in phases], 2)
    y = y.reshape(x.shape[0], *(stride * n for n in lengths), kernel.shape[3])
    return y[:, : size[0], : size[1]]


def _kernel_gradient(x, dy, taps, stride, padding, precision):
    """dW[k] = sum over n of x[stride * n + k]^T dy[n], `x` being padded: `[kh, kw, I, O]`."""
    product = functools.partial(
        lax.dot_general, dimension_numbers=(((0,), (0,)), ((), ())), precision=precision
    )
    flat = lambda a: a.reshape(-1, a.shape[-1])  # noqa: E731
    batch, height, width, features = dy.shape
    channels = x.shape[-1]
    shifts = [-(-n // stride) for n in taps]
    rows, columns = height + shifts[0] - 1, width + shifts[1] - 1
    x = _resize(jnp.pad(x, ((0, 0), *padding, (0, 0))), rows * stride, columns * stride)
    if channels < _FEW:
        ends = stride * (height - 1) + 1, stride * (width - 1) + 1
        places = [(i, j) for i in range(taps[0]) for j in range(taps[1])]
        seen = [x[:, i : i + ends[0] : stride, j : j + ends[1] : stride] for i, j in places]
        return product(flat(jnp.concatenate(seen, -1)), flat(dy)).reshape(
            *taps, channels, features
        )
    x = x.reshape(batch, rows, stride, columns, stride, channels).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(-1, stride**2 * channels)

    def shifted(a, b):
        around = ((0, 0), (a, rows - height - a), (b, columns - width - b), (0, 0))
        moved = flat(jnp.pad(dy, around))
        if x.shape[1] < features:
            return product(x, moved)
        return product(moved, x).T  # Eigen likes the wide one on the right.

    parts = [shifted(a, b) for a in range(shifts[0]) for b in range(shifts[1])]
    dw = jnp.stack(parts).reshape(*shifts, stride, stride, channels, features)
    dw = dw.transpose(0, 2, 1, 3, 4, 5)
    dw = dw.reshape(stride * shifts[0], stride * shifts[1], channels, features)
    return dw[: taps[0], : taps[1]]


def _resize(x, height, width):
    """Cropped, or with zeros, to `height` and `width`, at the bottom and at the right."""
    x = x[:, :height, :width]
    return jnp.pad(x, ((0, 0), (0, height - x.shape[1]), (0, width - x.shape[2]), (0, 0)))
