"""Bounds whose gradients still lead back inside."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def clip(x: jax.Array, low: float, high: float) -> jax.Array:
    """Clips `x` to [low, high]; outside, only gradients that lead back inside pass.

    Meant for descent: at `x < low` a negative gradient (a step along it raises x) is kept,
    a positive one is dropped; at `x > high` the other way round. Source: the lower bound
    of Ballé et al. 2018, arXiv:1802.01436, on both sides.

    Raises:
        ValueError: if `low` exceeds `high`.
    """
    if low > high:
        raise ValueError(f"low {low} exceeds high {high}")
    return jnp.clip(x, low, high)


def _clip_backward(low, high, x, g):
    g = jnp.where(x < low, jnp.minimum(g, 0), g)
    return (jnp.where(x > high, jnp.maximum(g, 0), g),)


clip.defvjp(lambda x, low, high: (clip(x, low, high), x), _clip_backward)


def lower_bound(x: jax.Array, low: float) -> jax.Array:
    """`max(x, low)` with the gradient of `clip`."""
    return clip(x, low, float("inf"))
