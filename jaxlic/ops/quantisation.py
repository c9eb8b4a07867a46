"""Quantisers: what rounding becomes in training. Latents are in quantisation steps.

A `Quantiser` maps `(y, offset, key)` to what the entropy model and synthesis see instead of
the latent. `offset` is where the integer grid sits: the predicted mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.arrays import Array, is_host


class Quantised(NamedTuple):
    """Three views of a quantised latent; they may be one array.

    Attributes:
        coded: what the scales of the entropy model are fitted to, and what bits are counted
            for.
        relaxed: where the gradient of the rate with respect to latent and mean is taken.
        y_hat: what synthesis, and everything coded later, sees.
    """

    coded: jax.Array
    relaxed: jax.Array
    y_hat: jax.Array


Quantiser = Callable[[jax.Array, jax.Array, jax.Array], Quantised]


def round_ste(x: Array) -> Array:
    """Rounds half up; the gradient is that of the identity (straight through).

    Half up, `floor(x + 1/2)`, because it is exact wherever `x + 1/2` is representable,
    whatever the compiler makes of it. Arrays of NumPy or of JAX.

    >>> round_ste(jnp.array([0.5, 1.5, -0.5])).tolist()
    [1.0, 2.0, 0.0]
    """
    return np.floor(x + np.float32(0.5)) if is_host(x) else _round(x)


@jax.custom_vjp
def _round(x):
    return jnp.floor(x + 0.5)


_round.defvjp(lambda x: (_round(x), None), lambda _, g: (g,))


def hard(y: jax.Array, offset: jax.Array, key: jax.Array) -> Quantised:
    """Rounds `y - offset`, for all uses; what the bitstream does. `key` is not used."""
    y_hat = offset + round_ste(y - offset)
    return Quantised(y_hat, y_hat, y_hat)


def noise(y: jax.Array, offset: jax.Array, key: jax.Array) -> Quantised:
    """Adds uniform noise in [-1/2, 1/2), for all uses. Ballé et al. 2017, section 3."""
    noisy = y + jax.random.uniform(key, y.shape, y.dtype, -0.5, 0.5)
    return Quantised(noisy, noisy, noisy)


def split(y: jax.Array, offset: jax.Array, key: jax.Array) -> Quantised:
    """Noise for the gradient of the rate, straight-through rounding for all else.

    After Minnen & Singh 2020, arXiv:2007.08739, section 3.3, who take noise for all of the
    rate. But noise makes zeros look expensive: at the smallest scale, 0.11, a latent that is
    always coded as zero costs 0.16 bits under noise and nothing in a file. With 1.25 latents
    a pixel that is 0.2 bits a pixel that no file has, and scales fitted to it are too wide.
    """
    rounded = hard(y, offset, key).y_hat
    return Quantised(rounded, noise(y, offset, key).y_hat, rounded)


def is_cheaper(
    r: jax.Array, k: jax.Array, saved: jax.Array, price: float | np.float32
) -> jax.Array:
    """Where a latent should go to the next integer towards zero: not the nearest, the cheapest.

    The encoder's part of entropy-constrained quantisation (Sullivan 1996, "Efficient scalar
    quantization of exponential and Laplacian random variables"): bits plus `price` times the
    squared error are to be least. At high rate, with steps that minimise the Lagrangian, the
    price is 6 / ln 2, 8.7 bits.

    Args:
        r: latent less its mean, in quantisation steps.
        k: `r`, rounded to the nearest integer.
        saved: bits of `k` less bits of `k - sign(k)`.
        price: bits per squared step of error.

    Returns:
        Whether `k - sign(k)` costs less, elementwise. Arrays of NumPy or of JAX.
    """
    return saved > price * (1 + 2 * (abs(r) - abs(k)))


def to_8_bits(x: jax.Array) -> jax.Array:
    """Clips to [0, 1] and rounds to multiples of 1 / 255; the gradient is the identity's.

    Also where it clips: a thumbnail that strays is pulled back by its losses, not lost.
    """
    return x + jax.lax.stop_gradient(jnp.round(jnp.clip(x, 0, 1) * 255) / 255 - x)
