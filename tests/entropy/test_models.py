import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.entropy.models import IndexedGaussian, scale_table


@pytest.mark.parametrize("index", [0, 10, 30, 50])
def test_probabilities_of_the_bins_sum_to_one(index):
    grid = jnp.arange(-600.0, 601.0)
    model = IndexedGaussian(jnp.zeros(()), jnp.float32(index))
    assert float(jnp.sum(2 ** -model.bits(grid))) == pytest.approx(1, abs=1e-3)


def test_scales_run_from_011_to_256():
    scales = scale_table()
    assert len(scales) == 64
    np.testing.assert_allclose(scales[[0, -1]], [0.11, 256])


def test_where_a_cell_is_halved_zero_and_one_are_as_probable():
    halves, row = jnp.ones(2), jnp.full(2, 64 + 8.0)
    model = IndexedGaussian(jnp.full(2, 3.0), row, halves)
    assert np.all(model.centre == 0.5) and np.all(model.scales == 8)
    zero, one = model.bits(jnp.array([3.0, 4.0]))
    assert float(zero) == pytest.approx(float(one), abs=1e-5) and 1 < zero < 1.2
    grid = jnp.arange(-20.0, 21.0)
    whole = IndexedGaussian(jnp.zeros(41), jnp.full(41, 72.0), jnp.ones(41))
    assert float(jnp.sum(2 ** -whole.bits(grid))) == pytest.approx(1, abs=1e-3)


def test_bits_match_the_entropy_of_a_wide_gaussian():
    scale = scale_table()[40]
    y = jnp.round(scale * jax.random.normal(jax.random.key(0), (100_000,)))
    bits = jnp.mean(IndexedGaussian(jnp.zeros(()), jnp.float32(40)).bits(y))
    assert float(bits) == pytest.approx(0.5 * np.log2(2 * np.pi * np.e * scale**2), abs=0.02)


def test_gradients_are_finite_far_from_the_mean():
    def bits(y, mean, index):
        return jnp.sum(IndexedGaussian(mean, index).bits(y))

    y = jnp.array([0.0, 5.0, 1e4, -1e4])
    for gradient in jax.grad(bits, argnums=(0, 1, 2))(y, jnp.zeros(4), jnp.zeros(4)):
        assert bool(jnp.isfinite(gradient).all())


def test_place_and_shape_split_the_gradient():
    def bits(mean, index, part):
        return jnp.sum(getattr(IndexedGaussian(mean, index), part)().bits(jnp.ones(3)))

    mean, index = jnp.zeros(3), jnp.full(3, 20.0)
    d_mean, d_index = jax.grad(bits, argnums=(0, 1))(mean, index, "place")
    assert float(jnp.abs(d_mean).min()) > 0 and float(jnp.abs(d_index).max()) == 0
    d_mean, d_index = jax.grad(bits, argnums=(0, 1))(mean, index, "shape")
    assert float(jnp.abs(d_mean).max()) == 0 and float(jnp.abs(d_index).min()) > 0
