import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.entropy.coder import Writer
from jaxlic.entropy.ledger import HYPER, Given, Ledger
from jaxlic.entropy.models import IndexedGaussian
from jaxlic.entropy.range_coder import CONSTRICTION
from jaxlic.entropy.tables import gaussian_tables

TABLES = {"gaussian": gaussian_tables()}


def _case(price=0.0):
    keys = jax.random.split(jax.random.key(0), 3)
    shape = (1, 16, 12, 8)
    mean = jnp.round(16 * jax.random.normal(keys[0], shape)) / 16
    indexes = jnp.floor(jax.random.uniform(keys[1], shape, maxval=64))
    return 2 * jax.random.normal(keys[2], shape), IndexedGaussian(mean, indexes, price=price)


def test_a_ledger_rounds_as_a_writer_and_counts_its_bits():
    y, model = _case(price=8.0)
    encoder, ledger, size = CONSTRICTION.encoder(TABLES), Ledger(TABLES), jnp.array([14, 12])
    written = Writer(encoder, TABLES)("y", y, model, size)
    np.testing.assert_array_equal(ledger("y", y, model, size), written)
    entry = ledger.entries["y"]
    np.testing.assert_array_equal(entry.y_hat, written[0, :14])
    np.testing.assert_array_equal(entry.asked, y[0, :14])
    assert abs(8 * len(encoder.finish()) - entry.bits.sum()) < 0.01 * entry.bits.sum() + 64


def test_a_ledger_knows_what_one_more_and_one_less_would_cost():
    y, model = _case()
    ledgers = [Ledger(TABLES) for _ in range(3)]
    here, more, less = (
        ledger("y", y + step, model) is not None and ledger.entries["y"]
        for ledger, step in zip(ledgers, (0, 1, -1), strict=True)
    )
    np.testing.assert_allclose(here.bits + here.up, more.bits, atol=1e-4)
    np.testing.assert_allclose(here.bits + here.down, less.bits, atol=1e-4)


def test_what_is_given_is_coded_and_not_weighed_again():
    y, model = _case(price=8.0)
    nearest = Ledger(TABLES)("y", y, model.replace(price=0.0))
    other = np.asarray(nearest[0] + 3)
    np.testing.assert_array_equal(Given(Ledger(TABLES), {})("y", y, model), nearest)
    weighed = Given(Ledger(TABLES), {}, price=8.0)("y", y, model)
    np.testing.assert_array_equal(weighed, Ledger(TABLES)("y", y, model))
    assert np.any(np.asarray(weighed) != nearest)
    given = Given(Ledger(TABLES), {HYPER: other}, price=8.0)
    np.testing.assert_array_equal(given(HYPER, y, model)[0], other)
