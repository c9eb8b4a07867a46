"""The Haar transform of invertible rescaling: the low band is a thumbnail in [0, 1].

Source: Xiao et al. 2020, arXiv:2005.05650, section 3.2. Not orthonormal: the forward
direction divides by four, the inverse does not scale.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def haar(x: jax.Array) -> jax.Array:
    """One level of the transform.

    Args:
        x: `[B, H, W, C]`, H and W even.

    Returns:
        `[B, H / 2, W / 2, 4 C]`, band by band: means of 2x2 samples, then horizontal,
        vertical and diagonal differences, each of all C channels.

    Raises:
        ValueError: if H or W is odd.
    """
    if x.shape[1] % 2 or x.shape[2] % 2:
        raise ValueError(f"the Haar transform takes even sizes, got {x.shape[1:3]}")
    a, b = x[:, 0::2, 0::2], x[:, 0::2, 1::2]
    c, d = x[:, 1::2, 0::2], x[:, 1::2, 1::2]
    bands = (a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d)
    return jnp.concatenate(bands, axis=-1) / 4


def inverse_haar(x: jax.Array) -> jax.Array:
    """The inverse of `haar`: `[B, H, W, 4 C]` to `[B, 2 H, 2 W, C]`.

    Raises:
        ValueError: if the channels are not a multiple of four.
    """
    if x.shape[-1] % 4:
        raise ValueError(f"{x.shape[-1]} channels are not four bands")
    mean, horizontal, vertical, diagonal = jnp.split(x, 4, axis=-1)
    top = jnp.stack(
        [mean + horizontal + vertical + diagonal, mean - horizontal + vertical - diagonal], 3
    )
    bottom = jnp.stack(
        [mean + horizontal - vertical - diagonal, mean - horizontal - vertical + diagonal], 3
    )
    b, h, w, _, c = top.shape
    return jnp.stack([top, bottom], axis=2).reshape(b, 2 * h, 2 * w, c)
