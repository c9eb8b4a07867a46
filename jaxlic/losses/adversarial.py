"""The non-saturating adversarial loss. Goodfellow et al. 2014, arXiv:1406.2661.

Logits are `[..., h, w, 1]`, by patch; all functions are by image, `[...]`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def generator(fake: jax.Array) -> jax.Array:
    """`-log D(x_hat)`, the mean over patches."""
    return jnp.mean(jax.nn.softplus(-fake), axis=(-3, -2, -1))


def critic(real: jax.Array, fake: jax.Array) -> jax.Array:
    """`-log D(x) - log(1 - D(x_hat))`, the mean over patches."""
    return jnp.mean(jax.nn.softplus(-real) + jax.nn.softplus(fake), axis=(-3, -2, -1))
