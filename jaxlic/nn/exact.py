"""Convolutions that give the same integers on every machine.

Between the bytes of a file and the tables of the entropy coder nothing may round: one
index that differs spoils the image. These layers compute on integers held in float32.
Sums of integers are exact in float32, in any order and layout and with or without fused
multiply-add, while no partial sum exceeds 2**24. Magnitudes of at most 256 also survive
bfloat16 and TF32 inputs. `bound` proves both for given weights. Integer convolutions are
not used because XLA lacks them on GPU.

A library may compute a 3x3 convolution by Winograd's transform or by FFT, whose intermediates
are no integers: its sums are off by a little (0.15 at most, emulated on shipped weights). So
sums are rounded to the nearest integer before anything else is done with them.

Given arrays of NumPy the layers compute in NumPy, with matrix products in float32, and return
such arrays: that is how files are written and read (`ops/arrays.py`).

Training keeps real-valued weights and rounds them in the forward pass, straight through
(Ballé, Johnston & Minnen 2019, "Integer networks for data compression with latent-variable
models", describes the approach; rescaling here is by powers of two).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax
from jax.core import Tracer

from jaxlic.nn.conv import conv2d
from jaxlic.ops.arrays import Array, is_host, namespace, once
from jaxlic.ops.bounds import clip
from jaxlic.ops.quantisation import round_ste

LIMIT = 2**24
_SPLIT = 128
MAX_MAGNITUDE = 256


def compand(x: Array) -> Array:
    """Integers of any size to integers in [-255, 255]: small ones stay what they are.

    Slope 1 up to 64, 1/4 up to 320, 1/16 up to 2352. Gradients are of these slopes.

    >>> compand(jnp.array([-5.0, 64.0, 320.0, 9999.0])).tolist()
    [-5.0, 64.0, 128.0, 255.0]
    """
    xp = namespace(x)
    near = xp.clip(x, -64, 64)
    middle = xp.clip(x - near, -256, 256)
    far = xp.clip(x - near - middle, -2032, 2032)
    return near + round_ste(middle / 4 + far / 16)


def steep(x: Array) -> Array:
    """How large integers are, in [0, 255], much as their logarithm: the small ones stand apart.

    Slope 4 up to 16, 1 up to 80, 1/4 up to 400, 1/16 up to 1152. Gradients are of these slopes.

    >>> steep(jnp.array([0.0, -16.0, 80.0, 9999.0])).tolist()
    [0.0, 64.0, 128.0, 255.0]
    """
    xp = namespace(x)
    x = xp.abs(x)
    first, second = xp.clip(x, 0, 16), xp.clip(x - 16, 0, 64)
    third, last = xp.clip(x - 80, 0, 320), xp.clip(x - 400, 0, 752)
    return 4 * first + second + round_ste(third / 4 + last / 16)


def whole_sums(x: Array, kernel: Array) -> Array:
    """The sums of a convolution of integers, whatever algorithm computes it.

    Args:
        x: integer-valued float32 `[B, H, W, I]`.
        kernel: likewise, `[k, k, I, O]`, k odd.

    Returns:
        `[B, H, W, O]`, exact where no partial sum exceeds 2**24 and the algorithm errs by less
        than a half.
    """
    if is_host(x, kernel):
        return _products(x, kernel)
    return _nearest(conv2d(x, kernel, precision=lax.Precision.HIGHEST))


class ExactConv(nn.Module):
    """A convolution from integers to integers, then rescaling, rounding and clipping.

    A real value v is held as the integer v * 2**fraction. The output is
    `clip(floor((W x + b) / 2**shift + 1/2), low, high)`, W and b integers,
    `shift = in_fraction + weight_fraction - out_fraction`.

    Attributes:
        features: output channels.
        kernel_size: edge of the kernel; stride is 1, padding with zeros.
        in_fraction, in_max: fixed-point format of the input and its largest magnitude.
        out_fraction, low, high: fixed-point format and range of the output, in integers.
        weight_fraction: weights are multiples of `2**-weight_fraction`, below 1.
        gain: variance scaling of the initial kernel; 0 starts it at zero.
        bias_init: initial bias, in real units.
        bias_rate: the bias is this multiple of its parameter, which under Adam multiplies
            its learning rate.
    """

    features: int
    kernel_size: int
    in_fraction: int
    in_max: int
    out_fraction: int
    low: int
    high: int
    weight_fraction: int = 8
    gain: float = 2.0
    bias_init: float = 0.0
    bias_rate: float = 1.0

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps integer-valued float32 `[B, H, W, I]` to `[B, H, W, features]`."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        init = nn.initializers.zeros
        if self.gain:
            init = nn.initializers.variance_scaling(self.gain, "fan_in", "normal")
        unit, largest = 2.0**self.weight_fraction, 2.0**self.weight_fraction - 1
        kernel = _integers(self, "kernel", init, shape, x, unit, largest)
        start = nn.initializers.constant(self.bias_init / self.bias_rate)
        unit = self.bias_rate * 2.0 ** (self.in_fraction + self.weight_fraction)
        bias = _integers(self, "bias", start, (self.features,), x, unit)
        x = clip(x, -self.in_max, self.in_max)
        total = whole_sums(x, kernel) + bias
        y = round_ste(total * 2.0**-self._shift)
        return clip(y, self.low, self.high)

    def bound(self) -> float:
        """The largest magnitude any partial sum can reach, for the bound parameters.

        A bias whose product with its scale rounds to near a half would become one integer or
        the other as a compiler pleases. The collection "exact", if mutable, receives biases
        that stand for the same integers from well within.

        Raises:
            ValueError: if exactness cannot be promised, with the offending number.
        """
        params = self.variables["params"]
        kernel = np.abs(_rounded(params["kernel"], 2.0**self.weight_fraction))
        kernel = np.minimum(kernel, 2**self.weight_fraction - 1)
        scale = self.bias_rate * 2.0 ** (self.in_fraction + self.weight_fraction)
        bias = _rounded(params["bias"], scale)
        if self.is_mutable_collection("exact"):
            self.put_variable("exact", "bias", _steady(params["bias"], bias, scale))
        magnitude = max(float(kernel.max()), self.in_max)
        if not magnitude <= MAX_MAGNITUDE:
            raise ValueError(f"{self.name}: a factor of {magnitude} exceeds {MAX_MAGNITUDE}")
        total = kernel.sum(axis=(0, 1, 2)) * self.in_max + np.abs(bias)
        total = float(total.max()) + 2.0 ** (self._shift - 1)
        if not total <= LIMIT:
            raise ValueError(f"{self.name}: sums up to {total} exceed 2**24")
        return total

    @property
    def _shift(self) -> int:
        return self.in_fraction + self.weight_fraction - self.out_fraction


class ExactLinear(nn.Module):
    """A 3x3 convolution of large integers, without bias: for predictions that must be linear.

    Weights are multiples of 1/128, integers up to 255; the output is `floor(W x / 128 + 1/2)`.
    Inputs are split into multiples of 128 and the rest: what the multiples give is whole as it
    is, only the rest is rounded, and no sum comes near the limit.

    Attributes:
        features: output channels.
        start: the initial kernel, `[3, 3, I, features]`, or None for zeros.
        in_max: largest magnitude of an input.
    """

    features: int
    start: Callable[[], np.ndarray] | None = None
    in_max: int = 2**13

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps integer-valued float32 `[B, H, W, I]` to `[B, H, W, features]`."""
        start = self.start
        init = nn.initializers.zeros if start is None else lambda *_: jnp.asarray(start())
        shape = (3, 3, x.shape[-1], self.features)
        kernel = _integers(self, "kernel", init, shape, x, float(_SPLIT), MAX_MAGNITUDE - 1)
        x = clip(x, -self.in_max, self.in_max)
        high = round_ste(x / _SPLIT)
        rest = whole_sums(x - _SPLIT * high, kernel)
        return whole_sums(high, kernel) + round_ste(rest / _SPLIT)

    def bound(self) -> float:
        """The largest magnitude any partial sum can reach; raises ValueError as `ExactConv`."""
        kernel = self.variables["params"]["kernel"]
        kernel = np.minimum(np.abs(_rounded(kernel, _SPLIT)), MAX_MAGNITUDE - 1)
        magnitude = max(float(kernel.max()), self.in_max / _SPLIT)
        if not magnitude <= MAX_MAGNITUDE:
            raise ValueError(f"{self.name}: a factor of {magnitude} exceeds {MAX_MAGNITUDE}")
        largest = max(self.in_max, _SPLIT**2 / 2) / _SPLIT  # Of a multiple, and of the rest.
        total = (float(kernel.sum(axis=(0, 1, 2)).max()) + 1) * (largest + 1)  # And of both.
        if not total <= LIMIT:
            raise ValueError(f"{self.name}: sums up to {total} exceed 2**24")
        return total


