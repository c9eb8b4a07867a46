import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.entropy.factorized import FactorizedPrior
from jaxlic.entropy.models import IndexedGaussian, scale_table
from jaxlic.entropy.tables import (
    TOTAL,
    Tables,
    calibrated,
    check_rows,
    factorized_tables,
    from_arrays,
    gaussian_tables,
)


def test_every_row_is_a_distribution():
    tables = gaussian_tables()
    assert len(tables.sizes) == 64
    for i in range(64):
        row = tables.row(i).astype(int)
        assert row.sum() == TOTAL and row.min() >= 1


@pytest.mark.parametrize("i", [0, 20, 40, 63])
def test_gaussian_rows_are_gaussian(i):
    tables, scale = gaussian_tables(), scale_table()[i]
    cdf = lambda x: 0.5 * math.erfc(-x / scale / math.sqrt(2))  # noqa: E731
    zero = -int(tables.offsets[i])
    assert tables.row(i)[zero] / TOTAL == pytest.approx(cdf(0.5) - cdf(-0.5), rel=0.05)
    left, right = tables.row(i)[:zero].astype(int), tables.row(i)[zero + 1 : -1][::-1]
    assert np.abs(left - right).max() <= 1  # Where the rounding remainder went.


def test_rows_of_halves_follow_the_others():
    plain, both = gaussian_tables(), gaussian_tables(halves=True)
    assert len(both.sizes) == 128
    for i in (0, 8, 40, 63):
        np.testing.assert_array_equal(both.row(i), plain.row(i))
        model = IndexedGaussian(np.zeros(3), np.full(3, 64.0 + i), np.ones(3))
        expected = model.bits(jnp.array([-1.0, 0.0, 1.0]))
        found = both.bits(np.array([-1, 0, 1]), np.full(3, 64 + i))
        np.testing.assert_allclose(found[1:], expected[1:], rtol=0.01)
        assert found[0] > 13 or found[0] == pytest.approx(float(expected[0]), rel=0.02)


def test_factorized_rows_follow_the_density():
    module = FactorizedPrior(2)
    model = module.apply(module.init(jax.random.key(0)))
    tables = factorized_tables(model)
    zero = -int(tables.offsets[0])
    expected = 2.0 ** -float(model.bits(np.zeros((1, 2), np.float32))[0, 0])
    assert tables.row(0)[zero] / TOTAL == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("frequencies", "sizes"),
    [([TOTAL - 1, 2], [2]), ([0, 65535], [2]), ([32768, 32768], [1]), ([32768] * 2, [3])],
)
def test_tables_that_make_no_sense_are_refused(frequencies, sizes):
    frequencies = np.array(frequencies, np.int64).astype(np.uint16)
    with pytest.raises(ValueError, match="row"):
        Tables(frequencies, np.array(sizes, np.int32), np.zeros(len(sizes), np.int32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(sizes=np.zeros(0, np.int32)), "rows are possible"),
        (dict(sizes=np.array([2], np.int64)), "sizes of rows are int32"),
        (dict(frequencies=np.full((1, 2), 32768, np.uint16)), "frequencies of rows"),
        (dict(offsets=np.array([-(2**31)], np.int32)), "offsets of rows"),
        (dict(offsets=np.zeros(2, np.int32)), "every row needs"),
    ],
)
def test_tables_from_outside_have_types_and_ranges(change, message):
    parts = dict(
        frequencies=np.full(2, 32768, np.uint16),
        sizes=np.array([2], np.int32),
        offsets=np.zeros(1, np.int32),
    )
    tables = {"a": Tables(**parts)}
    check_rows(tables, {"a": 1})
    for needed in ({"a": 2}, {"b": 1}):
        with pytest.raises(ValueError, match="tables have"):
            check_rows(tables, needed)
    with pytest.raises(ValueError, match=message):
        Tables(**{**parts, **change})
    with pytest.raises(ValueError, match="tables are"):
        from_arrays({"a/sizes": parts["sizes"]})


def test_calibrated_rows_approach_what_was_counted():
    tables = gaussian_tables()
    counts = np.zeros(int(tables.sizes[20]), np.int64)
    counts[-2:] = 100_000
    fitted = calibrated(tables, {20: counts})
    assert fitted.row(20)[-1] / TOTAL == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(fitted.row(19), tables.row(19))


def test_bits_are_those_of_the_frequencies():
    tables = gaussian_tables()
    symbols = np.array([0, 1, -3, 10_000], np.int32)
    indexes = np.array([0, 20, 40, 20], np.int32)
    entries = [0, 1, -3, None]
    for k, (symbol, row) in enumerate(zip(entries, indexes, strict=True)):
        row, offset = tables.row(row), int(tables.offsets[row])
        entry = -1 if symbol is None else symbol - offset
        assert tables.bits(symbols, indexes)[k] == pytest.approx(
            -math.log2(row[entry] / TOTAL), abs=1e-4
        )
