import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.entropy.coder import Estimator
from jaxlic.entropy.detail import MEAN, SAMPLERS, Detail, Drawn, Kept, Masked
from jaxlic.entropy.models import IndexedGaussian, scale_table
from jaxlic.entropy.tables import gaussian_tables
from jaxlic.ops import quantisation

TABLES = gaussian_tables()
HALVES = gaussian_tables(halves=True)


def test_draws_are_a_function_of_seed_member_tile_and_place():
    rows = np.full((1, 5, 7, 3), 40, np.int32)
    base = Detail(seed=1).draw(TABLES, rows, 2)
    assert base.shape == rows.shape and base.dtype == np.float32
    np.testing.assert_array_equal(base, Detail(seed=1).draw(TABLES, rows, 2))
    others = [
        Detail(seed=2).draw(TABLES, rows, 2),
        Detail(seed=1, member=1).draw(TABLES, rows, 2),
        Detail(seed=1, tile=1).draw(TABLES, rows, 2),
        Detail(seed=1).draw(TABLES, rows, 3),
    ]
    for other in others:
        assert np.mean(other != base) > 0.5


def test_golden_draws():
    """The integers of every machine and release: change them, and old files look otherwise."""
    rows = np.array([0, 10, 20, 30, 40, 50, 60, 63, 64, 72, 80, 96])
    found = {
        name: Detail(name, 2**40 + 5, 3, 1).draw(HALVES, rows, 4).tolist() for name in SAMPLERS
    }
    assert found["mean"] == [0] * 8 + [0.5] * 4
    assert found == GOLDEN


GOLDEN = {
    "mean": [0, 0, 0, 0, 0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5],
    "uniform": [0, 1, 0, 2, -10, -15, -282, -368, 0, 0, 1, 9],
    "gaussian": [0, 1, 0, 1, -8, -11, -281, -321, 0, 0, 1, 8],
}


@pytest.mark.parametrize("sampler", ["uniform", "gaussian"])
@pytest.mark.parametrize("row", [20, 40, 60])
def test_drawn_integers_have_the_energy_of_their_row(sampler, row):
    drawn = Detail(sampler).draw(TABLES, np.full(40_000, row), 0).astype(float)
    scale = scale_table()[row]
    assert abs(drawn.mean()) < 0.05 * max(scale, 0.5)
    np.testing.assert_allclose(drawn.var(), scale**2 + 1 / 12, rtol=0.12)


@pytest.mark.parametrize("sampler", ["uniform", "gaussian"])
@pytest.mark.parametrize("row", [8, 20, 40])
def test_drawn_halves_lie_around_a_half(sampler, row):
    drawn = Detail(sampler).draw(HALVES, np.full(40_000, 64 + row), 0).astype(float)
    scale = scale_table()[row]
    assert abs(drawn.mean() - 0.5) < 0.05 * max(scale, 0.5)
    np.testing.assert_allclose(drawn.var(), scale**2 + 1 / 12, rtol=0.12, atol=0.1)
    plain = Detail(sampler).draw(TABLES, np.full(100, row), 0)
    np.testing.assert_array_equal(plain, Detail(sampler).draw(HALVES, np.full(100, row), 0))


@pytest.mark.parametrize("sampler", ["uniform", "gaussian"])
def test_the_narrowest_row_draws_no_outliers(sampler):
    assert not Detail(sampler).draw(TABLES, np.zeros(100_000, int), 0).any()


def test_on_the_host_the_latent_is_mean_and_integer():
    mean = np.full((1, 2, 2, 3), 0.25, np.float32)
    model = IndexedGaussian(mean, np.full((1, 2, 2, 3), 50.0, np.float32))
    y = Drawn(Detail(), {"gaussian": TABLES}, {"y": 0})("y", np.full_like(mean, np.nan), model)
    np.testing.assert_array_equal(y - 0.25, np.rint(y - 0.25))
    assert np.any(y != 0.25)


def test_the_mean_of_what_is_halved_is_between_the_halves():
    shape, rows = (1, 2, 2, 2), np.array([20, 64 + 8], np.float32)
    offset, halves = np.full(shape, 0.25, np.float32), np.array([0, 1], np.float32)
    model = IndexedGaussian(offset, rows, halves, table="refinement")
    drawn = Drawn(MEAN, {"refinement": HALVES}, {"y": 0})
    y = drawn("y", np.full(shape, np.nan, np.float32), model)
    np.testing.assert_array_equal(y, np.broadcast_to([0.25, 0.75], shape))


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_in_training_halves_are_drawn_as_in_files(spread):
    y, halves = jnp.zeros((4, 64, 64, 1)), jnp.ones((4, 64, 64, 1))
    model = IndexedGaussian(y + 0.25, 72 * halves, halves)
    key, sent = jax.random.key(0), jnp.ones(4)
    masked = Masked({"y": 1}, sent, {"y": y}, key, jnp.full(4, spread))
    found = np.asarray(masked("y", y, model)) - 0.25
    assert set(np.unique(found)) == ({0.5} if spread == 0 else {-1.0, 0.0, 1.0, 2.0})
    assert found.mean() == pytest.approx(0.5, abs=0.02)


def test_in_training_what_is_sent_stays_and_no_gradient_reaches_what_is_drawn():
    y = jnp.arange(24.0).reshape(2, 2, 2, 3)

    def run(mean, index):
        kept = Kept(Estimator(quantisation.hard, jax.random.key(0)))
        model = IndexedGaussian(mean, index)
        first = kept("y0", y, model), kept("y1", y, model)
        level = jnp.array([1, 2])
        masked = Masked({"y0": 0, "y1": 1}, level, kept.answers, jax.random.key(1), jnp.ones(2))
        return first, (masked("y0", y, model), masked("y1", y, model))

    mean, index = jnp.full(y.shape, 0.5), jnp.full(y.shape, 40.0)
    first, drawn = run(mean, index)
    np.testing.assert_array_equal(drawn[0], first[0])
    np.testing.assert_array_equal(drawn[1][1], first[1][1])
    assert np.any(drawn[1][0] != first[1][0])
    slope = jax.grad(lambda m: jnp.sum(run(m, index)[1][1][0]))(mean)
    assert not np.any(slope)
