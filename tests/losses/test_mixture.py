import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.losses import jnd
from jaxlic.losses.mixture import mixture
from jaxlic.losses.rate_distortion import rate_distortion, squared_error
from tests.losses.test_jnd import BATCH, X_HAT, _rec

TERMS = {"plain": (1.0, squared_error), "weighted": (0.5, jnd.weighted())}


def _slope(distortion, x_hat=X_HAT):
    def total(x):
        found = distortion(BATCH, _rec(x))
        return jnp.sum(found[0] if isinstance(found, tuple) else found)

    return jax.jit(jax.grad(total))(x_hat)


def test_it_is_the_sum_and_so_is_its_gradient():
    value, metrics = jax.jit(lambda x: mixture(TERMS)(BATCH, _rec(x)))(X_HAT)
    parts = [term(BATCH, _rec(X_HAT)) for _, term in TERMS.values()]
    np.testing.assert_allclose(value, parts[0] + 0.5 * parts[1], rtol=1e-6)
    slopes = [_slope(term) for _, term in TERMS.values()]
    np.testing.assert_allclose(
        _slope(mixture(TERMS)), slopes[0] + 0.5 * slopes[1], rtol=1e-4, atol=1e-7
    )
    for (name, _), part, slope in zip(TERMS.items(), parts, slopes, strict=True):
        norm = np.mean(np.sqrt(np.sum(np.square(slope), axis=(1, 2, 3))))
        assert float(metrics[f"distortion_{name}"]) == pytest.approx(float(part.mean()))
        assert float(metrics[f"gradient_{name}"]) == pytest.approx(float(norm), rel=1e-5)


def test_automatic_weights_are_pulls_image_by_image():
    terms = {
        "plain": (1.0, squared_error),
        "tiny": (0.25, lambda *a: 1e-3 * jnd.weighted()(*a)),
    }
    first = _slope(squared_error)
    rest = _slope(mixture(terms, automatic=True)) - first
    for i in range(2):
        pull = float(jnp.linalg.norm(rest[i]) / jnp.linalg.norm(first[i]))
        assert pull == pytest.approx(0.25, rel=1e-3)


def test_terms_at_rest_are_finite_and_weights_do_not_explode():
    terms = {"plain": (1.0, squared_error), "beyond": (1.0, jnd.beyond(3.0, anchor=1e-9))}
    slope = _slope(mixture(terms, automatic=True), BATCH["image"])
    assert bool(jnp.isfinite(slope).all())


def test_its_metrics_are_those_of_the_loss():
    loss = rate_distortion(lmbda, mixture(TERMS))
    value, metrics = jax.jit(loss)(BATCH, _rec(X_HAT))
    assert bool(jnp.isfinite(value)) and {"bpp", "psnr", "gradient_weighted"} <= set(metrics)
    assert float(metrics["distortion"]) == pytest.approx(
        float(metrics["distortion_plain"] + 0.5 * metrics["distortion_weighted"])
    )


def test_terms_and_weights_are_checked():
    with pytest.raises(ValueError, match="needs a term"):
        mixture({})
    with pytest.raises(ValueError, match="weight of plain"):
        mixture({"plain": (-1.0, squared_error)})
