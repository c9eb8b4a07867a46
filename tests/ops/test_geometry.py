import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.ops import geometry


def test_depth_to_space_undoes_space_to_depth():
    x = jax.random.normal(jax.random.key(0), (2, 6, 9, 2))
    y = geometry.space_to_depth(x, 3)
    assert y.shape == (2, 2, 3, 18)
    assert float(y[0, 1, 2, (1 * 3 + 2) * 2 + 1]) == float(x[0, 4, 8, 1])
    np.testing.assert_array_equal(geometry.depth_to_space(y, 3), x)


def test_sizes_that_do_not_divide_raise():
    with pytest.raises(ValueError, match="5x4 is not a multiple of 2"):
        geometry.space_to_depth(jnp.zeros((1, 5, 4, 1)), 2)
    with pytest.raises(ValueError, match="6 channels"):
        geometry.depth_to_space(jnp.zeros((1, 2, 2, 6)), 2)


def test_keep_zeroes_the_rest():
    x = geometry.keep(jnp.ones((1, 3, 4, 1)), jnp.array([2, 3]))
    assert float(x.sum()) == 6
    assert float(x[0, :2, :3].sum()) == 6


@pytest.mark.parametrize("mode", ["symmetric", "edge"])
def test_extend_with_a_size_equals_extending_the_valid_part(mode):
    x = jax.random.normal(jax.random.key(0), (1, 8, 9, 2))
    whole = geometry.extend(x[:, :5, :6], 2, None, mode)
    part = jax.jit(lambda x, s: geometry.extend(x, 2, s, mode))(x, jnp.array([5, 6]))
    np.testing.assert_array_equal(part[:, :9, :10], whole)
