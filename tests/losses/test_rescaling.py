"""Losses of rescaling: sums, with the published weights."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.core import Reconstruction
from jaxlic.losses import rescaling

NAMES = (
    *("lr", "lr_8_bits", "lr_decoded", "lr_restored"),
    *("compressed", "reference", "reference_decoded"),
)
KEYS = dict(zip(NAMES, jax.random.split(jax.random.key(0), len(NAMES)), strict=True))
IMAGE = jax.random.uniform(jax.random.key(1), (2, 8, 8, 3))
X_HAT = jax.random.uniform(jax.random.key(2), (2, 8, 8, 3))


def _reconstruction():
    aux = {name: jax.random.uniform(key, (2, 4, 4, 3)) for name, key in KEYS.items()}
    aux["latent"] = jax.random.normal(jax.random.key(3), (2, 4, 4, 9))
    aux["rate"] = jnp.array([100.0, 300.0])
    return Reconstruction(X_HAT, {"file": jnp.array([800.0, 1600.0])}, aux)


def _sum(a, b):
    return float(np.square(np.asarray(a) - np.asarray(b)).sum() / 2)


def test_sain_is_the_sum_of_its_five_terms():
    rec = _reconstruction()
    total, metrics = jax.jit(rescaling.sain(4))({"image": IMAGE}, rec)
    a = rec.aux
    expected = float(np.sqrt(np.square(IMAGE - X_HAT) + 1e-6).sum() / 2)
    pairs = [
        ("lr", "reference"),
        ("compressed", "reference_decoded"),
        ("lr_8_bits", "lr_restored"),
        ("compressed", "lr_decoded"),
    ]
    expected += 16 / 4 * sum(_sum(a[x], a[y]) for x, y in pairs)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    np.testing.assert_allclose(metrics["bpp"], 1200 / 64)


def test_irn_fits_thumbnail_and_latent():
    rec = _reconstruction()
    total, _ = rescaling.irn(2, fit=5.0)({"image": IMAGE}, rec)
    expected = float(np.sqrt(np.square(IMAGE - X_HAT) + 1e-6).sum() / 2)
    expected += 5 * _sum(rec.aux["lr"], rec.aux["reference"]) + _sum(rec.aux["latent"], 0)
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_a_rate_can_be_added():
    rec = _reconstruction()
    for loss in (rescaling.sain, rescaling.irn):
        without, _ = loss(2)({"image": IMAGE}, rec)
        total, metrics = loss(2, rate=0.1)({"image": IMAGE}, rec)
        np.testing.assert_allclose(total - without, 20.0, rtol=1e-3)
        np.testing.assert_allclose(metrics["rate"], 20.0, rtol=1e-5)


def test_a_perfect_reconstruction_costs_next_to_nothing():
    rec = _reconstruction().replace(x_hat=IMAGE)
    total, metrics = rescaling.reconstruction({"image": IMAGE}, rec)
    assert float(total) < 8 * 8 * 3 * 1.1e-3
    assert float(metrics["psnr"]) > 80
