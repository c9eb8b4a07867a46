"""Quantisers: what rounding becomes in training. Latents are in quantisation steps.

A `Quantiser` maps `(y, offset, key)` to two versions of the latent: one the entropy model
is asked about, one that synthesis (and everything coded later) sees. `offset` is where the
integer grid sits: the predicted mean.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

Quantiser = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


@jax.custom_vjp
def round_ste(x: jax.Array) -> jax.Array:
    """Rounds half up; the gradient is that of the identity (straight through).

    Half up, `floor(x + 1/2)`, because it is exact wherever `x + 1/2` is representable,
    whatever the compiler makes of it.

    >>> round_ste(jnp.array([0.5, 1.5, -0.5])).tolist()
    [1.0, 2.0, 0.0]
    """
    return jnp.floor(x + 0.5)


round_ste.defvjp(lambda x: (round_ste(x), None), lambda _, g: (g,))


def hard(y: jax.Array, offset: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rounds `y - offset`, for both uses; what the bitstream does. `key` is not used."""
    y_hat = offset + round_ste(y - offset)
    return y_hat, y_hat


def noise(y: jax.Array, offset: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Adds uniform noise in [-1/2, 1/2), for both uses. Ballé et al. 2017, section 3."""
    noisy = y + jax.random.uniform(key, y.shape, y.dtype, -0.5, 0.5)
    return noisy, noisy


def mixed(y: jax.Array, offset: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Noise for the rate, straight-through rounding for synthesis.

    Source: Minnen & Singh 2020, arXiv:2007.08739, section 3.3.
    """
    return noise(y, offset, key)[0], hard(y, offset, key)[1]
