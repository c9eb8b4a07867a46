"""The range coder of tensorflow-compression, over the same integer tables.

The only user of tensorflow-compression, which takes seconds to import: nothing here is
imported unless it is asked for. Needs the extra `jaxlic[tfc]`. The strings are those of
`tfc.entropy_encode_index` with one table a row and overflow enabled: symbols outside a table
are coded with Elias gamma by the package itself.
"""

from __future__ import annotations

import functools
import os

import numpy as np

from jaxlic.bitstream import BitstreamError
from jaxlic.entropy.range_coder import MAX_SYMBOL, RangeCoder, checked
from jaxlic.entropy.tables import PRECISION, TableSets


@functools.cache
def load_tfc() -> RangeCoder:
    """The coder, importing TensorFlow.

    Raises:
        ValueError: if tensorflow-compression is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
        import tensorflow_compression as tfc
    except ImportError as error:
        raise ValueError(
            'the coder "tfc" needs `pip install "jaxlic[tfc]"` (Python 3.11)'
        ) from error
    # JAX owns the accelerator; TensorFlow would take all of its memory.
    tf.config.set_visible_devices([], "GPU")

    class Encoder:
        def __init__(self, tables: TableSets) -> None:
            self._tables, self._first = tables, _first_rows(tables)
            self._handle = tfc.create_range_encoder([], lookup(tables))

        def put(self, table: str, symbols: np.ndarray, indexes: np.ndarray) -> None:
            relative = checked(symbols) - self._tables[table].offsets[indexes]
            rows = indexes + self._first[table]
            self._handle = tfc.entropy_encode_index(
                self._handle, rows.astype(np.int32), relative.astype(np.int32)
            )

        def finish(self) -> bytes:
            return tfc.entropy_encode_finalize(self._handle).numpy()

    class Decoder:
        def __init__(self, data: bytes, tables: TableSets) -> None:
            self._tables, self._first = tables, _first_rows(tables)
            self._handle = tfc.create_range_decoder(data, lookup(tables))

        def get(self, table: str, indexes: np.ndarray) -> np.ndarray:
            rows = (indexes + self._first[table]).astype(np.int32)
            try:
                self._handle, relative = tfc.entropy_decode_index(
                    self._handle, rows, rows.shape, tf.int32
                )
            except tf.errors.OpError as error:
                raise BitstreamError("entropy-coded data is damaged") from error
            symbols = relative.numpy() + self._tables[table].offsets[indexes]
            if symbols.size and np.abs(symbols).max() > MAX_SYMBOL:
                raise BitstreamError("entropy-coded data is damaged")
            return symbols

        def finish(self) -> None:
            if not tfc.entropy_decode_finalize(self._handle).numpy():
                raise BitstreamError("entropy-coded data does not end where it should")

    return RangeCoder("tfc", 1, Encoder, Decoder)


@functools.lru_cache(maxsize=8)
def _flat(rows: tuple[bytes, ...]) -> np.ndarray:
    parts = []
    for row in rows:
        frequencies = np.frombuffer(row, np.uint16).astype(np.int64)
        # A negative precision turns on the overflow code; the last symbol is the escape.
        parts.append(np.concatenate([[-PRECISION, 0], np.cumsum(frequencies)]))
    return np.concatenate(parts).astype(np.int32)


def lookup(tables: TableSets) -> np.ndarray:
    """All rows of all sets, by name of the set, in the layout of `create_range_encoder`."""
    return _flat(
        tuple(
            tables[name].row(i).tobytes()
            for name in sorted(tables)
            for i in range(len(tables[name].sizes))
        )
    )


def _first_rows(tables: TableSets) -> dict[str, int]:
    first, result = 0, {}
    for name in sorted(tables):
        result[name] = first
        first += len(tables[name].sizes)
    return result
