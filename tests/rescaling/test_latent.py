"""The latent mixture: samples follow it, and teach it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

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


def test_its_components_may_start_apart():
    module = GaussianMixture(3, log_variance=-4.0, spread=0.5)
    rows = module.init(jax.random.key(0), method="mean")["params"]["rows"]
    np.testing.assert_allclose(rows, [[0] * 3, [-0.5, 0, 0.5], [-4] * 3], atol=1e-3)


def test_its_likelihood_finds_modes_that_a_common_start_does_not():
    """Of data with three modes, by gradient: apart they are found, from one place not."""
    means = jax.random.choice(jax.random.key(0), jnp.array([-1.0, 0.0, 1.0]), (2000,))
    data = means + 0.05 * jax.random.normal(jax.random.key(1), (2000,))

    def fitted(spread):
        module = GaussianMixture(3, log_variance=-2.0, spread=spread)
        optimizer = optax.adam(0.05)

        def cost(params):
            return -module.apply(params, data, method="log_probability").mean()

        def step(carry, _):
            params, state = carry
            updates, state = optimizer.update(jax.grad(cost)(params), state)
            return (optax.apply_updates(params, updates), state), None

        params = module.init(jax.random.key(0), method="mean")
        (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), None, 200)
        return np.sort(params["params"]["rows"][1]), float(cost(params))

    (together, worse), (apart, better) = fitted(0.0), fitted(0.5)
    np.testing.assert_allclose(apart, [-1, 0, 1], atol=0.05)
    assert better < worse - 0.3 and np.ptp(together) < 1.9


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
