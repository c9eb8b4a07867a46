"""Rearranging, padding and cropping images. Arrays are `[B, H, W, C]`."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def space_to_depth(x: jax.Array, block: int) -> jax.Array:
    """Moves `block` x `block` neighbourhoods into channels.

    Channel `(i * block + j) * C + c` of the result holds row i, column j, channel c.

    Args:
        x: `[B, H, W, C]`, H and W multiples of `block`.
        block: edge of the neighbourhood, in samples.

    Returns:
        `[B, H / block, W / block, block * block * C]`.

    Raises:
        ValueError: if H or W is not a multiple of `block`.
    """
    b, h, w, c = x.shape
    if h % block or w % block:
        raise ValueError(f"{h}x{w} is not a multiple of {block}")
    x = x.reshape(b, h // block, block, w // block, block, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h // block, w // block, -1)


def depth_to_space(x: jax.Array, block: int) -> jax.Array:
    """The inverse of `space_to_depth`: `[B, H, W, block**2 C]` to `[B, block H, block W, C]`.

    Raises:
        ValueError: if the channels are not a multiple of `block**2`.
    """
    b, h, w, c = x.shape
    if c % (block * block):
        raise ValueError(f"{c} channels are not a multiple of {block}**2")
    x = x.reshape(b, h, w, block, block, c // block**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h * block, w * block, -1)


def pad_to_multiple(x: jax.Array, multiple: int) -> jax.Array:
    """Repeats the last row and column until height and width are multiples.

    Args:
        x: `[B, H, W, C]`.
        multiple: what height and width shall divide by, in samples.

    Returns:
        `[B, H', W', C]` with `x` in the top left corner.
    """
    _, h, w, _ = x.shape
    pads = ((0, 0), (0, -h % multiple), (0, -w % multiple), (0, 0))
    return jnp.pad(x, pads, mode="edge")
