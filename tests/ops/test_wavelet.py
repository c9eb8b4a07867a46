"""The Haar transform: means in the low band, band by band, exactly undone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.ops.wavelet import haar, inverse_haar

X = jax.random.uniform(jax.random.key(0), (2, 6, 8, 3))


def test_the_low_band_is_the_mean_of_neighbours():
    means = X.reshape(2, 3, 2, 4, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(haar(X)[..., :3], means, atol=1e-6)


def test_bands_come_one_after_the_other():
    block = jnp.array([[1.0, 2.0], [4.0, 8.0]]).reshape(1, 2, 2, 1) * jnp.array([1.0, 10, 100])
    mean, horizontal, vertical, diagonal = 15 / 4, -5 / 4, -9 / 4, 3 / 4
    bands = jnp.array([mean, horizontal, vertical, diagonal])
    expected = (bands[:, None] * jnp.array([1.0, 10, 100])).ravel()
    np.testing.assert_allclose(haar(block)[0, 0, 0], expected, rtol=1e-6)


def test_the_inverse_undoes_it():
    np.testing.assert_allclose(inverse_haar(haar(X)), X, atol=1e-6)
    np.testing.assert_allclose(inverse_haar(haar(haar(X[:, :4]))), haar(X[:, :4]), atol=1e-6)


def test_it_survives_jit_vmap_and_grad():
    np.testing.assert_allclose(jax.jit(haar)(X), haar(X), atol=1e-7)
    np.testing.assert_allclose(jax.vmap(haar)(X[None])[0], haar(X), atol=1e-7)
    gradient = jax.grad(lambda x: inverse_haar(haar(x))[0, 1, 2, 0])(X)
    assert float(gradient[0, 1, 2, 0]) == 1 and float(jnp.abs(gradient).sum()) == 1


def test_odd_sizes_and_channels_are_refused():
    with pytest.raises(ValueError, match="even"):
        haar(X[:, :5])
    with pytest.raises(ValueError, match="four bands"):
        inverse_haar(X)
