import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxlic.entropy import range_coder
from jaxlic.entropy.models import scale_table
from jaxlic.entropy.range_coder import CONSTRICTION, MAX_SYMBOL
from jaxlic.entropy.tables import gaussian_tables
from jaxlic.errors import BitstreamError, Error

TABLES = {"gaussian": gaussian_tables()}


def _round_trip(symbols, indexes):
    encoder = CONSTRICTION.encoder(TABLES)
    encoder.put("gaussian", symbols, indexes)
    data = encoder.finish()
    decoder = CONSTRICTION.decoder(data, TABLES)
    back = decoder.get("gaussian", indexes)
    decoder.finish()
    np.testing.assert_array_equal(back, symbols)
    return data


@settings(max_examples=200)
@given(st.data())
def test_any_symbols_come_back(data):
    shape = data.draw(st.tuples(st.integers(0, 5), st.integers(1, 9)))
    symbols = data.draw(arrays(np.int32, shape, elements=st.integers(-MAX_SYMBOL, MAX_SYMBOL)))
    indexes = data.draw(arrays(np.int32, shape, elements=st.integers(0, 63)))
    _round_trip(symbols, indexes)


def test_size_is_that_of_the_entropy():
    rng = np.random.default_rng(0)
    indexes = rng.integers(0, 64, 50_000).astype(np.int32)
    symbols = np.round(rng.standard_normal(50_000) * scale_table()[indexes]).astype(np.int32)
    bits = 0.0
    for row in range(64):
        frequencies = TABLES["gaussian"].row(row)
        at = symbols[indexes == row] - TABLES["gaussian"].offsets[row]
        known = at[(at >= 0) & (at < len(frequencies) - 1)]
        bits -= np.log2(frequencies[known] / 2**16).sum()
    assert len(_round_trip(symbols, indexes)) * 8 == pytest.approx(bits, rel=0.003)


def test_several_puts_are_one_queue():
    encoder = CONSTRICTION.encoder(TABLES)
    first, second = np.array([1, -2, 900], np.int32), np.array([[5]], np.int32)
    encoder.put("gaussian", first, np.array([3, 9, 9], np.int32))
    encoder.put("gaussian", second, np.array([[40]], np.int32))
    decoder = CONSTRICTION.decoder(encoder.finish(), TABLES)
    assert decoder.get("gaussian", np.array([3, 9, 9], np.int32)).tolist() == [1, -2, 900]
    assert decoder.get("gaussian", np.array([[40]], np.int32)).tolist() == [[5]]


def test_symbols_beyond_the_limit_are_refused():
    with pytest.raises(ValueError, match="within"):
        CONSTRICTION.encoder(TABLES).put(
            "gaussian", np.array([MAX_SYMBOL + 1]), np.array([0], np.int32)
        )


@settings(max_examples=300)
@given(st.binary(max_size=64), st.integers(0, 63), st.integers(1, 200))
def test_garbage_gives_symbols_or_a_bitstream_error(data, index, count):
    try:
        decoder = CONSTRICTION.decoder(data, TABLES)
        symbols = decoder.get("gaussian", np.full(count, index, np.int32))
        decoder.finish()
    except BitstreamError:
        return
    assert symbols.shape == (count,)


def test_left_over_data_is_noticed():
    data = _round_trip(np.zeros(4, np.int32), np.full(4, 30, np.int32))
    decoder = CONSTRICTION.decoder(data + bytes(40), TABLES)
    decoder.get("gaussian", np.full(4, 30, np.int32))
    with pytest.raises(BitstreamError, match="does not end"):
        decoder.finish()


def test_coders_are_found_by_name_and_by_number(monkeypatch):
    assert range_coder.named("constriction") is range_coder.numbered(0) is CONSTRICTION
    with pytest.raises(Error, match="coder must be one of"):
        range_coder.named("arithmetic")
    with pytest.raises(BitstreamError, match="coder 3 is not known"):
        range_coder.numbered(3)

    def without():
        raise Error("needs jaxlic[tfc]")

    monkeypatch.setattr("jaxlic.entropy.tfc_coder.load_tfc", without)
    with pytest.raises(BitstreamError, match="needs jaxlic"):
        range_coder.numbered(1)
