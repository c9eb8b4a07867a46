"""The building blocks; values of whole networks are in tests/test_perceptual.py."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.metrics import features


def test_blurring_halves_and_keeps_what_is_flat():
    x = jax.random.normal(jax.random.key(0), (1, 9, 12, 2))
    y = features._blurred(x)
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = np.zeros((1, 6, 7, 2))
    for i, j in np.ndindex(6, 7):
        window = padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        expected[:, i, j] = np.einsum("bijc,ij->bc", window, kernel)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(features._blurred(jnp.full_like(x, 3.0)), 3.0, rtol=1e-6)


def test_pooling_takes_the_largest_inside():
    x = jnp.arange(20.0).reshape(1, 4, 5, 1)
    y = features._max_pool(x, 3)
    assert y.shape == (1, 2, 3, 1) and float(y[0, 0, 0, 0]) == 12
