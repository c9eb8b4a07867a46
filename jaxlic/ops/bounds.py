"""Bounds whose gradients still lead back inside."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.arrays import Array, is_host


def clip(x: Array, low: float, high: float) -> Array:
    """Clips `x` to [low, high]; outside, only gradients that lead back inside pass.

    Meant for descent: at `x < low` a negative gradient (a step along it raises x) is kept,
    a positive one is dropped; at `x > high` the other way round. Source: the lower bound
    of Ballé et al. 2018, arXiv:1802.01436, on both sides. Arrays of NumPy or of JAX.

    Raises:
        ValueError: if `low` exceeds `high`.
    """
    if low > high:
        raise ValueError(f"low {low} exceeds high {high}")
    if is_host(x):
        return np.clip(x, np.float32(low), np.float32(high))
    return _clip(x, low, high)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _clip(x, low, high):
    return jnp.clip(x, low, high)


def _clip_backward(low, high, x, g):
    g = jnp.where(x < low, jnp.minimum(g, 0), g)
    return (jnp.where(x > high, jnp.maximum(g, 0), g),)


_clip.defvjp(lambda x, low, high: (jnp.clip(x, low, high), x), _clip_backward)


def lower_bound(x: Array, low: float) -> Array:
    """`max(x, low)` with the gradient of `clip`."""
    return clip(x, low, float("inf"))
