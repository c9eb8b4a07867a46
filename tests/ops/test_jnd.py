"""Just-noticeable differences against the published formulas, written out again in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.ops import jnd


def _reference(image):
    """Pixel by pixel, in float64."""
    y = image.astype(np.float64) @ [0.299, 0.587, 0.114]
    p = np.pad(y, 2, mode="edge")
    kernel = np.ones((5, 5))
    kernel[1:4, 1:4] = 2
    kernel[2, 2] = 0
    out = np.zeros_like(y)
    for i, j in np.ndindex(y.shape):
        near = p[i : i + 5, j : j + 5]
        b = (near * kernel).sum() / 32
        la = 17 * (1 - np.sqrt(b / 127)) + 3 if b <= 127 else 3 / 128 * (b - 127) + 3
        deviation = near.std()
        lc = 1.84 * deviation**2.4 / (deviation**2 + 676)
        out[i, j] = la + lc - 0.3 * min(la, lc)
    return out


def test_it_is_the_published_formula(photo):
    image = photo[:40, :50]
    got = jax.jit(jnd.jnd_map)(jnp.asarray(image[None], jnp.float32) / 255)
    np.testing.assert_allclose(got[0], _reference(image), rtol=1e-3, atol=1e-3)


def test_a_photograph_has_thresholds_of_the_known_size(photo):
    got = np.asarray(jnd.jnd_map(jnp.asarray(photo[None], jnp.float32) / 255))
    low, high = np.percentile(got, [5, 95])
    assert 2.9 < low < 6 and 8 < high < 25 and 4 < got.mean() < 12


def test_flat_images_have_adaptation_alone():
    for level, threshold in ((0, 20), (127, 3), (255, 6)):
        flat = jnp.full((1, 9, 9, 3), level / 255)
        # Also at the border: it is repeated, not dark.
        np.testing.assert_allclose(jnd.jnd_map(flat), threshold, atol=0.02)


def test_contrast_raises_the_threshold():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1, 32, 32, 1)) * np.ones(3)
    values = [
        float(jnd.jnd_map(jnp.asarray(0.5 + s * noise, jnp.float32)).mean())
        for s in (0.0, 0.05, 0.15)
    ]
    assert values[0] < values[1] < values[2]


def test_no_gradient_passes_and_values_are_finite():
    x = jax.random.uniform(jax.random.key(0), (1, 12, 12, 3))
    assert float(jnp.abs(jax.grad(lambda x: jnd.jnd_map(x).sum())(x)).max()) == 0
    for flat in (0.0, 1.0):
        assert bool(jnp.isfinite(jnd.jnd_map(jnp.full((1, 8, 8, 3), flat))).all())


def test_a_crop_with_a_margin_has_the_map_of_the_whole_image(photo):
    x = jnp.asarray(photo[None], jnp.float32) / 255
    whole = jnd.jnd_map(x)[:, 30:60, 40:80]
    m = jnd.MARGIN
    crop = jnd.jnd_map(x[:, 30 - m : 60 + m, 40 - m : 80 + m])
    crop = crop[:, m:-m, m:-m]
    np.testing.assert_allclose(crop, whole, atol=1e-3)


def test_smoothing_stays_within_the_threshold_and_takes_detail_out(photo):
    x = jnp.asarray(photo[None], jnp.float32) / 255
    soft = jnd.smoothed(x, scale=1.5)
    room = 1.5 * jnd.jnd_map(x)[..., None] / 255
    assert bool((jnp.abs(soft - x) <= room + 1e-6).all())
    detail, left = (float(jnp.abs(jnp.diff(a, axis=1)).mean()) for a in (x, soft))
    assert left < 0.8 * detail
    flat = jnp.full((1, 8, 8, 3), 0.4)
    np.testing.assert_allclose(jnd.smoothed(flat), flat, atol=1e-6)


def test_violations_count_what_exceeds_the_threshold():
    image = jnp.full((1, 10, 10, 3), 0.5)
    threshold = jnp.full((1, 10, 10), 4.0)
    x = image.at[0, :3].add(6 / 255).at[0, 5:].add(-3 / 255)
    share, excess = jnd.violations(x, image, threshold)
    assert float(share[0]) == pytest.approx(0.3)
    assert float(excess[0]) == pytest.approx(0.3 * 2, abs=1e-3)
