import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxlic.nn import conv

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def _arrays(kernel_size, size=(8, 10)):
    keys = jax.random.split(jax.random.key(kernel_size), 2)
    x = jax.random.normal(keys[0], (2, *size, 3))
    return x, jax.random.normal(keys[1], (kernel_size, kernel_size, 3, 4))


def _reference(x, kernel, stride, padding):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=DIMENSIONS
    )


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
def test_values_and_gradients_equal_xlas(kernel_size, stride):
    x, kernel = _arrays(kernel_size)
    padding = conv.same_padding(kernel_size)
    ours = lambda x, k: conv.conv2d(x, k, stride=stride, padding=padding)  # noqa: E731
    theirs = lambda x, k: _reference(x, k, stride, padding)  # noqa: E731
    y, backward = jax.vjp(jax.jit(ours), x, kernel)
    expected, expected_backward = jax.vjp(theirs, x, kernel)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    dy = jax.random.normal(jax.random.key(9), y.shape)
    for a, b in zip(backward(dy), expected_backward(dy), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


@pytest.mark.parametrize("size", [(7, 9), (8, 8)])
def test_odd_sizes_and_uneven_padding(size):
    x, kernel = _arrays(5, size)
    padding = ((0, 3), (2, 1))
    f = lambda x: jnp.sum(jnp.sin(conv.conv2d(x, kernel, stride=2, padding=padding)))  # noqa: E731
    g = lambda x: jnp.sum(jnp.sin(_reference(x, kernel, 2, padding)))  # noqa: E731
    np.testing.assert_allclose(jax.grad(f)(x), jax.grad(g)(x), atol=2e-5)


@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 2), (5, 2), (5, 1), (4, 2), (5, 4)])
def test_transposed_is_the_adjoint(kernel_size, stride):
    x, kernel = _arrays(kernel_size, (4, 6))
    y = conv.conv2d_transpose(x, kernel, stride=stride)
    assert y.shape == (2, 4 * stride, 6 * stride, 4)
    v = jax.random.normal(jax.random.key(5), y.shape)
    adjoint = _reference(v, kernel.swapaxes(2, 3), stride, conv.same_padding(kernel_size))
    np.testing.assert_allclose(jnp.sum(y * v), jnp.sum(x * adjoint[:, :4, :6]), rtol=1e-4)


def test_vmap_over_the_kernel():
    x, kernel = _arrays(3)
    kernels = jnp.stack([kernel, 2 * kernel])
    y = jax.vmap(lambda k: conv.conv2d(x, k))(kernels)
    np.testing.assert_allclose(y[1], 2 * y[0], rtol=1e-5)


def test_integers_are_refused():
    with pytest.raises(TypeError, match="floating-point numbers, got uint8"):
        conv.conv2d(jnp.zeros((1, 4, 4, 3), jnp.uint8), jnp.zeros((3, 3, 3, 2)))


def test_wrong_channels_raise():
    with pytest.raises(ValueError, match="cannot be applied"):
        conv.conv2d(jnp.zeros((1, 4, 4, 2)), jnp.zeros((3, 3, 3, 4)))
