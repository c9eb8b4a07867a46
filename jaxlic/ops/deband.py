"""Smooth where nothing but quantisation is left to see.

Coarse quantisation turns a sky into steps of a level or two from block to block, which
PSNR hardly sees and the eye does. `deband` replaces the image by a smooth version of itself
wherever the two differ by less than a threshold, a classical idea (banding removal in video
players); as a plain differentiable function of the reconstruction it is trained through.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.geometry import extend, shrunk

_CELL = 8


def deband(x: jax.Array, threshold: jax.Array, size: jax.Array | None = None) -> jax.Array:
    """Blends `x` with its smooth part: `x - d / (1 + (E / threshold**2)**2)`.

    d is the difference to the smooth part and E its local mean square over the colours,
    smoothed likewise. A linear gradient stays as it is.

    Args:
        x: `[B, H, W, C]`, H and W multiples of 8.
        threshold: root mean square difference, in the units of x, at which the blend is even;
            broadcastable to `[B, 1, 1, 1]`.
        size: height and width of the valid part, or None.

    Returns:
        `[B, H, W, C]`.
    """
    detail = x - smooth(x, size)
    energy = smooth(jnp.mean(jnp.square(detail), axis=-1, keepdims=True), size)
    return x - detail / (1 + jnp.square(energy / jnp.square(threshold)))


def smooth(x: jax.Array, size: jax.Array | None = None) -> jax.Array:
    """The smooth part: means of 8x8 pixels, a binomial filter, linear interpolation.

    A linear gradient is its own smooth part. Arguments and result as of `deband`.
    """
    cells = shrunk(size, _CELL)
    return _upsample(_binomial(_means(x), cells), cells)


def _means(x):
    b, h, w, c = x.shape
    return x.reshape(b, h // _CELL, _CELL, w // _CELL, _CELL, c).mean(axis=(2, 4))


def _binomial(x, size):
    x = extend(x, 1, size, "edge")
    x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
    return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4


def _upsample(x, size):
    """Linear interpolation between the centres of the cells."""
    b, h, w, c = x.shape
    x = extend(x, 1, size, "edge")
    offset = (np.arange(_CELL) + 0.5) / _CELL - 0.5
    weights = [np.maximum(-offset, 0), 1 - np.abs(offset), np.maximum(offset, 0)]
    before, here, after = (jnp.asarray(v, x.dtype) for v in weights)
    x = (
        x[:, :-2, None] * before[:, None, None]
        + x[:, 1:-1, None] * here[:, None, None]
        + x[:, 2:, None] * after[:, None, None]
    ).reshape(b, h * _CELL, w + 2, c)
    x = (
        x[:, :, :-2, None] * before[:, None]
        + x[:, :, 1:-1, None] * here[:, None]
        + x[:, :, 2:, None] * after[:, None]
    )
    return x.reshape(b, h * _CELL, w * _CELL, c)
