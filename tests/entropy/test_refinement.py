"""A fine plane: what it is predicted from, and that its integers are the same everywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.entropy.models import IndexedGaussian
from jaxlic.entropy.refinement import CELLS, PlaneRefinement
from tests.random_params import random_params

PLANE = PlaneRefinement((2, 3), hidden=6)
SHAPE = (1, 4, 6, 5)
QUALITY = np.array([40.0], np.float32)


def _case():
    """Coarse latents, what they were coded with, and features, as arrays of NumPy."""
    rng = np.random.default_rng(0)
    offset = (rng.integers(-40, 40, SHAPE) / 16).astype(np.float32)
    indexes = rng.integers(0, 64, SHAPE).astype(np.float32)
    symbols = rng.integers(-2, 3, SHAPE).astype(np.float32)
    features = rng.integers(0, 256, (1, 4, 6, 7)).astype(np.float32)
    return offset + symbols, IndexedGaussian(offset, indexes), features


@pytest.fixture(scope="module")
def params():
    def init(key):
        return PLANE.init(key, *_case(), QUALITY)

    return random_params(init, jax.random.key(0), scale=0.3)


def test_on_the_host_and_traced_it_is_the_same_integers(params):
    host = PLANE.apply(params, *_case(), QUALITY)
    traced = jax.jit(PLANE.apply)(params, *jax.tree.map(jnp.asarray, _case()), QUALITY)
    np.testing.assert_array_equal(host.offset, traced.offset)
    np.testing.assert_array_equal(host.indexes, traced.indexes)
    assert host.table == "refinement"
    np.testing.assert_array_equal(16 * host.offset, np.rint(16 * host.offset))
    assert host.indexes.min() >= 0 and host.indexes.max() <= 63


def test_untrained_a_zero_is_as_wide_as_before_and_others_are_wider():
    coarse, model, features = _case()
    params = PLANE.init(jax.random.key(0), coarse, model, features, QUALITY)
    found = PLANE.apply(params, coarse, model, features, QUALITY)
    zero = coarse == model.offset
    assert not np.any(found.offset)
    np.testing.assert_array_equal(found.indexes[zero], np.minimum(model.indexes[zero] + 9, 17))
    assert found.indexes[~zero].min() >= 8 and found.indexes.max() <= 17


def test_the_groups_code_what_is_left(params):
    coarse, model, features = _case()
    y = CELLS * coarse + np.random.default_rng(1).uniform(-1.5, 1.5, SHAPE).astype("f4")
    seen = {}

    def coder(name, left, plane, size=None):
        seen[name] = left.shape[-1]
        return plane.offset + np.floor(left - plane.offset + 0.5)

    found = PLANE.apply(params, y, coder, coarse, model, features, QUALITY, method="code")
    assert seen == {"r0": 2, "r1": 3}
    assert np.abs(found - y).max() <= 0.5 + 1e-4


def test_its_sums_are_proved_exact(params):
    assert 0 < PLANE.apply(params, method="bound") < 2**24
