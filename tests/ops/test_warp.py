"""Aggregation at learned positions: two implementations, one function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.ops.warp import aggregate, aggregate_fixed, aggregate_gather, aggregate_window, taps

BOTH = pytest.mark.parametrize(
    "method", [aggregate_gather, aggregate_window], ids=["gather", "window"]
)
B, H, W, G, WIDTH, K = 2, 6, 7, 2, 3, 9


def _inputs(radius=2, seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    u = jax.random.normal(keys[0], (B, H, W, G * WIDTH))
    offsets = radius * jnp.tanh(jax.random.normal(keys[1], (B, H, W, G, K, 2)))
    weights = jax.nn.softmax(jax.random.normal(keys[2], (B, H, W, G, K)))
    return u, offsets, weights


def _by_hand(u, offsets, weights):
    """One sample at a time, in float64; a clipped position is the repeated border."""
    u, offsets, weights = (np.asarray(a, np.float64) for a in (u, offsets, weights))
    out = np.zeros_like(u)
    for b, y, x, g, k in np.ndindex(B, H, W, G, K):
        py, px = np.array([y, x]) + taps(3)[k] + offsets[b, y, x, g, k]
        py, px = np.clip(py, 0, H - 1), np.clip(px, 0, W - 1)
        i, j = int(py), int(px)
        rows, columns = (i, min(i + 1, H - 1)), (j, min(j + 1, W - 1))
        part = slice(g * WIDTH, (g + 1) * WIDTH)
        value = sum(
            abs(1 - a - (py - i)) * abs(1 - c - (px - j)) * u[b, rows[a], columns[c], part]
            for a in (0, 1)
            for c in (0, 1)
        )
        out[b, y, x, part] += weights[b, y, x, g, k] * value
    return out


@BOTH
@pytest.mark.parametrize("radius", [1, 3])
def test_it_is_the_sum_of_bilinear_samples(method, radius):
    inputs = _inputs(radius)
    result = jax.jit(method, static_argnames="radius")(*inputs, radius=radius)
    np.testing.assert_allclose(result, _by_hand(*inputs), atol=1e-5)


@BOTH
def test_zero_offsets_and_even_weights_are_a_box_filter_that_keeps_borders_bright(method):
    u = _inputs()[0]
    zero, even = jnp.zeros((B, H, W, G, K, 2)), jnp.full((B, H, W, G, K), 1 / 9)
    padded = np.pad(u, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    box = sum(padded[:, i : i + H, j : j + W] for i in range(3) for j in range(3)) / 9
    np.testing.assert_allclose(method(u, zero, even, radius=2), box, atol=1e-6)
    np.testing.assert_allclose(aggregate_fixed(u, even), box, atol=1e-6)
    flat = jnp.full_like(u, 0.7)
    offsets = _inputs()[1]
    np.testing.assert_allclose(method(flat, offsets, even, radius=2), 0.7, atol=1e-6)


@BOTH
def test_integer_offsets_shift(method):
    u = _inputs()[0]
    offsets = jnp.broadcast_to(jnp.array([1.0, -2.0]), (B, H, W, G, K, 2))
    centre = jnp.zeros((B, H, W, G, K)).at[..., 4].set(1)
    moved = method(u, offsets, centre, radius=2)
    np.testing.assert_allclose(moved[:, :-1, 2:], u[:, 1:, :-2], atol=1e-6)


def _gradients(method, inputs, radius):
    def cost(u, offsets, weights):
        return jnp.sum(jnp.sin(method(u, offsets, weights, radius=radius)))

    return jax.jit(jax.grad(cost, argnums=(0, 1, 2)))(*inputs)


@pytest.mark.parametrize("start", ["anywhere", "integer", "border"])
def test_both_have_the_same_gradients(start):
    u, offsets, weights = _inputs(2)
    if start == "integer":
        offsets = jnp.zeros_like(offsets)  # Where every layer starts: kinks everywhere.
    if start == "border":
        offsets = jnp.round(offsets)
        offsets = jnp.clip(offsets, -1, 1)
    for a, b in zip(
        _gradients(aggregate_gather, (u, offsets, weights), 2),
        _gradients(aggregate_window, (u, offsets, weights), 2),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)


@BOTH
def test_gradients_are_finite_differences_from_the_right(method):
    """Also at integer positions and on the border, where clipping would halve them."""
    u, _, weights = _inputs()
    u64 = np.asarray(u, np.float64)
    offsets = jnp.zeros((B, H, W, G, K, 2))

    def cost(offsets):
        return jnp.sum(method(u, offsets, weights, radius=2))

    gradient = jax.jit(jax.grad(cost))(offsets)
    for b, y, x, g, k, axis in [
        (0, 3, 3, 0, 4, 0),
        (0, 0, 0, 0, 4, 0),  # On the first row.
        (1, 0, 2, 1, 0, 0),  # A row above it: the border is flat.
        (1, H - 1, 4, 1, 4, 0),  # On the last row: flat from there.
        (0, 2, W - 1, 0, 3, 1),
        (0, 2, 0, 0, 4, 1),
    ]:
        moved = np.zeros(offsets.shape)
        moved[b, y, x, g, k, axis] = 1e-3
        slope = (_by_hand(u64, moved, weights) - _by_hand(u64, 0 * moved, weights)).sum() / 1e-3
        np.testing.assert_allclose(gradient[b, y, x, g, k, axis], slope, atol=1e-4)


@BOTH
def test_the_valid_part_alone_counts(method):
    u, offsets, weights = _inputs()
    size = jnp.array([4, 5])
    alone = method(u[:, :4, :5], offsets[:, :4, :5], weights[:, :4, :5], radius=2)
    inside = jax.jit(method, static_argnames="radius")(u, offsets, weights, radius=2, size=size)
    np.testing.assert_allclose(inside[:, :4, :5], alone, atol=1e-6)
    fixed = aggregate_fixed(u, weights, size=size)[:, :4, :5]
    expected = aggregate_fixed(u[:, :4, :5], weights[:, :4, :5])
    np.testing.assert_allclose(fixed, expected, atol=1e-6)


@BOTH
def test_it_moves_with_the_image(method):
    u, offsets, weights = _inputs()
    rolled = [jnp.roll(a, (1, 2), axis=(1, 2)) for a in (u, offsets, weights)]
    still, moved = method(u, offsets, weights, radius=1), method(*rolled, radius=1)
    # Inside, more than the reach of 2 + 2 from where the content wraps around.
    np.testing.assert_allclose(
        jnp.roll(still, (1, 2), axis=(1, 2))[:, 4:-3, 5:-3], moved[:, 4:-3, 5:-3], atol=1e-6
    )


@BOTH
def test_it_survives_vmap(method):
    u, offsets, weights = _inputs()
    one = jax.vmap(lambda *a: method(*(x[None] for x in a), radius=2)[0])(u, offsets, weights)
    np.testing.assert_allclose(one, method(u, offsets, weights, radius=2), atol=1e-6)


def test_low_precision_samples_keep_precise_positions():
    u, offsets, weights = _inputs()
    low = aggregate(u.astype(jnp.bfloat16), offsets, weights, radius=2)
    assert low.dtype == jnp.bfloat16
    exact = aggregate(u, offsets, weights, radius=2)
    np.testing.assert_allclose(low.astype(jnp.float32), exact, atol=0.05)


def test_shapes_that_do_not_fit_are_refused():
    u, offsets, weights = _inputs()
    with pytest.raises(ValueError, match="square grid"):
        aggregate(u, offsets[..., :8, :], weights[..., :8], radius=1)
    with pytest.raises(ValueError, match="cannot be applied"):
        aggregate(u[..., :5], offsets, weights, radius=1)
    with pytest.raises(ValueError, match="are not those"):
        aggregate(u, offsets[..., :1], weights, radius=1)
