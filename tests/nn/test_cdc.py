"""The published networks: their size, and what our windows promise."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.models import Spec, assemble
from jaxlic.nn.cdc import CdcAnalysis, CdcUNet, ContextDecoder, _Attention
from tests.random_params import random_params

ONE = jnp.ones(1)


def _count(tree):
    return sum(a.size for a in jax.tree.leaves(tree))


@pytest.fixture(scope="module")
def parts():
    """Shapes of the parameters of the whole, by part."""
    codec = assemble(Spec("refined.cdc", {}))
    key = jax.random.key(0)
    return jax.eval_shape(lambda: codec.init(jnp.zeros((1, 64, 64, 3)), key))["params"]


def test_sizes_are_those_published(parts):
    """Those of CDC's code: 3.05, 8.32, 2.40 and 40.1 million, 53.9 in all."""
    unet = {**parts["refiner"]}
    context = unet.pop("context")
    hyper = {n: parts[n] for n in ("hyper_analysis", "hyper_synthesis", "prior")}
    found = parts["analysis_transform"], hyper, context, unet
    for tree, millions in zip(found, (3.05, 8.32, 2.40, 40.1), strict=True):
        assert _count(tree) == pytest.approx(millions * 1e6, rel=0.01)
    assert sum(map(_count, found)) == pytest.approx(53.9e6, rel=0.01)


def test_widths_and_scales():
    y = jnp.zeros((1, 2, 3, 8))
    context = jax.eval_shape(lambda: ContextDecoder().init_with_output(jax.random.key(0), y))[0]
    assert [a.shape[1:] for a in context] == [
        (32, 48, 64), (16, 24, 64), (8, 12, 128), (4, 6, 192),
    ]  # fmt: skip
    image = jnp.zeros((1, 32, 48, 3))
    latent = jax.eval_shape(
        lambda: CdcAnalysis().init_with_output(jax.random.key(0), image, ONE)
    )[0]
    assert latent.shape == (1, 2, 3, 256)


def test_attention_stays_in_its_window_and_out_of_what_is_not_there():
    module = _Attention(4)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 10, 6, 8)).astype(np.float32)
    params = random_params(lambda key: module.init(key, x, None), jax.random.key(0), scale=1.0)
    y = module.apply(params, x, None)
    moved = x.copy()
    moved[:, 4:8, :4] += 1
    other = np.abs(module.apply(params, moved, None) - y).max(axis=(0, 3)) > 1e-6
    expected = np.zeros((10, 6), bool)
    expected[4:8, :4] = True
    np.testing.assert_array_equal(other, expected)
    # The valid part of a buffer is what it is alone.
    alone = module.apply(params, x[:, :7, :5], None)
    inside = module.apply(params, x, jnp.array([7, 5]))[:, :7, :5]
    np.testing.assert_allclose(inside, alone, rtol=1e-4, atol=1e-4)


def test_the_whole_in_a_buffer_is_what_it_is_alone():
    module = CdcUNet(widths=(4, 4, 4, 4, 4, 4), context=(4, 4, 4, 4))
    rng = np.random.default_rng(1)
    z, x_hat = (rng.normal(size=(1, 64, 64, 3)).astype(np.float32) for _ in range(2))
    y_hat = rng.normal(size=(1, 4, 4, 6)).astype(np.float32)

    @functools.partial(jax.jit, static_argnums=1)
    def apply(params, n, size):
        arrays = z[:, :n], ONE, x_hat[:, :n], y_hat[:, : n // 16]
        return module.apply(params, *arrays, ONE, ONE, size)

    params = random_params(
        lambda key: module.init(key, z, ONE, x_hat, y_hat, ONE, ONE),
        jax.random.key(0),
        scale=0.2,
    )
    alone = apply(params, 32, None)
    assert np.abs(alone).max() > 1e-3
    inside = apply(params, 64, jnp.array([32, 64]))[:, :32]
    np.testing.assert_allclose(inside, alone, atol=1e-4)
