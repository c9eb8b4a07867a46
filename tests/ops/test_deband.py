import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.deband import deband

THRESHOLD = jnp.full((1, 1, 1, 1), 2 / 255)


def test_steps_of_a_level_are_smoothed_away():
    ramp = jnp.linspace(0.3, 0.4, 128)[None, None, :, None] * jnp.ones((1, 128, 1, 3))
    stairs = jnp.round(ramp * 100) / 100
    smooth = jax.jit(deband)(stairs, THRESHOLD)
    inside = (slice(None), slice(24, -24), slice(24, -24))
    before, after = (jnp.abs(jnp.diff(x[inside], axis=2)).max() for x in (stairs, smooth))
    assert float(after) < 0.2 * float(before)


def test_linear_gradients_stay():
    ramp = jnp.linspace(0.0, 1.0, 128)[None, None, :, None] * jnp.ones((1, 64, 1, 3))
    inside = (slice(None), slice(None), slice(24, -24))
    np.testing.assert_allclose(deband(ramp, THRESHOLD)[inside], ramp[inside], atol=1e-5)


def test_texture_stays():
    texture = 0.5 + 0.1 * jax.random.normal(jax.random.key(0), (1, 64, 64, 3))
    np.testing.assert_allclose(deband(texture, THRESHOLD), texture, atol=1e-3)


def test_a_padded_window_gives_what_the_valid_part_alone_gives():
    x = 0.5 + 0.01 * jax.random.normal(jax.random.key(0), (1, 64, 96, 3))
    alone = deband(x[:, :32, :40], THRESHOLD)
    padded = jax.jit(deband)(x, THRESHOLD, jnp.array([32, 40]))
    np.testing.assert_allclose(padded[:, :32, :40], alone, atol=1e-6)


def test_it_is_differentiable_where_there_is_nothing_to_do():
    slope = jax.jit(jax.grad(lambda x: jnp.sum(deband(x, THRESHOLD))))
    gradient = slope(jnp.full((1, 16, 16, 3), 0.5))
    assert bool(jnp.isfinite(gradient).all())
