import jax.numpy as jnp
import pytest

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.core import Reconstruction
from jaxlic.losses.rate_distortion import rate_distortion


def _case():
    batch = {"image": jnp.zeros((2, 4, 8, 3)), "quality": jnp.array([1.0, 100.0])}
    x_hat = jnp.full((2, 4, 8, 3), 2 / 255)
    return batch, Reconstruction(
        x_hat, {"y": jnp.array([32.0, 64.0]), "z": jnp.full(2, 32.0)}, {}
    )


def test_the_lagrangian_is_the_formula():
    batch, rec = _case()
    value, metrics = rate_distortion(lmbda)(batch, rec)
    expected = ((2 + 0.0015 * 4) + (3 + 0.15 * 4)) / 2
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert float(metrics["bpp"]) == pytest.approx(2.5)


def test_balance_gives_low_rates_more_say():
    batch, rec = _case()
    value, _ = rate_distortion(lmbda, balance=0.5)(batch, rec)
    expected = ((2 + 0.0015 * 4) * 10**0.5 + (3 + 0.15 * 4) * 10**-0.5) / 2
    assert float(value) == pytest.approx(expected, rel=1e-5)
