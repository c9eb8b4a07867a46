"""What was decoded already predicts what comes next, and nothing else does."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.entropy.coder import Estimator
from jaxlic.entropy.context import PHASES, SpatialChannelContext
from jaxlic.entropy.models import IndexedGaussian
from jaxlic.ops import quantisation
from tests.random_params import random_params

CONTEXT = SpatialChannelContext((2, 3, 4), (4, 2, 2), summary=5, hidden=6, magnitudes=True)
SHAPE = (1, 8, 12, 9)
QUALITY = jnp.array([40.0])


def _case():
    """A latent with its hyperprior's model and features, all on their grids."""
    rng = np.random.default_rng(0)
    y = jnp.asarray(rng.normal(scale=4, size=SHAPE), jnp.float32)
    mean = jnp.asarray(np.round(16 * rng.normal(size=SHAPE)) / 16, jnp.float32)
    index = jnp.asarray(rng.integers(0, 64, SHAPE), jnp.float32)
    features = jnp.asarray(rng.integers(0, 256, (1, 8, 12, 7)), jnp.float32)
    return y, IndexedGaussian(mean, index), features


def _code(module, y, coder, model, features, size=None):
    return module.code(y, coder, model, features, QUALITY, size)


def _estimate(name, y, model, size=None):
    return quantisation.hard(y, model.offset, None).y_hat


@pytest.fixture(scope="module")
def params():
    def init(key):
        return CONTEXT.init(key, _case()[0], _estimate, *_case()[1:], method=_code)

    return random_params(init, jax.random.key(0), scale=0.1)


def _run(params, y, coder):
    return CONTEXT.apply(params, y, coder, *_case()[1:], method=_code)


def test_every_element_is_coded_once_and_comes_back_to_its_place(params):
    y = _case()[0]
    counted = jnp.arange(y.size, dtype=jnp.float32).reshape(SHAPE)
    seen = []

    def coder(name, y, model, size=None):
        seen.extend(np.asarray(y).ravel().tolist())
        return y

    np.testing.assert_array_equal(_run(params, counted, coder), counted)
    assert sorted(seen) == list(range(y.size))


def test_numpy_and_jax_agree_to_the_bit(params):
    y, model, features = _case()
    host = (np.asarray(y), jax.tree.map(np.asarray, model), np.asarray(features))

    def run(params, y, model, features, quality):
        module = functools.partial(CONTEXT.apply, params, method="code")
        return module(y, _estimate, model, features, quality)

    there = jax.jit(run)(params, y, model, features, QUALITY)
    here = run(params, host[0], host[1], host[2], np.asarray(QUALITY))
    assert isinstance(here, np.ndarray) and here.dtype == np.float32
    np.testing.assert_array_equal(here, there)


def test_the_steps_are_those_of_the_schedule(params):
    names = []

    def coder(name, y, model, size=None):
        names.append((name, y.shape[-1]))
        return y

    _run(params, _case()[0], coder)
    assert names == list(
        zip([f"y{k}" for k in range(8)], [2, 2, 2, 2, 6, 6, 8, 8], strict=True)
    )


def test_untrained_it_is_the_hyperprior():
    y, model, features = _case()
    coder = Estimator(quantisation.hard, jax.random.key(0))
    plain = CONTEXT.clone(correlation=0.0)
    y_hat, _ = plain.init_with_output(
        jax.random.key(1), y, coder, model, features, method=_code
    )
    one = Estimator(quantisation.hard, jax.random.key(0))
    np.testing.assert_array_equal(y_hat, one("y", y, model))
    np.testing.assert_allclose(sum(coder.bits.values()), one.bits["y"], rtol=1e-5)


def test_no_prediction_depends_on_what_is_not_decoded_yet(params):
    """The gradient of step k's model reaches steps before k, and no others."""
    y = _case()[0]

    def moment(y, k):
        """Something of the k-th distribution, through straight-through rounding."""
        out = []

        def coder(name, y, model, size=None):
            out.append(jnp.sum(jnp.sin(model.offset) + jnp.sin(model.indexes)))
            return quantisation.hard(y, model.offset, None).y_hat

        _run(params, y, coder)
        return out[k]

    slots = CONTEXT.slots
    for k in range(len(slots)):
        reached = jax.grad(moment)(y, k) != 0
        for j, slot in enumerate(slots):
            assert bool(slot.take(reached).any()) == (j < k), (k, j)


def test_means_and_indexes_stay_on_their_grids(params):
    def coder(name, y, model, size=None):
        np.testing.assert_array_equal(16 * model.offset, jnp.round(16 * model.offset))
        np.testing.assert_array_equal(model.indexes, jnp.clip(jnp.round(model.indexes), 0, 63))
        return _estimate(name, y, model)

    _run(params, _case()[0], coder)


def test_a_padded_latent_gives_the_same_inside(params):
    y, model, features = _case()
    size = jnp.array([4, 8])

    def cut(a):
        return jax.tree.map(lambda a: a[:, :4, :8], a)

    def recorded(y, model, features, size):
        seen = []

        def coder(name, y, model, size=None):
            seen.append(model)
            return _estimate(name, y, model) if size is None else _cleared(name, y, model, size)

        CONTEXT.apply(params, y, coder, model, features, size, method=_code)
        return seen

    def _cleared(name, y, model, size):
        """As a `Writer` does: zero beyond the valid part."""
        rows, columns = (jnp.arange(n) for n in y.shape[1:3])
        valid = (rows[:, None] < size[0]) & (columns < size[1])
        return jnp.where(valid[..., None], _estimate(name, y, model), 0)

    alone = recorded(cut(y), cut(model), cut(features), None)
    padded = recorded(y, model, features, size)
    for a, b in zip(alone, padded, strict=True):
        np.testing.assert_array_equal(a.offset, b.offset[:, :2, :4])
        np.testing.assert_array_equal(a.indexes, b.indexes[:, :2, :4])


def test_its_sums_are_proved_exact(params):
    assert 0 < CONTEXT.apply(params, method="bound") < 2**24


def test_phases_cover_a_cell():
    for steps in PHASES.values():
        assert sorted(p for phases in steps for p in phases) == [0, 1, 2, 3]


def test_untrained_it_predicts_smooth_low_frequencies_from_their_neighbours():
    """Of a plane, all but the first quarter of the positions is predicted nearly."""
    _, model, features = _case()
    rows, columns = np.indices((8, 12))
    y = jnp.asarray(np.broadcast_to((5 * rows + 3 * columns)[None, ..., None], SHAPE) + 100.0)
    model = model.replace(offset=jnp.full(SHAPE, 90.0))
    errors = []

    def coder(name, y, model, size=None):
        errors.append(float(jnp.abs(y - model.offset)[:, 1:-1, 1:-1].mean()))
        return quantisation.hard(y, model.offset, None).y_hat

    CONTEXT.init_with_output(jax.random.key(1), y, coder, model, features, method=_code)
    assert max(errors[1:4]) < 0.2 * errors[0]
