"""Colour conversion agrees with Pillow's."""

import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxlic.ops.colour import rgb_to_ycbcr, ycbcr_to_rgb


def test_it_is_the_conversion_of_jpeg(photo):
    theirs = np.asarray(Image.fromarray(photo).convert("YCbCr")).astype(float)
    ours = rgb_to_ycbcr(jnp.asarray(photo, jnp.float32) / 255)
    assert np.abs(ours - theirs).max() < 1.01
    assert np.abs(ours - theirs).mean() < 0.6  # It cuts decimals off.


def test_the_inverse_undoes_it(photo):
    x = jnp.asarray(photo, jnp.float32) / 255
    np.testing.assert_allclose(ycbcr_to_rgb(rgb_to_ycbcr(x)), x, atol=2e-6)
