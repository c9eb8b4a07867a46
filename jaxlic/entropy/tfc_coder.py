"""The range coder of tensorflow-compression, over the same integer tables.

The only user of tensorflow-compression, which takes seconds to import: nothing here is
imported unless it is asked for. Needs the extra `jaxlic[tfc]`. The strings are those of
`tfc.entropy_encode_index` with one table a row. The package's own code for symbols outside a
table is not used: its decoder does not return on some damaged strings. Escapes are spelt out
with two more tables instead: their bit lengths, then their bits.
"""

from __future__ import annotations

import functools
import os

import numpy as np

from jaxlic.entropy.range_coder import (
    MAX_LENGTH,
    RangeCoder,
    bit_lengths,
    checked,
    escape,
    unescape,
)
from jaxlic.entropy.tables import PRECISION, TOTAL, TableSets
from jaxlic.errors import BitstreamError, Error

_BITS = np.array([TOTAL // 2, TOTAL // 2])
_LENGTHS = np.full(MAX_LENGTH + 1, TOTAL // (MAX_LENGTH + 1))
_LENGTHS[0] += TOTAL - _LENGTHS.sum()
_BITS_ROW, _LENGTHS_ROW, _FIRST_ROW = 0, 1, 2


@functools.cache
def load_tfc() -> RangeCoder:
    """The coder, importing TensorFlow.

    Raises:
        Error: if tensorflow-compression is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
        import tensorflow_compression as tfc
    except ImportError as error:
        raise Error(
            'the coder "tfc" needs `pip install "jaxlic[tfc]"` (Python 3.11)'
        ) from error
    # JAX owns the accelerator; TensorFlow would take all of its memory.
    tf.config.set_visible_devices([], "GPU")

    class Encoder:
        def __init__(self, tables: TableSets) -> None:
            self._tables, self._first = tables, first_rows(tables)
            self._handle = tfc.create_range_encoder([], lookup(tables))

        def put(self, table: str, symbols: np.ndarray, indexes: np.ndarray) -> None:
            indexes = indexes.ravel()
            coded, values = escape(checked(symbols).ravel(), indexes, self._tables[table])
            self._put(coded, indexes + self._first[table])
            if values.size:
                lengths = bit_lengths(values)
                self._put(lengths, np.full_like(lengths, _LENGTHS_ROW))
                bits = values[:, None] >> np.arange(MAX_LENGTH, dtype=np.int32) & 1
                bits = bits[np.arange(MAX_LENGTH) < lengths[:, None] - 1]
                self._put(bits, np.full_like(bits, _BITS_ROW))

        def finish(self) -> bytes:
            return tfc.entropy_encode_finalize(self._handle).numpy()

        def _put(self, symbols: np.ndarray, rows: np.ndarray) -> None:
            self._handle = tfc.entropy_encode_index(
                self._handle, rows.astype(np.int32), symbols.astype(np.int32)
            )

    class Decoder:
        def __init__(self, data: bytes, tables: TableSets) -> None:
            self._tables, self._first = tables, first_rows(tables)
            self._handle = tfc.create_range_decoder(data, lookup(tables))

        def get(self, table: str, indexes: np.ndarray) -> np.ndarray:
            shape, indexes = indexes.shape, indexes.ravel()
            coded = self._get(indexes + self._first[table])
            symbols = unescape(coded, indexes, self._tables[table], self._values)
            return symbols.reshape(shape)

        def finish(self) -> None:
            if not tfc.entropy_decode_finalize(self._handle).numpy():
                raise BitstreamError("entropy-coded data does not end where it should")

        def _get(self, rows: np.ndarray) -> np.ndarray:
            try:
                self._handle, symbols = tfc.entropy_decode_index(
                    self._handle, rows.astype(np.int32), rows.shape, tf.int32
                )
            except tf.errors.OpError as error:
                raise BitstreamError("entropy-coded data is damaged") from error
            return symbols.numpy()

        def _values(self, count: int) -> np.ndarray:
            lengths = self._get(np.full(count, _LENGTHS_ROW))
            if lengths.min() < 1:
                raise BitstreamError("entropy-coded data is damaged")
            at = np.arange(MAX_LENGTH) < lengths[:, None] - 1
            bits = np.zeros((count, MAX_LENGTH), np.int32)
            bits[at] = self._get(np.full(int(at.sum()), _BITS_ROW))
            return (1 << lengths - 1) + (bits << np.arange(MAX_LENGTH)).sum(axis=1)

    return RangeCoder("tfc", 1, Encoder, Decoder)


def lookup(tables: TableSets) -> np.ndarray:
    """The two tables of escapes, then all rows of all sets by name of the set.

    In the layout of `create_range_encoder`: precision, then the cumulative frequencies.
    """
    return _flat(
        tuple(
            tables[name].row(i).tobytes()
            for name in sorted(tables)
            for i in range(len(tables[name].sizes))
        )
    )


def first_rows(tables: TableSets) -> dict[str, int]:
    """The row of `lookup` with which each set begins."""
    first, result = _FIRST_ROW, {}
    for name in sorted(tables):
        result[name] = first
        first += len(tables[name].sizes)
    return result


@functools.lru_cache(maxsize=8)
def _flat(rows: tuple[bytes, ...]) -> np.ndarray:
    parts = [_BITS, _LENGTHS, *(np.frombuffer(row, np.uint16).astype(np.int64) for row in rows)]
    return np.concatenate([[PRECISION, 0, *np.cumsum(part)] for part in parts]).astype(np.int32)
