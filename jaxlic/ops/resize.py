"""Bicubic resizing by whole factors, with the conventions of the super-resolution field.

Keys' kernel with a = -1/2, widened by the factor when reducing, mirrored at the border: what
MATLAB's `imresize` does, on which the published tables rest.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np


def bicubic_down(x: jax.Array, factor: int) -> jax.Array:
    """Reduces `[B, H, W, C]` to `[B, H / factor, W / factor, C]`, antialiased; not clipped.

    Raises:
        ValueError: if H or W is not a multiple of `factor`.
    """
    if x.shape[1] % factor or x.shape[2] % factor:
        raise ValueError(f"{x.shape[1]}x{x.shape[2]} is not a multiple of {factor}")
    return _resize(x, (x.shape[1] // factor, x.shape[2] // factor))


def bicubic_up(x: jax.Array, factor: int) -> jax.Array:
    """Enlarges `[B, H, W, C]` to `[B, factor H, factor W, C]`; not clipped."""
    return _resize(x, (x.shape[1] * factor, x.shape[2] * factor))


def _resize(x, size):
    rows, columns = _matrix(x.shape[1], size[0]), _matrix(x.shape[2], size[1])
    x = jnp.einsum("oh,bhwc->bowc", rows, x, precision="highest")
    return jnp.einsum("ow,bhwc->bhoc", columns, x, precision="highest")


@functools.lru_cache(maxsize=32)
def _matrix(size: int, new: int) -> np.ndarray:
    """Weights `[new, size]` of the one-dimensional resampling."""
    scale = min(new / size, 1.0)
    centre = (np.arange(new) + 0.5) * size / new - 0.5
    reach = int(np.ceil(2 / scale)) + 1
    taps = np.floor(centre)[:, None].astype(int) + np.arange(-reach, reach + 1)
    weights = _cubic((centre[:, None] - taps) * scale)
    weights /= weights.sum(axis=1, keepdims=True)
    taps = np.mod(taps, 2 * size)
    taps = np.where(taps < size, taps, 2 * size - 1 - taps)
    matrix = np.zeros((new, size))
    np.add.at(matrix, (np.arange(new)[:, None], taps), weights)
    return matrix.astype(np.float32)


def _cubic(t: np.ndarray) -> np.ndarray:
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))
