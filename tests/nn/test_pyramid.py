import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.nn.pyramid import Ascent, PyramidAnalysis, PyramidSynthesis, completed
from jaxlic.nn.restoration import Restoration
from jaxlic.nn.transforms import LappedAnalysis, LappedSynthesis
from jaxlic.ops.lapped import lapped_kernel, merge_kernel
from tests.random_params import random_params

X = jax.random.uniform(jax.random.key(0), (2, 64, 96, 3))
QUALITY = jnp.array([20.0, 70.0])
SMALL = dict(features=16, latents=48, learned=(8, 16), hidden=8, blocks=(1, 1))
PYRAMID = dict(widths=(8, 8, 8), depths=(1, 1, 1))
SMALLER = dict(features=8, latents=16, hidden=8, blocks=(1, 1))


def test_the_analysis_starts_as_the_lapped_one():
    y, _ = PyramidAnalysis(**SMALL, **PYRAMID).init_with_output(jax.random.key(1), X, QUALITY)
    lapped, _ = LappedAnalysis(**SMALLER).init_with_output(jax.random.key(1), X, QUALITY)
    np.testing.assert_allclose(y[..., :16], lapped, atol=1e-5)
    assert y.shape == (2, 4, 6, 48)


def test_the_synthesis_starts_as_the_lapped_one():
    y = jax.random.normal(jax.random.key(0), (2, 4, 6, 48)).at[..., 16:].set(0)
    thresholds = dict(deband=(1.0, 0.1))
    module = PyramidSynthesis(**SMALL, **PYRAMID, **thresholds)
    x, _ = module.init_with_output(jax.random.key(1), y, QUALITY)
    module = LappedSynthesis(**SMALLER, **thresholds)
    lapped, _ = module.init_with_output(jax.random.key(1), y[..., :16], QUALITY)
    np.testing.assert_allclose(x, lapped, atol=1e-5)


def test_the_whole_basis_loses_nothing_but_at_the_border():
    settings = dict(blocks=(0, 0))
    y, _ = PyramidAnalysis(**settings, widths=()).init_with_output(
        jax.random.key(1), X, QUALITY
    )
    module = PyramidSynthesis(**settings, widths=(0, 4, 0), deband=(1e-6, 1e-6))
    x, _ = module.init_with_output(jax.random.key(1), y, QUALITY)
    inside = slice(8, -8)
    np.testing.assert_allclose(x[:, inside, inside], X[:, inside, inside], atol=1e-4)


def test_the_fixed_part_completes_the_start_to_an_orthonormal_basis():
    kernel, merge = completed(lapped_kernel(24), merge_kernel(24, 40), 64, 200)
    assert kernel.shape == (2, 2, 192, 64) and merge.shape == (256, 200)
    flat = np.asarray(kernel).reshape(-1, 64)
    np.testing.assert_allclose(flat.T @ flat, np.eye(64), atol=1e-5)
    np.testing.assert_allclose(merge.T @ merge, np.eye(200), atol=1e-5)


@pytest.mark.parametrize("widths", [(8, 8, 8), ()])
def test_analysis_of_a_padded_window_is_that_of_the_valid_part(widths):
    module = PyramidAnalysis(**SMALL, widths=widths, depths=(1, 1, 1))
    variables = random_params(module.init, jax.random.key(1), X, QUALITY, scale=0.2)
    alone = module.apply(variables, X[:, :32, :64], QUALITY)
    padded = module.apply(variables, X, QUALITY, jnp.array([32, 64]))
    np.testing.assert_allclose(padded[:, :2, :4], alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("widths", [(8, 8, 8), (0, 8, 8), (8, 8, 0)])
def test_synthesis_of_a_padded_window_is_that_of_the_valid_part(widths):
    module = PyramidSynthesis(**SMALL, widths=widths, depths=(1, 1, 1))
    y = jax.random.normal(jax.random.key(2), (2, 4, 6, 48))
    variables = random_params(module.init, jax.random.key(1), y, QUALITY, scale=0.1)
    alone = module.apply(variables, y[:, :2, :4], QUALITY)
    padded = module.apply(variables, y, QUALITY, jnp.array([32, 64]))
    np.testing.assert_allclose(padded[:, :32, :64], alone, rtol=1e-3, atol=1e-3)


def test_the_quarter_alone_is_the_restoration():
    error = (10.0, 1.5)
    module = Restoration(8, 8, 1, error=error)
    variables = random_params(module.init, jax.random.key(1), X, QUALITY, scale=0.2)

    def with_anchors(number):  # Of gains that are the same at every quality.
        def constant(path, a):
            return jnp.tile(a[:1], (number, 1)) if "log_gain" in str(path) else a

        return jax.tree_util.tree_map_with_path(constant, variables)

    expected = module.apply(with_anchors(7), X, QUALITY)
    restored = Ascent((0, 8), (0, 1), error).apply(with_anchors(10), X, None, QUALITY)
    np.testing.assert_allclose(restored, expected, atol=1e-5)
