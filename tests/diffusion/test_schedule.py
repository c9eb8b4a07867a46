import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.diffusion.schedule import (
    MAX_LOG_SNR,
    alpha_sigma,
    cosine,
    diffuse,
    grid,
    linear,
    shifted,
)


@pytest.mark.parametrize("schedule", [cosine, linear])
def test_signal_falls_from_all_to_nothing(schedule):
    log_snr = schedule(np.linspace(0, 1, 1001))
    assert (np.diff(log_snr) <= 0).all() and np.ptp(log_snr) > 1.5 * MAX_LOG_SNR
    assert np.isfinite(log_snr).all()
    traced = jax.jit(schedule)(jnp.linspace(0, 1, 1001))
    np.testing.assert_allclose(traced, log_snr, atol=2e-3)


def test_cosine_has_the_published_values():
    # alpha**2 at 1024, 2048, 4096 and 6144 of 8192 steps.
    log_snr = cosine(np.array([0.125, 0.25, 0.5, 0.75]))
    alpha2 = 1 / (1 + np.exp(-log_snr))
    np.testing.assert_allclose(alpha2, [0.958, 0.847, 0.494, 0.144], atol=2e-3)


def test_linear_is_the_limit_of_the_published_betas():
    kept = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    times = np.array([0.1, 0.3, 0.5, 0.7])
    alpha2 = 1 / (1 + np.exp(-linear(times)))
    np.testing.assert_allclose(alpha2, kept[(times * 1000).astype(int) - 1], rtol=0.03)


def test_a_shifted_schedule_is_that_of_larger_data():
    time = jnp.float32(0.4)
    alpha, sigma = alpha_sigma(cosine(time))
    larger = shifted(cosine, 3.0)(time)
    np.testing.assert_allclose(jnp.exp(larger / 2), 3 * alpha / sigma, rtol=1e-5)


def test_diffusion_keeps_the_variance():
    x, eps = jax.random.normal(jax.random.key(0), (2, 4, 64, 64))
    z = diffuse(x, eps, jnp.array([-3.0, -1.0, 0.5, 4.0]))
    np.testing.assert_allclose(jnp.var(z, axis=(1, 2)), 1, atol=0.1)


def test_a_grid_ascends_to_the_clean_end():
    log_snrs = grid(cosine, 5, start=0.6)
    assert len(log_snrs) == 6 and np.isinf(log_snrs[-1])
    assert (np.diff(log_snrs) > 0).all()
    np.testing.assert_allclose(log_snrs[0], cosine(np.float64(0.6)))
    with pytest.raises(ValueError, match="0 steps"):
        grid(cosine, 0)
    with pytest.raises(ValueError, match=r"from 1\.5"):
        grid(cosine, 3, start=1.5)
