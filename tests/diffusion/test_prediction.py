import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.diffusion.prediction import KINDS, min_snr, predicted, target
from jaxlic.diffusion.schedule import diffuse

X, EPS = jax.random.normal(jax.random.key(0), (2, 3, 5, 7, 2))
LOG_SNR = jnp.array([-4.0, 0.0, 5.0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_predicts_what_it_was_made_from(kind):
    z = diffuse(X, EPS, LOG_SNR)
    made = target(kind, X, EPS, LOG_SNR)
    found = jax.jit(predicted, static_argnums=0)(kind, made, z, LOG_SNR)
    np.testing.assert_allclose(found.x, X, atol=1e-4)
    np.testing.assert_allclose(found.eps, EPS, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_the_same_in_terms_of_x(kind):
    z, error = diffuse(X, EPS, LOG_SNR), 0.1 * EPS
    off = target(kind, X, EPS, LOG_SNR) + error
    squared = jnp.mean((predicted(kind, off, z, LOG_SNR).x - X) ** 2, axis=(1, 2, 3))
    own = min_snr(kind, LOG_SNR) * jnp.mean(error**2, axis=(1, 2, 3))
    np.testing.assert_allclose(own, jnp.minimum(jnp.exp(LOG_SNR), 5) * squared, rtol=2e-3)


def test_both_ends_are_finite():
    for log_snr in (-12.0, 12.0):
        for kind in KINDS:
            made = predicted(kind, EPS, X, jnp.float32(log_snr))
            assert bool(jnp.isfinite(made.x).all() and jnp.isfinite(made.eps).all())
            assert np.isfinite(min_snr(kind, jnp.float32(log_snr)))


def test_other_kinds_are_refused():
    for call in (predicted, target):
        with pytest.raises(ValueError, match="'y' is none of x, eps, v"):
            call("y", X, EPS, LOG_SNR)
    with pytest.raises(ValueError, match="'y' is none of x, eps, v"):
        min_snr("y", LOG_SNR)
