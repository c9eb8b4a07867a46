"""A fine plane: what it is predicted from, and that its integers are the same everywhere."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.entropy.coder import Estimator
from jaxlic.entropy.models import IndexedGaussian
from jaxlic.entropy.refinement import FINER, Decoded, PlaneRefinement
from jaxlic.ops import quantisation
from tests.random_params import random_params

PLANE = PlaneRefinement((2, 3), hidden=6)
SHAPE = (1, 4, 6, 5)
QUALITY = np.array([40.0], np.float32)


def _case():
    """What is known of a coarse latent, and features, as arrays of NumPy."""
    rng = np.random.default_rng(0)
    offset = (rng.integers(-40, 40, SHAPE) / 16).astype(np.float32)
    indexes = rng.integers(0, 64, SHAPE).astype(np.float32)
    steps = rng.integers(-2, 3, SHAPE).astype(np.float32)
    features = rng.integers(0, 256, (1, 4, 6, 7)).astype(np.float32)
    return Decoded(offset + steps, steps, IndexedGaussian(offset, indexes)), features


@pytest.fixture(scope="module")
def params():
    def init(key):
        return PLANE.init(key, *_case(), QUALITY)

    return random_params(init, jax.random.key(0), scale=0.3)


def _nearest(name, left, plane, size=None):
    return plane.offset + quantisation.round_ste(left - plane.offset)


def test_on_the_host_and_traced_it_is_the_same_integers(params):
    host = PLANE.apply(params, *_case(), QUALITY)
    traced = jax.jit(PLANE.apply)(params, *jax.tree.map(jnp.asarray, _case()), QUALITY)
    np.testing.assert_array_equal(host.offset, traced.offset)
    np.testing.assert_array_equal(host.indexes, traced.indexes)
    assert host.table == "refinement"
    np.testing.assert_array_equal(16 * host.offset, np.rint(16 * host.offset))
    zero = _case()[0].steps == 0
    assert host.indexes[zero].min() >= 0 and host.indexes[zero].max() <= 63
    assert host.indexes[~zero].min() >= 64 and host.indexes[~zero].max() <= 127


def test_untrained_a_zero_is_as_wide_as_before_and_others_are_halved():
    coarse, features = _case()
    params = PLANE.init(jax.random.key(0), coarse, features, QUALITY)
    found = PLANE.apply(params, coarse, features, QUALITY)
    zero = coarse.steps == 0
    assert not np.any(found.offset[zero])
    wider = np.minimum(coarse.model.indexes[zero] + 6, 16)
    np.testing.assert_array_equal(found.indexes[zero], wider)
    np.testing.assert_array_equal(found.indexes[~zero], 64 + 8)
    # The lower half lies nearer to zero, by a little more where the latent was there before.
    lower = found.offset[~zero]
    np.testing.assert_allclose(lower, np.where(abs(coarse.steps[~zero]) == 1, -5, -7) / 16)
    np.testing.assert_array_equal(found.centre, np.where(zero, 0, 0.5))


def test_the_groups_code_what_is_left(params):
    coarse, features = _case()
    noise = np.random.default_rng(1).uniform(-1.5, 1.5, SHAPE).astype("f4")
    y, seen = FINER * coarse.y_hat + noise, {}

    def coder(name, left, plane, size=None):
        seen[name] = left.shape[-1]
        return _nearest(name, left, plane)

    found = PLANE.apply(params, y, coder, coarse, features, QUALITY, None, 7, method="code")
    assert seen == {"r7": 2, "r8": 3}
    assert np.abs(found.y_hat - y).max() <= 0.5 + 1e-4
    # Steps are counted on: from where the latent was predicted, in steps of this plane.
    np.testing.assert_array_equal(found.steps, np.rint(found.steps))
    side = np.where(coarse.steps < 0, -1, 1)
    left = found.y_hat - FINER * coarse.y_hat - side * found.model.offset
    np.testing.assert_allclose(found.steps, FINER * coarse.steps + left, atol=1e-4)


def test_two_planes_give_the_same_integers_on_the_host_and_traced(params):
    coarse, features = _case()
    noise = np.random.default_rng(2).uniform(-3, 3, SHAPE).astype("f4")
    y = FINER * FINER * coarse.y_hat + noise

    def both(coarse, y, features, quality):
        # Now and then two integers away, so that steps come back to zero.
        def coder(name, left, plane, size=None):
            return _nearest(name, left, plane) - 2.0 * (left < -2.5)

        known = coarse
        for steps, first in ((y / FINER, 0), (y, 2)):
            known = PLANE.apply(
                params, steps, coder, known, features, quality, None, first, method="code"
            )
        return known

    host = both(coarse, y, features, QUALITY)
    traced = jax.jit(both)(*jax.tree.map(jnp.asarray, (coarse, y, features, QUALITY)))
    for a, b in zip(jax.tree.leaves(host), jax.tree.leaves(traced), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(host.steps, np.rint(host.steps))
    assert np.any((host.steps == 0) & (coarse.steps != 0))


def test_gradients_reach_where_halves_are(params):
    coarse, features = jax.tree.map(jnp.asarray, _case())
    noise = jax.random.uniform(jax.random.key(3), SHAPE, minval=-1.5, maxval=1.5)

    def cost(params):
        coder = Estimator(quantisation.split, jax.random.key(4))
        y = FINER * coarse.y_hat + noise
        found = PLANE.apply(params, y, coder, coarse, features, QUALITY, method="code")
        bits = sum(jnp.sum(b) for b in coder.bits.values())
        return bits + jnp.sum(jnp.square(found.y_hat - y))

    slopes = jax.grad(cost)(params)["params"]
    for name in ("near", "far", "half_index"):
        assert float(jnp.abs(slopes[name]["factor"]).sum()) > 0, name


def test_what_is_below_zero_is_coded_as_what_is_above(params):
    coarse, features = _case()
    params = PLANE.init(jax.random.key(0), coarse, features, QUALITY)
    other = Decoded(
        -coarse.y_hat,
        -coarse.steps,
        dataclasses.replace(coarse.model, offset=-coarse.model.offset),
    )
    noise = np.random.default_rng(1).uniform(-1.0, 1.0, SHAPE).astype("f4")
    seen = []

    def coder(name, left, plane, size=None):
        answers = _nearest(name, left, plane)
        seen.append(answers - plane.offset)
        return answers

    for sign, known in ((1, coarse), (-1, other)):
        y = FINER * known.y_hat + sign * noise
        PLANE.apply(params, y, coder, known, features, QUALITY, method="code")
    there = [coarse.steps[..., :2] != 0, coarse.steps[..., 2:] != 0]
    for first, second, part in zip(seen[:2], seen[2:], there, strict=True):
        np.testing.assert_allclose(first[part], second[part], atol=1e-5)
        assert set(np.rint(first[part])) <= {-1.0, 0.0, 1.0, 2.0} and np.any(first[part] > 0)


def test_a_plane_that_is_not_there_is_between_the_halves(params):
    coarse, features = _case()

    def coder(name, left, plane, size=None):
        return plane.offset + plane.centre

    nothing = np.full(SHAPE, np.nan, np.float32)
    found = PLANE.apply(params, nothing, coder, coarse, features, QUALITY, method="code")
    np.testing.assert_array_equal(found.steps, FINER * coarse.steps)
    side = np.where(coarse.steps < 0, -1, 1)
    middle = found.y_hat - FINER * coarse.y_hat - side * found.model.offset
    np.testing.assert_allclose(middle, np.sign(coarse.steps) / 2, atol=1e-4)


def test_its_sums_are_proved_exact(params):
    assert 0 < PLANE.apply(params, method="bound") < 2**24