class ExactGain(nn.Module):
    """Each channel of small integers times an integer of its own.

    Attributes:
        fraction: the factor is `parameter * 2**fraction`, rounded.
        start: the parameters, initially.
        largest: magnitude of a factor and of an input at most.
    """

    fraction: int
    start: float = 0.0
    largest: int = 255

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps integer-valued float32 `[B, H, W, C]` to the same."""
        start = nn.initializers.constant(self.start)
        # A product with a power of two is exact: every compiler rounds the same number.
        unit = 2.0**self.fraction
        factor = _integers(self, "factor", start, (x.shape[-1],), x, unit, self.largest)
        return factor * clip(x, -self.largest, self.largest)


@jax.custom_vjp
def _nearest(x: jax.Array) -> jax.Array:
    """The nearest integer, also above 2**23, where x + 1/2 is none; straight through."""
    return jnp.round(x)


_nearest.defvjp(lambda x: (jnp.round(x), None), lambda _, g: (g,))


def _integers(layer, name, init, shape, x, unit, largest=None):
    """A parameter in whole units, NumPy's if x is; then without the shapes' check, which
    traces the init."""
    if not is_host(x) or layer.is_initializing():
        return _whole(layer.param(name, init, shape), unit, largest)
    value = layer.get_variable("params", name)
    if isinstance(value, Tracer):
        return _whole(value, unit, largest)
    return once(_for_products, value, unit, largest)


def _whole(a, unit, largest):
    scaled = a * unit
    return round_ste(scaled if largest is None else clip(scaled, -largest, largest))


def _for_products(a, unit, largest):
    """`_whole`, a kernel being laid out as `_products` reads it."""
    whole = _whole(np.asarray(a), unit, largest)
    if whole.ndim != 4:
        return whole
    return np.ascontiguousarray(whole.transpose(2, 0, 1, 3)).transpose(1, 2, 0, 3)


def _products(x, kernel):
    """A convolution as one matrix product for all taps, then their sum, in NumPy."""
    size, _, channels, features = kernel.shape
    margin, (batch, height, width, _) = size // 2, x.shape
    x = np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    matrix = kernel.transpose(2, 0, 1, 3).reshape(channels, -1)
    taps = (x.reshape(-1, channels) @ matrix).reshape(*x.shape[:3], -1)
    total = np.zeros((batch, height, width, features), np.float32)
    for i in range(size):
        for j in range(size):
            first = (i * size + j) * features
            total += taps[:, i : i + height, j : j + width, first : first + features]
    return total


def _rounded(a, scale):
    """The integers that parameters become, by float32 on the host: nothing has to compile."""
    scaled = np.asarray(a, np.float32) * np.float32(scale)
    return np.floor(scaled + np.float32(0.5)).astype(np.float64)


def _steady(a, integers, scale):
    """`a`, but no nearer than 0.05 to where it would stand for another integer."""
    scaled = np.asarray(a, np.float64) * scale
    steady = integers + np.clip(scaled - integers, -0.45, 0.45)
    return np.where(scaled == steady, a, steady / scale).astype(np.float32)
