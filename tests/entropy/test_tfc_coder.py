"""Runs only where tensorflow-compression is installed: the second environment of `.ci/run`."""

import numpy as np
import pytest

pytest.importorskip("tensorflow_compression", reason="needs jaxlic[tfc]")

from jaxlic.entropy.models import scale_table
from jaxlic.entropy.range_coder import CONSTRICTION, MAX_SYMBOL
from jaxlic.entropy.tables import gaussian_tables
from jaxlic.entropy.tfc_coder import first_rows, load_tfc, lookup
from jaxlic.files.bitstream import BitstreamError

TABLES = {"gaussian": gaussian_tables(), "second": gaussian_tables()}


def _case():
    rng = np.random.default_rng(0)
    indexes = rng.integers(0, 64, (20, 30)).astype(np.int32)
    symbols = np.round(rng.standard_normal((20, 30)) * scale_table()[indexes]).astype(np.int32)
    symbols[0, :3] = [MAX_SYMBOL, -MAX_SYMBOL, 4000]
    return symbols, indexes


def test_symbols_come_back_in_about_the_size_of_the_other_coder():
    symbols, indexes = _case()
    sizes = []
    for coder in (load_tfc(), CONSTRICTION):
        encoder = coder.encoder(TABLES)
        encoder.put("second", symbols, indexes)
        encoder.put("gaussian", symbols[:2], indexes[:2])
        data = encoder.finish()
        decoder = coder.decoder(data, TABLES)
        np.testing.assert_array_equal(decoder.get("second", indexes), symbols)
        np.testing.assert_array_equal(decoder.get("gaussian", indexes[:2]), symbols[:2])
        decoder.finish()
        sizes.append(len(data))
    assert abs(sizes[0] - sizes[1]) < 0.02 * sizes[1]


def test_strings_are_those_of_the_package():
    """Written here and read by the package's own ops, and the other way round."""
    import tensorflow as tf
    import tensorflow_compression as tfc

    tables = {"gaussian": TABLES["gaussian"]}
    symbols, indexes = _case()
    symbols = np.clip(symbols, -4, 4)  # No escapes: entry numbers are symbols less offsets.
    entries = symbols - tables["gaussian"].offsets[indexes]
    rows = indexes + first_rows(tables)["gaussian"]
    encoder = load_tfc().encoder(tables)
    encoder.put("gaussian", symbols, indexes)
    ours = encoder.finish()
    handle = tfc.create_range_encoder([], lookup(tables))
    handle = tfc.entropy_encode_index(handle, rows, entries)
    assert tfc.entropy_encode_finalize(handle).numpy() == ours
    handle = tfc.create_range_decoder(ours, lookup(tables))
    _, back = tfc.entropy_decode_index(handle, rows, rows.shape, tf.int32)
    np.testing.assert_array_equal(back.numpy(), entries)


def test_damage_ends_in_symbols_or_a_bitstream_error():
    symbols, indexes = _case()
    encoder = load_tfc().encoder(TABLES)
    encoder.put("gaussian", symbols, indexes)
    data = bytearray(encoder.finish())
    rng = np.random.default_rng(1)
    for _ in range(100):
        broken = bytearray(data)
        broken[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        decoder = load_tfc().decoder(bytes(broken[: rng.integers(len(data))]), TABLES)
        try:
            assert decoder.get("gaussian", indexes).shape == indexes.shape
            decoder.finish()
        except BitstreamError:
            pass


@pytest.mark.parametrize("quality", [10.0, 80.0])
def test_files_of_either_coder_decode_to_the_same_image(photo, quality):
    import jaxlic

    codec = jaxlic.load("base")
    files = [codec.compress(photo, quality, coder=coder) for coder in ("constriction", "tfc")]
    first, second = (codec.decompress(data) for data in files)
    np.testing.assert_array_equal(first, second)
