import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.nn.conv import conv2d
from jaxlic.nn.exact import LIMIT, ExactConv, ExactGain, ExactLinear, compand, steep
from tests.algorithms import fft, winograd

LAYER = dict(kernel_size=3, in_fraction=5, in_max=255, out_fraction=5, low=0, high=255)


def _case(batch=2):
    layer = ExactConv(16, **LAYER)
    x = jnp.floor(jax.random.uniform(jax.random.key(0), (batch, 9, 11, 32), maxval=256))
    return layer, x, layer.init(jax.random.key(1), x)


def _integer_reference(x, params):
    """The layer in NumPy's int64: an independent implementation."""
    kernel = np.floor(np.asarray(params["kernel"], np.float64) * 256 + 0.5).astype(np.int64)
    bias = np.floor(np.asarray(params["bias"], np.float64) * 2**13 + 0.5).astype(np.int64)
    x = np.pad(np.asarray(x).astype(np.int64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1] - 2, x.shape[2] - 2
    total = bias + sum(
        np.einsum("nhwi,io->nhwo", x[:, i : i + height, j : j + width], kernel[i, j])
        for i in range(3)
        for j in range(3)
    )
    return np.clip((total + 128) >> 8, 0, 255)


def test_equals_integer_arithmetic():
    layer, x, variables = _case()
    y = jax.jit(layer.apply)(variables, x)
    np.testing.assert_array_equal(y, _integer_reference(x, variables["params"]))
    assert 0 < float(jnp.mean(y > 0)) < 1


def test_jit_eager_and_batch_agree_to_the_bit():
    layer, x, variables = _case(batch=8)
    whole = np.asarray(jax.jit(layer.apply)(variables, x))
    np.testing.assert_array_equal(whole, layer.apply(variables, x))
    np.testing.assert_array_equal(whole[3:4], layer.apply(variables, x[3:4]))


def test_numpy_and_jax_agree_to_the_bit():
    layer, x, variables = _case()
    y = layer.apply(variables, np.asarray(x))
    assert isinstance(y, np.ndarray) and y.dtype == np.float32
    np.testing.assert_array_equal(y, jax.jit(layer.apply)(variables, x))
    linear, x = ExactLinear(5), jnp.round(8000 * jax.random.normal(jax.random.key(2), x.shape))
    kernel = jax.random.uniform(jax.random.key(3), (3, 3, 32, 5), minval=-0.2, maxval=0.2)
    variables = {"params": {"kernel": kernel}}
    y = linear.apply(variables, np.asarray(x))
    assert isinstance(y, np.ndarray) and y.dtype == np.float32
    np.testing.assert_array_equal(y, jax.jit(linear.apply)(variables, x))


def test_weights_may_be_traced_where_the_input_is_numpys():
    layer, x, variables = _case()
    y = jax.jit(lambda v: layer.apply(v, np.asarray(x)))(variables)
    np.testing.assert_array_equal(y, layer.apply(variables, np.asarray(x)))


def test_bound_covers_the_worst_input():
    layer, _, variables = _case()
    bound = layer.apply(variables, method="bound")
    assert bound <= LIMIT
    kernel = np.floor(np.asarray(variables["params"]["kernel"]) * 256 + 0.5)
    assert bound >= 255 * np.abs(kernel).sum(axis=(0, 1, 2)).max()


def test_weights_that_could_overflow_are_refused():
    layer, _, variables = _case()
    heavy = jax.tree.map(lambda a: jnp.full_like(a, 0.99), variables)
    with pytest.raises(ValueError, match="exceed 2\\*\\*24"):
        layer.apply(heavy, method="bound")


def test_biases_on_the_edge_of_rounding_are_moved_away_from_it():
    """So near to a half that a fused multiply-add gives another integer than two steps."""
    layer = ExactConv(1, **LAYER, bias_rate=10.0)
    scale = 10.0 * 2**13
    near = np.float32(0.50049436)
    exact = np.float64(near) * scale + 0.5
    rounded = np.float32(near * np.float32(scale)) + np.float32(0.5)
    assert np.floor(exact) != np.floor(rounded)
    kernel = jnp.zeros((3, 3, 2, 1))
    variables = {"params": {"kernel": kernel, "bias": jnp.array([near])}}
    _, found = layer.apply(variables, method="bound", mutable=["exact"])
    moved = np.float64(found["exact"]["bias"][0]) * scale
    assert moved == pytest.approx(np.floor(rounded) - 0.45, abs=0.01)


def test_not_a_number_is_refused():
    layer, _, variables = _case()
    broken = jax.tree.map(lambda a: jnp.full_like(a, jnp.nan), variables)
    with pytest.raises(ValueError, match="exceed"):
        layer.apply(broken, method="bound")


def test_gradients_pass_straight_through():
    layer, x, variables = _case()
    gradient = jax.grad(lambda v: jnp.sum(layer.apply(v, x)))(variables)
    assert all(float(jnp.abs(a).sum()) > 0 for a in jax.tree.leaves(gradient))


def test_companding_keeps_small_integers_and_bounds_large_ones():
    x = jnp.arange(-(2**16), 2**16 + 1, dtype=jnp.float32)
    y = np.asarray(jax.jit(compand)(x))
    np.testing.assert_array_equal(y, np.round(y))
    np.testing.assert_array_equal(y[np.abs(x) <= 64], x[np.abs(x) <= 64])
    assert np.all(np.diff(y) >= 0) and np.abs(y).max() == 255
    # Rounding is half up, which is not odd: apart from halves it is.
    assert np.abs(y + y[::-1]).max() <= 1
    slopes = jax.vmap(jax.grad(compand))(jnp.array([3.0, 100.0, -1000.0, 9999.0]))
    np.testing.assert_allclose(slopes, [1, 1 / 4, 1 / 16, 0])


def test_sizes_are_whole_bounded_and_tell_small_integers_apart():
    x = jnp.arange(-(2**16), 2**16 + 1, dtype=jnp.float32)
    y = np.asarray(jax.jit(steep)(x))
    np.testing.assert_array_equal(y, np.round(y))
    np.testing.assert_array_equal(y, y[::-1])
    assert np.all(np.diff(y[2**16 :]) >= 0) and y.min() == 0 and y.max() == 255
    symbols = np.asarray(steep(16 * np.arange(5, dtype=np.float32)))
    np.testing.assert_array_equal(symbols, [0, 64, 80, 96, 112])
    np.testing.assert_array_equal(steep(np.asarray(x)), y)
    slopes = jax.vmap(jax.grad(steep))(jnp.array([3.0, -30.0, 100.0, -1000.0, 9999.0]))
    np.testing.assert_allclose(slopes, [4, -1, 1 / 4, -1 / 16, 0])


def test_linear_predictions_equal_integer_arithmetic():
    rng = np.random.default_rng(0)
    x = rng.integers(-(2**13), 2**13, (2, 5, 6, 4))
    kernel = rng.integers(-40, 40, (3, 3, 4, 3))
    layer = ExactLinear(3)
    variables = {"params": {"kernel": jnp.asarray(kernel / 128, jnp.float32)}}
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    total = sum(
        padded[:, i : i + 5, j : j + 6] @ kernel[i, j] for i in range(3) for j in range(3)
    )
    y = jax.jit(layer.apply)(variables, jnp.asarray(x, jnp.float32))
    np.testing.assert_array_equal(y, (total + 64) // 128)
    bound = layer.apply(variables, method="bound")
    assert np.abs(total).max() / 128 <= bound <= LIMIT


def test_linear_predictions_are_exact_where_the_whole_sum_is_no_float():
    kernel = jnp.full((3, 3, 16, 2), 1.5).at[0, 0, 0, 0].set(129 / 128)
    variables, layer = {"params": {"kernel": kernel}}, ExactLinear(2)
    rng = np.random.default_rng(0)
    x = (2**13 - rng.integers(1, 9, (1, 5, 6, 16))).astype(np.float32)
    y = np.asarray(jax.jit(layer.apply)(variables, jnp.asarray(x)))
    np.testing.assert_array_equal(y, layer.apply(variables, x))
    whole = np.floor(np.asarray(kernel, np.float64) * 128 + 0.5)
    total = (x[:, 1:4, 2:5].astype(np.float64)[0, ..., None] * whole).sum(axis=(0, 1, 2))
    assert total.max() > LIMIT
    np.testing.assert_array_equal(y[0, 2, 3], (total + 64) // 128)
    assert layer.apply(variables, method="bound") <= LIMIT


def test_linear_predictions_that_could_overflow_are_refused():
    heavy = {"params": {"kernel": jnp.full((3, 3, 128, 2), 1.99)}}
    with pytest.raises(ValueError, match="exceed 2\\*\\*24"):
        ExactLinear(2).apply(heavy, method="bound")


@pytest.mark.parametrize("algorithm", [winograd, fft])
def test_algorithms_whose_intermediates_are_no_integers_flip_no_output(monkeypatch, algorithm):
    rng = np.random.default_rng(0)
    layer = ExactConv(64, **LAYER)
    x = np.floor(np.abs(rng.laplace(scale=40, size=(2, 16, 20, 128)))).clip(0, 255)
    variables = layer.init(jax.random.key(1), x)
    kernel = np.floor(np.asarray(variables["params"]["kernel"]) * 256 + 0.5)
    sums = algorithm(x.astype(np.float32), kernel.astype(np.float32))
    exact = np.asarray(conv2d(jnp.asarray(x, jnp.float32), jnp.asarray(kernel)))
    error = np.abs(sums - exact).max()
    assert 1e-4 < error < 0.5  # It does err, but by less than a half.

    monkeypatch.setattr("jaxlic.nn.exact.conv2d", lambda *_, **__: jnp.asarray(sums))
    found = layer.apply(variables, jnp.asarray(x, jnp.float32))
    np.testing.assert_array_equal(found, _integer_reference(x, variables["params"]))
    # Without rounding the sums first, some outputs would have been others.
    unrounded = np.clip(np.floor(sums / 256 + 0.5), 0, 255)
    rounded = np.clip(np.floor(exact / 256 + 0.5), 0, 255)
    assert np.any(unrounded != rounded)


@pytest.mark.parametrize("algorithm", [winograd, fft])
def test_nor_do_they_flip_a_linear_prediction(monkeypatch, algorithm):
    rng = np.random.default_rng(1)
    x = rng.integers(-(2**13), 2**13, (2, 16, 20, 12)).astype(np.float32)
    kernel = rng.integers(-24, 24, (3, 3, 12, 9)).astype(np.float32)
    variables = {"params": {"kernel": jnp.asarray(kernel / 128)}}
    layer = ExactLinear(9)
    assert layer.apply(variables, method="bound") <= LIMIT
    errors = []

    def erring(x, kernel, **_):
        sums = algorithm(np.asarray(x), np.asarray(kernel))
        errors.append(np.abs(sums - np.asarray(conv2d(x, kernel))).max())
        return jnp.asarray(sums)

    monkeypatch.setattr("jaxlic.nn.exact.conv2d", erring)
    found = layer.apply(variables, jnp.asarray(x))
    np.testing.assert_array_equal(found, layer.apply(variables, x))
    assert all(0 < error < 0.5 for error in errors)


def test_a_gain_multiplies_each_channel_by_its_own_integer():
    gain = ExactGain(4)
    x = np.random.default_rng(0).integers(-3, 4, (1, 2, 2, 3)).astype(np.float32)
    params = {"params": {"factor": np.array([0.5, -1.03, 99.0], np.float32)}}
    found = gain.apply(params, x)
    np.testing.assert_array_equal(found, x * [8, -16, 255])
    np.testing.assert_array_equal(jax.jit(gain.apply)(params, jnp.asarray(x)), found)
