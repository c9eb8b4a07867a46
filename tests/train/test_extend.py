"""A codec's weights, carried over to the pyramid codec, do there what they did."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from jaxlic.codecs.hyperprior import MAX_LMBDA, MIN_LMBDA
from jaxlic.codecs.pyramid import LAMBDAS
from jaxlic.codecs.transform import transform_codec
from jaxlic.errors import Error
from jaxlic.models import Spec, build
from jaxlic.nn.pyramid import ANCHORS
from tests.codecs.test_contract import SMALL
from tests.conftest import TINY
from tests.random_params import random_params
from train.extend import extended, flatten, narrowed, nearest

GROWN = {**SMALL["pyramid.lapped"], "error_price": 10.0, "magnitudes": False}


def _quality(lmbda, low, high):
    return jnp.full(1, 1 + 99 * np.log(lmbda / low) / np.log(high / low))


def test_latents_and_images_at_the_same_lambda_are_as_before():
    old, new = build(TINY), build(Spec("pyramid.lapped", GROWN))
    x = jax.random.uniform(jax.random.key(0), (1, 64, 64, 3))
    before = random_params(transform_codec(old).init, x, jax.random.key(1), scale=0.05)
    fresh = transform_codec(new).init(x, jax.random.key(2))
    after = unflatten_dict(extended(flatten(before), flatten(fresh), new), sep="/")
    for lmbda in (0.0015, 0.011, 0.15):
        q, p = _quality(lmbda, MIN_LMBDA, MAX_LMBDA), _quality(lmbda, *LAMBDAS)
        expected = old.apply(before, x, q, method="analysis")
        y = new.apply(after, x, p, method="analysis")
        np.testing.assert_allclose(y[..., :16], expected, rtol=1e-3, atol=1e-3)
        # The model of the latent, too, but for rounding, and at the border.
        z = jnp.round(3 * jax.random.normal(jax.random.key(3), (1, 5, 5, 96)))
        models = [
            module.apply(params, z, quality, method=lambda m, *a: m.hyper_synthesis(*a)[0])
            for module, params, quality in ((old, before, q), (new, after, p))
        ]
        middle = np.s_[:, 8:12, 8:12, :16]
        difference = models[1].indexes[middle] - models[0].indexes[middle]
        assert np.abs(difference).max() <= 3
        difference = models[1].offset[middle] - models[0].offset[middle]
        assert np.abs(difference).max() <= 0.5


def test_latents_that_are_new_take_after_neighbours_of_their_colour():
    like = nearest(16, 48, 16)
    np.testing.assert_array_equal(like[:16], np.arange(16))
    assert like.max() < 16


def test_a_narrower_start_has_the_first_columns():
    start = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(4), "c": np.ones((3, 3))}
    fresh = {"a": np.zeros((2, 2)), "b": np.zeros(4), "c": np.zeros((2, 3)), "d": np.zeros(1)}
    found = narrowed(start, fresh)
    np.testing.assert_array_equal(found["a"], [[0, 1], [3, 4]])
    np.testing.assert_array_equal(found["b"], start["b"])
    assert found["c"] is fresh["c"] and found["d"] is fresh["d"]
    with pytest.raises(Error, match="no array in common"):
        narrowed({"x": np.ones(1)}, fresh)


def test_a_start_with_fewer_blocks_has_the_last():
    block = "params/synthesis_transform/ResidualBlock_{}/Conv_0/bias"
    other = "params/analysis_transform/ResidualBlock_{}/Conv_0/bias"
    start = {name.format(k): np.full(2, k) for name in (block, other) for k in range(4)}
    fresh = {block.format(k): np.zeros(2) for k in range(2)}
    fresh |= {other.format(k): np.zeros(2) for k in range(4)}
    found = narrowed(start, fresh)
    assert [found[block.format(k)][0] for k in range(2)] == [2, 3]
    assert [found[other.format(k)][0] for k in range(4)] == [0, 1, 2, 3]


def test_what_cannot_be_extended_is_said():
    new = build(Spec("pyramid.lapped", GROWN))
    for gains in ({}, {"params/gain/log_gain": np.zeros((ANCHORS, 16))}):
        with pytest.raises(Error, match="base, dkic"):
            extended(gains, {}, new)
