"""Bicubic resizing: the kernel of MATLAB's imresize."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.ops.resize import bicubic_down, bicubic_up


@pytest.mark.parametrize("factor", [2, 4])
def test_inside_it_equals_the_resize_of_jax(photo, factor):
    x = jnp.asarray(photo[None], jnp.float32) / 255
    small = bicubic_down(x, factor)
    theirs = jax.image.resize(x, small.shape, "cubic", antialias=True)
    np.testing.assert_allclose(small[:, 4:-4, 4:-4], theirs[:, 4:-4, 4:-4], atol=2e-4)


def test_known_weights():
    # Keys' kernel at half-sample positions, and the same stretched by two.
    impulse = jnp.zeros((1, 1, 16, 1)).at[0, 0, 8, 0].set(1)
    up = bicubic_up(jnp.repeat(impulse, 8, axis=1), 2)[0, 8, :, 0]
    expected = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 128
    np.testing.assert_allclose(up[13:21], expected, atol=1e-6)
    down = bicubic_down(jnp.repeat(impulse, 8, axis=1), 2)[0, 2, :, 0]
    np.testing.assert_allclose(down[3:6], [29 / 256, 111 / 256, -9 / 256], atol=1e-6)


def test_a_flat_image_stays_flat_to_the_border():
    flat = jnp.full((1, 12, 20, 3), 0.3)
    np.testing.assert_allclose(bicubic_down(flat, 4), 0.3, atol=1e-6)
    np.testing.assert_allclose(bicubic_up(flat, 2), 0.3, atol=1e-6)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiple"):
        bicubic_down(jnp.zeros((1, 7, 8, 3)), 2)
