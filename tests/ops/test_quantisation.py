import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlic.ops import quantisation


@given(st.integers(-(2**20), 2**20))
def test_halves_round_up(n):
    assert float(quantisation.round_ste(jnp.float32(n + 0.5))) == n + 1


def test_gradient_of_rounding_is_identity():
    gradient = jax.grad(lambda x: jnp.sum(3 * quantisation.round_ste(x)))(jnp.arange(4.0))
    assert gradient.tolist() == [3.0] * 4


def test_hard_quantisation_lands_on_the_shifted_grid():
    y, offset = jnp.array([0.2, 0.9, -3.4]), jnp.array([0.25, -0.5, 0.0])
    y_hat = quantisation.hard(y, offset, jax.random.key(0)).y_hat
    np.testing.assert_allclose(y_hat, [0.25, 0.5, -3.0], atol=1e-6)


@pytest.mark.parametrize("name", ["noise", "split"])
def test_noise_stays_within_half_a_step(name):
    y = jnp.linspace(-3, 3, 1001)
    q = jax.jit(getattr(quantisation, name))(y, jnp.zeros(()), jax.random.key(0))
    difference = np.asarray(q.relaxed - y)
    assert np.abs(difference).max() <= 0.5
    assert np.abs(difference.mean()) < 0.05
    assert difference.std() == pytest.approx(12**-0.5, rel=0.05)


def test_split_counts_bits_where_the_file_will_be():
    y = jnp.linspace(-3, 3, 11)
    q = quantisation.split(y, jnp.zeros(()), jax.random.key(0))
    np.testing.assert_array_equal(q.coded, jnp.floor(y + 0.5))
    np.testing.assert_array_equal(q.y_hat, q.coded)


def test_8_bits_and_the_gradient_of_the_identity_even_where_it_clips():
    x = jnp.array([-0.3, 0.0, 0.1, 0.5, 1.0, 1.7])
    levels = quantisation.to_8_bits(x) * 255
    np.testing.assert_allclose(levels, [0, 0, 26, 128, 255, 255], atol=1e-4)
    gradient = jax.grad(lambda x: jnp.sum(quantisation.to_8_bits(x) * jnp.arange(6)))(x)
    np.testing.assert_array_equal(gradient, jnp.arange(6))


@given(st.floats(-20, 20), st.floats(-4, 8), st.floats(0.1, 50))
def test_cheaper_is_what_the_lagrangian_says(r, saved, price):
    k = np.floor(r + 0.5)
    lower = k - np.sign(k)
    gain = saved + price * ((r - k) ** 2 - (r - lower) ** 2)
    if k and abs(gain) > 1e-6:
        assert bool(quantisation.is_cheaper(r, k, saved, price)) == (gain > 0)


def test_a_low_price_sends_everything_that_saves_bits_towards_zero():
    r = jnp.array([0.6, -0.6, 1.4, 0.2])
    k = jnp.floor(r + 0.5)
    saved = jnp.array([3.0, 3.0, 1.0, 0.0])
    cheap = jax.jit(quantisation.is_cheaper)(r, k, saved, 1e-3)
    assert cheap.tolist() == [True, True, True, False]
    assert not quantisation.is_cheaper(r, k, saved, 1e3)[:2].any()
