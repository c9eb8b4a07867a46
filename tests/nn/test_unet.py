import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.nn.unet import DenoisingUNet, halo
from tests.random_params import random_params

HALO = halo((1, 1, 1))
NETWORK = DenoisingUNet((4, 8, 8), (1, 1, 1), 8)


def _inputs(height, width, key=0):
    z, x_hat = jax.random.normal(jax.random.key(key), (2, 1, height, width, 3))
    y_hat = jax.random.normal(jax.random.key(key + 1), (1, height // 16, width // 16, 5))
    one = jnp.ones(1)
    return z, 0.3 * one, 0.2 * x_hat + 0.5, y_hat, 0.02 * one, 30 * one


@pytest.fixture(scope="module")
def params():
    return random_params(
        lambda key: NETWORK.init(key, *_inputs(32, 32)), jax.random.key(0), scale=0.3
    )


def test_it_starts_at_nothing():
    v, _ = NETWORK.init_with_output(jax.random.key(0), *_inputs(32, 32))
    assert v.shape == (1, 32, 32, 3)
    np.testing.assert_array_equal(v, 0)


def test_a_buffer_holds_any_smaller_picture(params):
    inputs = _inputs(64, 48)
    small = jax.jit(NETWORK.apply)(params, *inputs)
    grown = [
        jnp.pad(a, ((0, 0), (0, n), (0, n), (0, 0)), constant_values=0.7) if a.ndim == 4 else a
        for a, n in zip(inputs, (32, 0, 32, 2, 0, 0), strict=True)
    ]
    size = jnp.array([64, 48])
    large = jax.jit(NETWORK.apply)(params, *grown, size)
    np.testing.assert_allclose(large[:, :64, :48], small, atol=1e-4)


def test_it_sees_no_further_than_the_halo(params):
    inputs = _inputs(16, 1024)

    def middle(z, x_hat, y_hat):
        v = NETWORK.apply(params, z, inputs[1], x_hat, y_hat, inputs[4], inputs[5])
        return jnp.sum(v[:, :, 512:528])

    slopes = jax.jit(jax.grad(middle, (0, 1, 2)))(inputs[0], inputs[2], inputs[3])
    for slope, step in zip(slopes, (1, 1, 16), strict=True):
        seen = np.flatnonzero(jnp.abs(slope).sum(axis=(0, 1, 3))) * step
        assert seen.min() >= 512 - HALO and seen.max() < 528 + HALO
        assert seen.min() < 512 - HALO // 3  # And not much less.


def test_noise_and_quality_matter(params):
    z, log_snr, x_hat, y_hat, scale, quality = _inputs(32, 32)
    run = jax.jit(NETWORK.apply)
    v = run(params, z, log_snr, x_hat, y_hat, scale, quality)
    for changed in ((log_snr + 1, quality), (log_snr, quality + 20)):
        other = run(params, z, changed[0], x_hat, y_hat, scale, changed[1])
        assert float(jnp.abs(other - v).max()) > 1e-4
