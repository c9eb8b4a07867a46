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

from jaxlic.entropy.tables import TOTAL, Tables, TableSets
from jaxlic.errors import BitstreamError, Error

NAMES = ("constriction", "tfc")  # By the number that a file calls them.
MAX_SYMBOL = 2**20
MAX_LENGTH = 22  # Bits of the largest escaped value, 2 * MAX_SYMBOL + 1.

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
        coded, values = escape(symbols, indexes, tables)
        order, groups = _grouped(indexes)
        coded = coded[order]
        for row, begin, end in groups:
            self._queue.encode(coded[begin:end], _model(tables, row))
        if values.size:
            self._put_values(values)

    def finish(self) -> bytes:
        """Little-endian 32-bit words."""
        return self._queue.get_compressed().astype("<u4").tobytes()

    def _put_values(self, values: np.ndarray) -> None:
        """Positive integers: all bit lengths, then by length the bits below the highest."""
        lengths = bit_lengths(values)
        self._queue.encode(lengths, _uniform(MAX_LENGTH + 1))
        for length in range(2, MAX_LENGTH + 1):
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
        ordered = np.empty_like(coded)
        ordered[order] = coded
        return unescape(ordered, indexes, tables, self._get_values).reshape(shape)

    def finish(self) -> None:
        """Raises BitstreamError if words are left that no symbol needs."""
        if not self._queue.maybe_exhausted():
            raise BitstreamError("entropy-coded data does not end where it should")

    def _get_values(self, count: int) -> np.ndarray:
        lengths = self._decode(_uniform(MAX_LENGTH + 1), count)
        if lengths.min() < 1:
            raise BitstreamError("entropy-coded data is damaged")
        values = np.int32(1) << (lengths - 1)
        for length in range(2, MAX_LENGTH + 1):
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


def escape(
    symbols: np.ndarray, indexes: np.ndarray, tables: Tables
) -> tuple[np.ndarray, np.ndarray]:
    """What to code with the tables and what to code after them.

    Args:
        symbols, indexes: int32 `[n]`.
        tables: the set.

    Returns:
        Entry numbers `[n]`, the row's last one for what it has no entry for; and for those
        a positive integer each, below `2**MAX_LENGTH`.
    """
    relative = symbols - tables.offsets[indexes]
    last = tables.sizes[indexes] - 1
    escaped = (relative < 0) | (relative >= last)
    excess = np.where(relative < 0, -2 * relative - 1, 2 * (relative - last))[escaped]
    return np.where(escaped, last, relative).astype(np.int32), (excess + 1).astype(np.int32)


def unescape(
    coded: np.ndarray,
    indexes: np.ndarray,
    tables: Tables,
    values: Callable[[int], np.ndarray],
) -> np.ndarray:
    """The inverse of `escape`; `values(count)` fetches the integers of the escaped ones."""
    last = tables.sizes[indexes] - 1
    escaped = coded == last
    if escaped.any():
        excess = values(int(escaped.sum())) - 1
        above = last[escaped] + (excess >> 1)
        coded[escaped] = np.where(excess & 1, -((excess + 1) >> 1), above)
    return (coded + tables.offsets[indexes]).astype(np.int32)


def bit_lengths(values: np.ndarray) -> np.ndarray:
    """The bit length of positive int32 values, int32."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int32)


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


def named(name: str) -> RangeCoder:
    """The range coder of that name.

    Raises:
        Error: if there is none, or it needs the extra `jaxlic[tfc]`.
    """
    if name == NAMES[0]:
        return CONSTRICTION
    if name == NAMES[1]:
        from jaxlic.entropy.tfc_coder import load_tfc

        return load_tfc()
    raise Error(f"coder must be one of {', '.join(NAMES)}, got {name!r}")


def numbered(number: int) -> RangeCoder:
    """The range coder that a file names by its number. Raises BitstreamError."""
    if number >= len(NAMES):
        raise BitstreamError(f"entropy coder {number} is not known to this release")
    try:
        return named(NAMES[number])
    except Error as error:
        raise BitstreamError(str(error)) from error
