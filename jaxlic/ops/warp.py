"""Content-adaptive aggregation: weighted sums of samples at learned positions.

    y_g(p) = sum_k m_gk(p) u_g(p + p_k + d_gk(p)),    p_k the taps of a k x k grid,

u read by bilinear interpolation, its border repeated without end. This is the sampling of
DCNv3 (Wang et al. 2023, arXiv:2211.05778, eq. 2) without its projections, with offsets d of
bounded length and no darkened border (there, what lies outside is zero).

Two implementations of one function. `aggregate_gather` reads four samples a tap by row
gathers, one tap at a time; its gradient scatters. `aggregate_window` multiplies all the
samples an offset can reach with hat functions: dense and deterministic, its work grows with
the square of the radius. At integer positions, where every layer starts, both have the
forward difference as their gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxlic.ops.geometry import extend
from jaxlic.ops.platforms import by_platform

Aggregate = Callable[..., jax.Array]


def taps(kernel_size: int) -> np.ndarray:
    """`[kernel_size**2, 2]`: the grid of a kernel as (row, column) steps from its centre.

    >>> taps(3)[:2].tolist()
    [[-1.0, -1.0], [-1.0, 0.0]]
    """
    steps = np.arange(kernel_size, dtype=np.float32) - kernel_size // 2
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)


def aggregate(
    u: jax.Array,
    offsets: jax.Array,
    weights: jax.Array,
    *,
    radius: int,
    size: jax.Array | None = None,
) -> jax.Array:
    """`aggregate_gather` on CPU, elsewhere `aggregate_window`; arguments as there.

    Which it is, is decided where a program is lowered.
    """
    gather, window = (
        functools.partial(_aggregate, method, radius)
        for method in (aggregate_gather, aggregate_window)
    )
    return by_platform(u, offsets, weights, size, cpu=gather, default=window)


def _aggregate(method, radius, u, offsets, weights, size):
    return method(u, offsets, weights, radius=radius, size=size)


def aggregate_gather(
    u: jax.Array,
    offsets: jax.Array,
    weights: jax.Array,
    *,
    radius: int,
    size: jax.Array | None = None,
) -> jax.Array:
    """Sums samples of `u` at positions of their own: a scan over the taps.

    A row of the gather is the 2x2 neighbourhood of a position, for the channels of a group.
    The taps are rematerialised in the backward pass: less memory, and faster for it.

    Args:
        u: `[B, H, W, C]`, C a multiple of the number of groups G; group g is channels
            `g C / G` to `(g + 1) C / G`.
        offsets: `[B, H, W, G, K, 2]`, rows then columns, in samples, added to the grid; finite.
        weights: `[B, H, W, G, K]`, of the taps.
        radius: no offset is longer than this along an axis, in samples.
        size: integer `[2]`, height and width of the valid part of u; None for all. Its
            border is what is repeated.

    Returns:
        `[B, H, W, C]`, in the type of u. Positions are computed in float32 whatever that is.

    Raises:
        ValueError: if the shapes do not fit each other.
    """
    grid, width = _check(u, offsets, weights)
    b, h, w, g, _ = weights.shape
    padded = extend(u, 1, size, "edge").reshape(b, h + 2, w + 2, g, width)
    corners = (padded[:, i : h + 1 + i, j : w + 1 + j] for i in (0, 1) for j in (0, 1))
    rows = jnp.concatenate(list(corners), axis=-1).reshape(-1, 4 * width)
    last = jnp.array([h, w]) - 1 if size is None else size - 1
    place = jnp.stack(jnp.meshgrid(jnp.arange(h), jnp.arange(w), indexing="ij"), axis=-1)
    image, group = jnp.arange(b)[:, None, None, None], jnp.arange(g)

    @jax.checkpoint
    def tap(total, inputs):
        step, offset, weight = inputs
        shift = step + offset.astype(jnp.float32)
        whole = jnp.floor(shift)
        y, x = jnp.moveaxis(shift - whole, -1, 0)
        # Clipped indices, not positions: beyond the border both neighbours are its sample,
        # and no gradient is halved on it.
        index = jnp.clip(place[:, :, None] + whole.astype(jnp.int32), -1, last) + 1
        index = ((image * (h + 1) + index[..., 0]) * (w + 1) + index[..., 1]) * g + group
        read = rows.at[index].get(mode="promise_in_bounds").reshape(b, h, w, g, 4, width)
        parts = jnp.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x], axis=-1)
        parts = (parts * weight[..., None]).astype(u.dtype)
        return total + jnp.einsum("bhwgqc,bhwgq->bhwgc", read, parts), None

    inputs = (grid, jnp.moveaxis(offsets, 4, 0), jnp.moveaxis(weights, 4, 0))
    total, _ = lax.scan(tap, jnp.zeros((b, h, w, g, width), u.dtype), inputs)
    return total.reshape(u.shape)


def aggregate_window(
    u: jax.Array,
    offsets: jax.Array,
    weights: jax.Array,
    *,
    radius: int,
    size: jax.Array | None = None,
) -> jax.Array:
    """The same without gather or scatter: every sample in reach, times how much it counts.

    Args and returns as of `aggregate_gather`.
    """
    grid, width = _check(u, offsets, weights)
    b, h, w, g, _ = weights.shape
    reach = int(np.abs(grid).max()) + radius
    steps = jnp.arange(-reach, reach + 1, dtype=jnp.float32)
    position = grid + offsets.astype(jnp.float32)
    across = _hat(position[..., 1, None] - steps)
    padded = extend(u, reach, size, "edge").reshape(b, h + 2 * reach, w + 2 * reach, g, width)

    @jax.checkpoint
    def row(total, i):
        down = _hat(position[..., 0] - steps[i]) * weights
        parts = jnp.einsum("bhwgk,bhwgks->sbhwg", down, across).astype(u.dtype)
        line = lax.dynamic_slice_in_dim(padded, i, h, axis=1)
        for j in range(2 * reach + 1):
            total = total + parts[j, ..., None] * line[:, :, j : j + w]
        return total, None

    start = jnp.zeros((b, h, w, g, width), u.dtype)
    total, _ = lax.scan(row, start, jnp.arange(2 * reach + 1))
    return total.reshape(u.shape)


def aggregate_fixed(
    u: jax.Array, weights: jax.Array, *, size: jax.Array | None = None
) -> jax.Array:
    """The same with all offsets zero: taps on the grid, weighted by content alone."""
    grid, width = _check(u, None, weights)
    b, h, w, g, _ = weights.shape
    reach = int(np.abs(grid).max())
    padded = extend(u, reach, size, "edge").reshape(b, h + 2 * reach, w + 2 * reach, g, width)
    total = jnp.zeros((b, h, w, g, width), u.dtype)
    for k, (i, j) in enumerate(grid.astype(int) + reach):
        total = total + weights[..., k, None].astype(u.dtype) * padded[:, i : i + h, j : j + w]
    return total.reshape(u.shape)


def _hat(t):
    """`max(0, 1 - |t|)`, with the derivative from the right where it has a kink."""
    return jnp.where(
        (t >= 0) & (t < 1), 1 - t, jnp.where((t >= -1) & (t < 0), 1 + t, jnp.zeros_like(t))
    )


def _check(u, offsets, weights):
    """The grid of the taps and the width of a group."""
    groups, count = weights.shape[-2:]
    edge = round(count**0.5)
    if edge * edge != count or edge % 2 == 0:
        raise ValueError(f"{count} taps are not a square grid of odd edge")
    if weights.shape[:3] != u.shape[:3] or u.shape[-1] % groups:
        raise ValueError(f"weights {weights.shape} cannot be applied to {u.shape}")
    if offsets is not None and offsets.shape != (*weights.shape, 2):
        raise ValueError(f"offsets {offsets.shape} are not those of weights {weights.shape}")
    return taps(edge), u.shape[-1] // groups
