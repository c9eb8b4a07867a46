"""The latent mixture: samples follow it, and teach it."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.rescaling.latent import GaussianMixture

MODEL = GaussianMixture()
ROWS = jnp.array([[0.0, 1.0, -1.0, 0.5, 0.0], [-2.0, 0.0, 1.0, 3.0, 5.0], [-2.0] * 5])
PARAMS = {"params": {"rows": ROWS}}
WEIGHTS = jax.nn.softmax(ROWS[0])


def test_it_has_fifteen_parameters_and_starts_where_it_is_told():
    params = GaussianMixture(log_variance=-6.0).init(jax.random.key(0), method="mean")
    rows = params["params"]["rows"]
    assert rows.size == 15
    np.testing.assert_allclose(rows, [[0] * 5, [0] * 5, [-6] * 5], atol=1e-3)


def test_samples_have_its_moments():
    mean = float(jnp.sum(WEIGHTS * ROWS[1]))
    second = float(jnp.sum(WEIGHTS * (ROWS[1] ** 2 + np.exp(-2))))
    for method in ("draw", "sample"):
        z = MODEL.apply(PARAMS, jax.random.key(1), (1, 100, 100, 4), method=method)
        assert abs(float(z.mean()) - mean) < 0.05
        assert abs(float(z.std()) - np.sqrt(second - mean**2)) < 0.05
    assert abs(float(MODEL.apply(PARAMS, method="mean")) - mean) < 1e-6


def test_samples_belong_to_places():
    def sample(shape, origin):
        return MODEL.apply(PARAMS, jax.random.key(3), shape, origin, method="sample")

    whole = sample((2, 6, 8, 3), None)
    part = sample((1, 3, 4, 3), jnp.array([2, 4]))
    np.testing.assert_array_equal(part[0], whole[0, 2:5, 4:8])
    assert (whole[0, 0] != whole[0, 1]).all()


def test_gradients_reach_weights_means_and_variances():
    def cost(params):
        return jnp.sum(MODEL.apply(params, jax.random.key(2), (64,), method="draw") ** 2)

    gradient = jax.jit(jax.grad(cost))(PARAMS)["params"]["rows"]
    assert np.isfinite(gradient).all() and (jnp.abs(gradient).sum(axis=1) > 0).all()


def test_the_density_integrates_to_one():
    z = jnp.linspace(-10, 12, 20001)
    density = jnp.exp(MODEL.apply(PARAMS, z, method="log_probability"))
    assert abs(float(density.sum() * (z[1] - z[0])) - 1) < 1e-3
