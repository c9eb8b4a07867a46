"""Integer symbols to bytes and back. The only user of constriction.

A `RangeCoder` opens encoders and decoders: queues of symbols, each coded with a row of a
set of integer tables. What one encoder was given in some order, a decoder must be asked for
in the same order with the same indexes.
"""

from __future__ import annotations

import functools
from typing import NamedTuple, Protocol

import constriction
import numpy as np

from jaxlic.bitstream import BitstreamError
from jaxlic.entropy.tables import TOTAL, Tables

MAX_SYMBOL = 2**20
_ESCAPE_BITS = 11  # An escaped value is two digits of this many bits.

_range = constriction.stream.queue
_categorical = constriction.stream.model.Categorical
_uniform = constriction.stream.model.Uniform


class Encoder(Protocol):
    def put(self, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        """Appends int32 `symbols`, element k coded with row `indexes[k]`."""

    def finish(self) -> bytes:
        """Everything put so far, as bytes."""


class Decoder(Protocol):
    def get(self, indexes: np.ndarray, tables: Tables) -> np.ndarray:
        """The next symbols, int32, in the shape of `indexes`. Raises BitstreamError."""

    def finish(self) -> None:
        """Raises BitstreamError if not exactly everything was read."""


class RangeCoder(NamedTuple):
    """A way to open encoders and decoders.

    Attributes:
        name: what `--coder` calls it.
        number: what a file calls it.
    """

    name: str
    number: int
    encoder: type[Encoder]
    decoder: type[Decoder]


class ConstrictionEncoder:
    """Range coder of the constriction library: symbols grouped by table row, one call a row."""

    def __init__(self) -> None:
        self._queue = _range.RangeEncoder()

    def put(self, symbols: np.ndarray, indexes: np.ndarray, tables: Tables) -> None:
        """Appends int32 `symbols`, element k coded with row `indexes[k]`.

        Raises:
            ValueError: if a symbol exceeds 2**20 in magnitude.
        """
        symbols, indexes = symbols.ravel(), indexes.ravel()
        if symbols.size and np.abs(symbols).max() > MAX_SYMBOL:
            raise ValueError(f"symbols must be within +-{MAX_SYMBOL}")
        relative = symbols - tables.offsets[indexes]
        last = tables.sizes[indexes] - 1
        escaped = (relative < 0) | (relative >= last)
        coded = np.where(escaped, last, relative).astype(np.int32)
        order, groups = _grouped(indexes)
        coded = coded[order]
        for row, begin, end in groups:
            self._queue.encode(coded[begin:end], _model(tables, row))
        if escaped.any():
            digits = np.where(relative < 0, -2 * relative - 1, 2 * (relative - last))[escaped]
            for shift in (0, _ESCAPE_BITS):
                digit = (digits >> shift) & ((1 << _ESCAPE_BITS) - 1)
                self._queue.encode(digit.astype(np.int32), _uniform(1 << _ESCAPE_BITS))

    def finish(self) -> bytes:
        """Little-endian 32-bit words."""
        return self._queue.get_compressed().astype("<u4").tobytes()


class ConstrictionDecoder:
    """Reads what `ConstrictionEncoder` wrote."""

    def __init__(self, data: bytes) -> None:
        if len(data) % 4:
            raise BitstreamError("entropy-coded data is not a whole number of words")
        self._queue = _range.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def get(self, indexes: np.ndarray, tables: Tables) -> np.ndarray:
        """The next symbols, int32, in the shape of `indexes`.

        Raises:
            BitstreamError: if the data cannot have been written with these tables.
        """
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
            count = int(escaped.sum())
            model = _uniform(1 << _ESCAPE_BITS)
            low, high = self._decode(model, count), self._decode(model, count)
            digits = low | (high << _ESCAPE_BITS)
            below = -((digits + 1) >> 1)
            relative[escaped] = np.where(digits & 1, below, last[escaped] + (digits >> 1))
        return (relative + tables.offsets[indexes]).reshape(shape)

    def finish(self) -> None:
        """Raises BitstreamError if words are left that no symbol needs."""
        if not self._queue.maybe_exhausted():
            raise BitstreamError("entropy-coded data does not end where it should")

    def _decode(self, model, count: int) -> np.ndarray:
        try:
            return self._queue.decode(model, count)
        except (AssertionError, ValueError) as error:
            raise BitstreamError("entropy-coded data is damaged") from error


CONSTRICTION = RangeCoder("constriction", 0, ConstrictionEncoder, ConstrictionDecoder)


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
