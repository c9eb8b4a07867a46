"""The simulator against the real thing, Pillow's libjpeg."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxlic.ops.jpeg import ROUNDINGS, cubic, fourier, jpeg, tables

# The order in which a file stores an 8x8 table.
ZIGZAG = sorted(
    ((i, j) for i in range(8) for j in range(8)),
    key=lambda p: (p[0] + p[1], p[1] if (p[0] + p[1]) % 2 == 0 else p[0]),
)


def _pillow(image, quality):
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def _decibels(a, b):
    return 10 * np.log10(255**2 / np.mean(np.square(np.asarray(a, float) - b)))


@pytest.mark.parametrize("quality, least", [(30, 43), (50, 44), (75, 44), (90, 44)])
def test_it_does_what_libjpeg_does(photo, quality, least):
    image = photo[:151, :203]  # No multiple of anything.
    theirs = np.asarray(Image.open(io.BytesIO(_pillow(image, quality))))
    ours = jpeg(jnp.asarray(image[None], jnp.float32) / 255, quality).image[0]
    assert _decibels(np.round(ours * 255), theirs) > least


def test_tables_are_those_in_the_files(photo):
    for quality in range(1, 101):
        with Image.open(io.BytesIO(_pillow(photo[:16, :16], quality))) as file:
            theirs = file.quantization
        for ours, stored in zip(tables(quality), (theirs[0], theirs[1]), strict=True):
            natural = np.asarray(ours).astype(int)
            listed = [natural[p] for p in ZIGZAG]
            # Releases of Pillow differ in the order they return.
            assert list(stored) in (listed, list(natural.ravel()))


def test_every_image_has_its_own_quality_even_traced(photo):
    x = jnp.asarray(np.stack([photo[:64, :64], photo[64:128, :64]]), jnp.float32) / 255
    both = jax.jit(jpeg)(x, jnp.array([30.0, 90.0])).image
    for i, quality in enumerate((30, 90)):
        np.testing.assert_allclose(both[i], jpeg(x[i : i + 1], quality).image[0], atol=5e-3)
    single = jax.vmap(lambda x, q: jpeg(x[None], q).image[0])(x, jnp.array([30.0, 90.0]))
    np.testing.assert_allclose(single, both, atol=5e-3)


@pytest.mark.parametrize("name", ROUNDINGS)
def test_gradients_are_finite_and_reach_the_image(photo, name):
    x = jnp.asarray(photo[None, :37, :45], jnp.float32) / 255
    weights = jax.random.normal(jax.random.key(0), x.shape)
    slope = jax.jit(jax.grad(lambda x: jnp.sum(jpeg(x, 60, ROUNDINGS[name]).image * weights)))
    gradient = slope(x)
    assert np.isfinite(gradient).all() and float(jnp.abs(gradient).max()) > 0


def test_surrogates_of_rounding():
    x = jnp.linspace(-3, 3, 601)
    assert float(jnp.abs(cubic(x) - jnp.round(x)).max()) <= 0.125 + 1e-5
    assert float(jnp.sqrt(jnp.mean(jnp.square(fourier(x) - jnp.round(x))))) < 0.08
    assert float(jax.grad(cubic)(2.0)) == 0
    assert abs(float(jax.grad(cubic)(2.499)) - 0.75) < 0.01
    assert abs(float(jax.grad(fourier)(1.0)) + 1) < 1e-4
    assert abs(float(jax.grad(fourier)(1.5)) - 19) < 1e-3


def test_the_estimate_of_bits_is_near_the_file(photo):
    x = jnp.asarray(photo[None], jnp.float32) / 255
    for quality in (30, 60, 90):
        estimated = float(jpeg(x, quality).bits[0]) / 8
        counted = len(_pillow(photo, quality)) - 620  # Tables and headers.
        assert 0.6 < estimated / counted < 1.5
    coarse, fine = (float(jpeg(x, q).bits[0]) for q in (30, 90))
    assert coarse < fine
