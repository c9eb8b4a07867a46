"""Integer symbols to bytes and back. The only user of constriction.

A `RangeCoder` opens encoders and decoders over sets of integer tables: queues of symbols,
each coded with a row of one of the sets. What one encoder was given in some order, a decoder
must be asked for in the same order with the same indexes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple, Protocol

import constriction
import numpy as np

from jaxlic.bitstream import BitstreamError
from jaxlic.entropy.tables import TOTAL, Tables, TableSets

MAX_SYMBOL = 2**20
_MAX_LENGTH = 22  # Bits of the largest escaped value, 2 * MAX_SYMBOL + 1.

_range = constriction.stream.queue
_categorical = constriction.stream.model.Categorical
_uniform = constriction.stream.model.Uniform


class Encoder(Protocol):
    """A queue that symbols are put into."""

    def put(self, table: str, symbols: np.ndarray, indexes: np.ndarray) -> None:
        """Appends int32 `symbols`, element k coded with row `indexes[k]` of set `table`.

        Raises:
            ValueError: if a symbol exceeds 2**20 in magnitude.
        """

    def finish(self) -> bytes:
        """Everything put so far, as bytes."""


class Decoder(Protocol):
    """A queue that symbols are taken from."""

    def get(self, table: str, indexes: np.ndarray) -> np.ndarray:
        """The next symbols, int32, in the shape of `indexes`.

        Raises:
            BitstreamError: if the data cannot have been written with these tables.
        """

    def finish(self) -> None:
        """Raises BitstreamError if not exactly everything was read."""


class RangeCoder(NamedTuple):
    """A way to open encoders and decoders.

    Attributes:
        name: what `--coder` calls it.
        number: what a file calls it.
        encoder: `tables -> Encoder`.
        decoder: `(bytes, tables) -> Decoder`.
    """

    name: str
    number: int
    encoder: Callable[[TableSets], Encoder]
    decoder: Callable[[bytes, TableSets], Decoder]


class ConstrictionEncoder:
    """Range coder of the constriction library: symbols grouped by table row, one call a row."""

    def __init__(self, tables: TableSets) -> None:
        self._queue, self._tables = _range.RangeEncoder(), tables

    def put(self, table: str, symbols: np.ndarray, indexes: np.ndarray) -> None:
        """As in `Encoder`."""
        tables = self._tables[table]
        symbols, indexes = checked(symbols).ravel(), indexes.ravel()
        relative = symbols - tables.offsets[indexes]
        last = tables.sizes[indexes] - 1
        escaped = (relative < 0) | (relative >= last)
        coded = np.where(escaped, last, relative).astype(np.int32)
        order, groups = _grouped(indexes)
        coded = coded[order]
        for row, begin, end in groups:
            self._queue.encode(coded[begin:end], _model(tables, row))
        if escaped.any():
            excess = np.where(relative < 0, -2 * relative - 1, 2 * (relative - last))[escaped]
            self._put_excess(excess + 1)

    def finish(self) -> bytes:
        """Little-endian 32-bit words."""
        return self._queue.get_compressed().astype("<u4").tobytes()

    def _put_excess(self, values: np.ndarray) -> None:
        """Positive integers: all bit lengths, then by length the bits below the highest."""
        lengths = np.frexp(values.astype(np.float64))[1].astype(np.int32)
        self._queue.encode(lengths, _uniform(_MAX_LENGTH + 1))
        for length in range(2, _MAX_LENGTH + 1):
            rest = values[lengths == length] - (1 << (length - 1))
            if rest.size:
                self._queue.encode(rest.astype(np.int32), _uniform(1 << (length - 1)))


class ConstrictionDecoder:
    """Reads what `ConstrictionEncoder` wrote."""

    def __init__(self, data: bytes, tables: TableSets) -> None:
        self._tables = tables
        if len(data) % 4:
            raise BitstreamError("entropy-coded data is not a whole number of words")
        self._queue = _range.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def get(self, table: str, indexes: np.ndarray) -> np.ndarray:
        """As in `Decoder`."""
        tables = self._tables[table]
        shape, indexes = indexes.shape, indexes.ravel()
        order, groups = _grouped(indexes)
        coded = np.empty(indexes.size, np.int32)
        for row, begin, end in groups:
            coded[begin:end] = self._decode(_model(tables, row), end - begin)
        relative = np.empty_like(coded)
        relative[order] = coded
        last = tables.sizes[indexes] - 1
        escaped = relative == last
        if escaped.any():
            excess = self._get_excess(int(escaped.sum())) - 1
            below = -((excess + 1) >> 1)
            relative[escaped] = np.where(excess & 1, below, last[escaped] + (excess >> 1))
        return (relative + tables.offsets[indexes]).reshape(shape)

    def finish(self) -> None:
        """Raises BitstreamError if words are left that no symbol needs."""
        if not self._queue.maybe_exhausted():
            raise BitstreamError("entropy-coded data does not end where it should")

    def _get_excess(self, count: int) -> np.ndarray:
        lengths = self._decode(_uniform(_MAX_LENGTH + 1), count)
        if lengths.min() < 1:
            raise BitstreamError("entropy-coded data is damaged")
        values = np.int32(1) << (lengths - 1)
        for length in range(2, _MAX_LENGTH + 1):
            at = lengths == length
            if at.any():
                values[at] += self._decode(_uniform(1 << (length - 1)), int(at.sum()))
        return values

    def _decode(self, model, count: int) -> np.ndarray:
        try:
            return self._queue.decode(model, count)
        except (AssertionError, ValueError) as error:
            raise BitstreamError("entropy-coded data is damaged") from error


CONSTRICTION = RangeCoder("constriction", 0, ConstrictionEncoder, ConstrictionDecoder)


def checked(symbols: np.ndarray) -> np.ndarray:
    """`symbols`, or ValueError if one exceeds 2**20 in magnitude."""
    if symbols.size and np.abs(symbols).max() > MAX_SYMBOL:
        raise ValueError(f"symbols must be within +-{MAX_SYMBOL}")
    return symbols


def _grouped(indexes: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """A stable order by row, and (row, begin, end) of every row in use."""
    # NumPy sorts 16-bit integers by radix.
    order = np.argsort(indexes.astype(np.uint16), kind="stable")
    counts = np.bincount(indexes)
    ends = np.cumsum(counts)
    return order, [
        (int(row), int(ends[row] - counts[row]), int(ends[row]))
        for row in np.flatnonzero(counts)
    ]


@functools.lru_cache(maxsize=4096)
def _model(tables: Tables, row: int):
    # Multiples of 2**-16 in float64: every operation inside the constructor is exact.
    # `perfect` is part of the format; its default is announced to change.
    return _categorical(tables.row(row).astype(np.float64) / TOTAL, perfect=False)
