"""Generalised divisive normalisation. Ballé, Laparra & Simoncelli 2016, arXiv:1511.06281."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxlic.ops.bounds import lower_bound

_PEDESTAL = 2.0**-36


class GDN(nn.Module):
    """`y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2)`; times the root if `inverse`.

    Attributes:
        inverse: multiply instead of divide.
        beta_min: smallest beta.
        gamma_init: gamma starts as this multiple of the identity.
    """

    inverse: bool = False
    beta_min: float = 1e-6
    gamma_init: float = 0.1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[B, H, W, C]` to the same shape."""
        c = x.shape[-1]
        beta = self.param("beta", lambda _, shape: jnp.sqrt(jnp.ones(shape) + _PEDESTAL), (c,))
        gamma = self.param(
            "gamma",
            lambda _, shape: jnp.sqrt(self.gamma_init * jnp.eye(c) + _PEDESTAL),
            (c, c),
        )
        beta = _reparametrise(beta, self.beta_min)
        gamma = _reparametrise(gamma, 0.0)
        # The sum is float32 whatever x is; in bfloat16 (nn/precision.py) all else is too.
        gamma = gamma.astype(x.dtype)
        norm = jnp.dot(jnp.square(x), gamma, preferred_element_type=jnp.float32) + beta
        root = jnp.sqrt(norm) if self.inverse else jax.lax.rsqrt(norm)
        return x * root.astype(x.dtype)


def _reparametrise(v, minimum):
    bound = (minimum + _PEDESTAL) ** 0.5
    return jnp.square(lower_bound(v, bound)) - _PEDESTAL
