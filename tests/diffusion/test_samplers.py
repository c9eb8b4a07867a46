"""A Gaussian, whose best estimate and whose flow are known in closed form, tells them apart."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.diffusion.samplers import ddim, ddpm, dpm_solver, sample
from jaxlic.diffusion.schedule import alpha_sigma, cosine, grid

MEAN, DEVIATION = 0.7, 0.5


def _denoise(z, log_snr):
    """E[x | z] of x ~ N(MEAN, DEVIATION**2)."""
    alpha, sigma = alpha_sigma(log_snr)
    gain = alpha * DEVIATION**2 / (alpha**2 * DEVIATION**2 + sigma**2)
    return MEAN + gain * (z - alpha * MEAN)


def _flow(z, log_snr, end):
    """Where the flow takes z exactly: it keeps the place in units of the deviation."""
    (alpha, sigma), (alpha_end, sigma_end) = alpha_sigma(log_snr), alpha_sigma(end)
    before = jnp.sqrt(alpha**2 * DEVIATION**2 + sigma**2)
    after = jnp.sqrt(alpha_end**2 * DEVIATION**2 + sigma_end**2)
    return alpha_end * MEAN + after * (z - alpha * MEAN) / before


@jax.jit
def _run(key, steps, start):
    return sample(key, _denoise, steps, start)


@pytest.mark.parametrize(("sampler", "order"), [(ddim, 1), (dpm_solver, 2)])
def test_order_of_convergence(sampler, order):
    with jax.enable_x64() if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        start = jnp.array([-1.5, 0.3, 2.0])
        errors = []
        for count in (16, 32, 64):
            log_snrs = np.linspace(-6, 6, count + 1)
            end = sample(jax.random.key(0), _denoise, sampler(log_snrs), start)
            exact = _flow(start, jnp.float64(-6.0), jnp.float64(6.0))
            errors.append(float(jnp.abs(end - exact).max()))
    rates = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (np.abs(rates - order) < 0.35).all(), rates


@pytest.mark.parametrize("sampler", [ddim, ddpm, dpm_solver])
def test_samples_have_mean_and_variance(sampler):
    noise, key = jax.random.split(jax.random.key(1))
    steps = sampler(grid(cosine, 100)).padded(128)
    x = _run(key, steps, jax.random.normal(noise, (20_000,)))
    assert abs(float(x.mean()) - MEAN) < 0.02
    assert abs(float(x.std()) - DEVIATION) < 0.03


def test_ancestral_steps_have_the_published_mean_and_variance():
    low, high = -1.0, 0.5
    steps = ddpm(np.array([low, high]))
    (a, s), (a_next, s_next) = (
        map(np.float64, alpha_sigma(jnp.float32(v))) for v in (low, high)
    )
    ratio = (a / a_next) ** 2
    np.testing.assert_allclose(steps.x, a_next * (1 - ratio) / s**2, rtol=1e-4)
    np.testing.assert_allclose(steps.z, np.sqrt(ratio) * s_next**2 / s**2, rtol=1e-4)
    np.testing.assert_allclose(steps.noise, s_next / s * np.sqrt(1 - ratio), rtol=1e-4)


def test_one_step_to_the_end_is_the_estimate():
    start = jnp.array([0.3, -2.0])
    for sampler in (ddim, ddpm, dpm_solver):
        steps = sampler(grid(cosine, 1, start=0.8))
        end = sample(jax.random.key(0), _denoise, steps, start)
        expected = _denoise(start, jnp.float32(cosine(np.float64(0.8))))
        np.testing.assert_allclose(end, expected, rtol=1e-5)


def test_keys_tell_samples_apart_and_jit_changes_nothing():
    steps, start = ddpm(grid(cosine, 6)), jnp.zeros((2, 3))
    eager = sample(jax.random.key(0), _denoise, steps, start)
    np.testing.assert_allclose(_run(jax.random.key(0), steps, start), eager, atol=1e-6)
    np.testing.assert_array_equal(
        _run(jax.random.key(0), steps, start), _run(jax.random.key(0), steps, start)
    )
    assert float(jnp.abs(_run(jax.random.key(1), steps, start) - eager).min()) > 0


def test_one_program_serves_any_number_of_steps():
    traced = []

    def denoise(z, log_snr):
        traced.append(z)
        return _denoise(z, log_snr)

    run = jax.jit(functools.partial(sample, jax.random.key(0), denoise))
    ends = [run(ddim(grid(cosine, n)).padded(32), jnp.ones(3)) for n in (1, 4, 17)]
    assert len(traced) == 1
    alone = sample(jax.random.key(0), _denoise, ddim(grid(cosine, 17)), jnp.ones(3))
    np.testing.assert_allclose(ends[-1], alone, rtol=1e-5)
    with pytest.raises(ValueError, match="40 steps, at most 32"):
        ddim(grid(cosine, 40)).padded(32)


def test_gradients_and_vmap_go_through():
    steps = ddpm(grid(cosine, 3))
    keys = jax.random.split(jax.random.key(0), 4)
    starts = jax.random.normal(jax.random.key(1), (4, 5))
    many = jax.vmap(lambda key, z: sample(key, _denoise, steps, z))(keys, starts)
    np.testing.assert_allclose(many[2], sample(keys[2], _denoise, steps, starts[2]), rtol=1e-5)
    slope = jax.grad(lambda z: sample(keys[0], _denoise, steps, z).sum())(starts[0])
    assert float(jnp.abs(slope).min()) > 0


def test_log_snrs_must_ascend():
    with pytest.raises(ValueError, match="ascend"):
        ddim(np.array([1.0, 0.5]))
    with pytest.raises(ValueError, match="ascend"):
        dpm_solver(np.array([1.0]))
