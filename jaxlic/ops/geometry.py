"""Rearranging, padding and cropping images. Arrays are `[B, H, W, C]`."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlic.ops.arrays import Array, namespace


def space_to_depth(x: Array, block: int) -> Array:
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


def depth_to_space(x: Array, block: int) -> Array:
    """The inverse of `space_to_depth`: `[B, H, W, block**2 C]` to `[B, block H, block W, C]`.

    Raises:
        ValueError: if the channels are not a multiple of `block**2`.
    """
    b, h, w, c = x.shape
    if c % (block * block):
        raise ValueError(f"{c} channels are not a multiple of {block}**2")
    x = x.reshape(b, h, w, block, block, c // block**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h * block, w * block, -1)


def keep(x: Array, size: Array | None) -> Array:
    """Zeroes what lies outside the top left `size` samples.

    A convolution that pads with zeros then gives, inside, what it would give for an array
    of just that size: so one compiled program serves images of many sizes.

    Args:
        x: `[B, H, W, C]`.
        size: integer `[2]`, height and width, may be traced; None keeps all.
    """
    if size is None:
        return x
    xp = namespace(x, size)
    rows = xp.arange(x.shape[1])[:, None, None] < size[0]
    columns = xp.arange(x.shape[2])[None, :, None] < size[1]
    return xp.where(rows & columns, x, xp.zeros((), x.dtype))


def shrunk(size: Array | None, factor: int) -> Array | None:
    """`size` at 1 / `factor` of the resolution; None stays None."""
    return None if size is None else size // factor


def extend(x: jax.Array, margin: int, size: jax.Array | None, mode: str) -> jax.Array:
    """Adds `margin` samples on every side of the top left `size` samples.

    Args:
        x: `[B, H, W, C]`.
        margin: in samples.
        size: integer `[2]`, height and width of what is valid, may be traced; None for all.
        mode: "symmetric" (mirrored, the border repeated) or "edge".

    Returns:
        `[B, H + 2 margin, W + 2 margin, C]`; beyond the margin its content is arbitrary.
    """
    if size is None:
        return jnp.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode=mode)
    for axis in (1, 2):
        i = jnp.arange(-margin, x.shape[axis] + margin)
        last = size[axis - 1] - 1
        if mode == "symmetric":
            i = jnp.where(i < 0, -1 - i, jnp.where(i > last, 2 * last + 1 - i, i))
        x = jnp.take(x, jnp.clip(i, 0, last), axis=axis, mode="clip")
    return x
