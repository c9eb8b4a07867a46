"""Distortions that stop at what the eye can see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.core import Reconstruction
from jaxlic.losses import jnd
from jaxlic.losses.rate_distortion import rate_distortion, squared_error

SHAPE = (2, 8, 8, 3)
KEYS = jax.random.split(jax.random.key(0), 3)
BATCH = {
    "image": jax.random.uniform(KEYS[0], SHAPE),
    "target": jnp.clip(
        jax.random.uniform(KEYS[0], SHAPE) + 0.02 * jax.random.normal(KEYS[1], SHAPE), 0, 1
    ),
    "jnd": jnp.linspace(3, 12, 128).reshape(SHAPE[:3]),
    "quality": jnp.array([30.0, 80.0]),
}
X_HAT = BATCH["image"] + 0.03 * jax.random.normal(KEYS[2], SHAPE)


def _rec(x_hat):
    return Reconstruction(x_hat, {"y": jnp.full(2, 90.0)}, {})


def _features(x):
    return [x[:, ::2], jnp.square(x)]


ALL = {
    "pixel_wise": jnd.pixel_wise,
    "released": jnd.image_wise_as_released,
    "image_wise": jnd.image_wise(),
    "feature_wise": jnd.feature_wise(_features),
    "beyond": jnd.beyond(),
    "calibrated": jnd.calibrated(lambda a, b: jnp.mean((a - b) ** 2, axis=(1, 2, 3)), crop=4),
    "weighted": jnd.weighted(),
}


def test_values_are_the_formulas():
    x, t, j, y = (
        np.asarray(a, np.float64)
        for a in (*[BATCH[k] for k in ("image", "target", "jnd")], X_HAT)
    )
    d = 255**2 * np.mean((y - x) ** 2, axis=(1, 2, 3))
    budget = 255**2 * np.mean((t - x) ** 2, axis=(1, 2, 3))
    luma = np.array([0.299, 0.587, 0.114])
    error = 255 * (y - x)
    brightness = error @ luma
    blue = (error[..., 2] - brightness) / 1.772
    red = (error[..., 0] - brightness) / 1.402
    parts = [brightness, np.sqrt(1.0862) * blue, np.sqrt(0.8251) * red]
    limits = [2 * j, 6 * j * np.sqrt(1.0862), 6 * j * np.sqrt(0.8251)]
    over = sum(
        np.maximum(np.abs(e) - limit, 0) ** 2 for e, limit in zip(parts, limits, strict=True)
    )
    units = parts[0] ** 2 + (parts[1] ** 2 + parts[2] ** 2) / 9
    ratio = j**-2 / np.mean(j**-2, axis=(1, 2), keepdims=True)
    expected = {
        jnd.pixel_wise: 255**2 * np.mean((y - t) ** 2, axis=(1, 2, 3)),
        jnd.image_wise_as_released: d - budget,
        jnd.image_wise(0.2): 0.2 * budget * np.log1p(np.exp((d - budget) / (0.2 * budget))),
        jnd.beyond(2.0, anchor=0.1, chroma=3.0): np.mean(over, axis=(1, 2)) + 0.1 * d,
        jnd.weighted(3.0): np.mean(ratio * units, axis=(1, 2)),
    }
    for function, values in expected.items():
        np.testing.assert_allclose(jax.jit(function)(BATCH, _rec(X_HAT)), values, rtol=1e-4)
    near, far = _features(y), _features(t)
    second = [np.mean((a - b) ** 2, axis=(1, 2, 3)) for a, b in zip(near, far, strict=True)]
    got = jnd.feature_wise(_features, weight=0.3, scale=10.0)(BATCH, _rec(X_HAT))
    np.testing.assert_allclose(got, 0.7 * d + 3.0 * (second[0] + second[1]) / 2, rtol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_every_distortion_makes_a_loss_that_can_be_differentiated(name):
    loss = rate_distortion(lmbda, ALL[name])

    def cost(x_hat):
        return loss(BATCH, _rec(x_hat))

    gradient, metrics = jax.jit(jax.grad(cost, has_aux=True))(X_HAT)
    assert bool(jnp.isfinite(gradient).all()) and float(jnp.abs(gradient).max()) > 0
    assert {"loss", "bpp", "psnr", "distortion"} <= set(metrics)
    # Also where nothing is wrong any more.
    at_rest, _ = jax.jit(jax.grad(cost, has_aux=True))(BATCH["image"])
    assert bool(jnp.isfinite(at_rest).all())


def test_the_released_image_wise_loss_is_plain_fine_tuning_to_the_bit():
    def gradient(distortion):
        def cost(x_hat):
            return rate_distortion(lmbda, distortion)(BATCH, _rec(x_hat))[0]

        return jax.jit(jax.grad(cost))(X_HAT)

    np.testing.assert_array_equal(gradient(jnd.image_wise_as_released), gradient(squared_error))


def test_error_below_the_threshold_costs_the_anchor_alone():
    inside = BATCH["image"] + 0.9 * BATCH["jnd"][..., None] / 255
    np.testing.assert_allclose(
        jnd.beyond(anchor=0.05)(BATCH, _rec(inside)),
        0.05 * squared_error(BATCH, _rec(inside)),
        rtol=1e-4,
    )


def test_colour_counts_less_than_luma():
    flat = {**BATCH, "jnd": jnp.ones(SHAPE[:3])}
    grey = _rec(BATCH["image"] + 0.02)
    np.testing.assert_allclose(
        jnd.weighted(2.0)(flat, grey), squared_error(flat, grey), rtol=1e-3
    )
    blue = _rec(BATCH["image"] + jnp.array([0.0, -0.344, 1.772]) * 0.02)
    np.testing.assert_allclose(
        jnd.weighted(2.0)(flat, blue), squared_error(flat, blue) / 4, rtol=1e-3
    )


def test_an_image_within_its_budget_is_hardly_pulled():
    distortion = jnd.image_wise(0.05)

    def cost(x_hat):
        return jnp.sum(distortion(BATCH, _rec(x_hat)))

    within = BATCH["image"] + 0.2 * (BATCH["target"] - BATCH["image"])
    beyond = BATCH["image"] + 3 * (BATCH["target"] - BATCH["image"])
    near, far = (float(jnp.abs(jax.grad(cost)(x)).mean()) for x in (within, beyond))
    assert near < 1e-3 * far


@pytest.mark.parametrize(
    "make",
    [
        lambda: jnd.image_wise(0),
        lambda: jnd.beyond(anchor=0),
        lambda: jnd.beyond(-1.0),
        lambda: jnd.weighted(0),
    ],
)
def test_settings_that_would_collapse_are_refused(make):
    with pytest.raises(ValueError, match="must be positive"):
        make()


def test_the_weight_of_features_is_a_share():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        jnd.feature_wise(_features, weight=2.0)
