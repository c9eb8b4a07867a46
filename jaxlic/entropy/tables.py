"""Integer probability tables: what both entropy coders code with.

A set of tables has rows; a row gives every integer in a range, and one escape symbol for
all others, a frequency of at least 1 out of 2**16. Tables are computed once, in floating
point, when weights are exported, and are stored with them: a reader never recomputes one.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping

import jax
import numpy as np

from jaxlic.entropy.factorized import Factorized
from jaxlic.entropy.models import scale_table

PRECISION = 16
TOTAL = 1 << PRECISION
_TAIL = 2.0**-15
_MAX_HYPER_LATENT = 127
_MAX_ROWS = 1 << 16  # Coders sort rows as 16-bit integers.
_MAX_OFFSET = 1 << 20
_PARTS = ("frequencies", "sizes", "offsets")


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """A set of rows.

    Attributes:
        frequencies: uint16, all rows end to end; a row holds its symbols, then the escape.
            Rows sum to 2**16.
        sizes: int32 `[rows]`, entries of each row, the escape included.
        offsets: int32 `[rows]`, the integer that a row's first entry stands for.
    """

    frequencies: np.ndarray
    sizes: np.ndarray
    offsets: np.ndarray

    def __post_init__(self) -> None:
        for part, kind in zip(_PARTS, (np.uint16, np.int32, np.int32), strict=True):
            a = getattr(self, part)
            if a.ndim != 1 or a.dtype != kind:
                raise ValueError(
                    f"{part} of rows are {np.dtype(kind)}, got {a.dtype} {a.shape}"
                )
        if not 1 <= len(self.sizes) <= _MAX_ROWS:
            raise ValueError(f"1 to {_MAX_ROWS} rows are possible, got {len(self.sizes)}")
        if np.any(np.abs(self.offsets.astype(np.int64)) > _MAX_OFFSET):
            raise ValueError(f"offsets of rows are within +-{_MAX_OFFSET}")
        ends = np.cumsum(self.sizes, dtype=np.int64)
        if len(self.sizes) != len(self.offsets) or np.any(self.sizes < 2):
            raise ValueError("every row needs a symbol, an escape and an offset")
        if ends[-1] != len(self.frequencies) or np.any(self.frequencies < 1):
            raise ValueError("the rows do not fill the frequencies, or one of them is zero")
        if np.any(
            np.add.reduceat(self.frequencies.astype(np.int64), ends - self.sizes) != TOTAL
        ):
            raise ValueError("a row does not sum to 2**16")

    def row(self, i: int) -> np.ndarray:
        """The frequencies of row i, the escape last."""
        end = int(np.sum(self.sizes[: i + 1]))
        return self.frequencies[end - int(self.sizes[i]) : end]

    def bits(self, symbols: np.ndarray, indexes: np.ndarray) -> np.ndarray:
        """Bits of symbol k in row `indexes[k]`, float32; beyond the row those of the escape."""
        relative, last = symbols - self.offsets[indexes], self.sizes[indexes] - 1
        entries = np.where((relative >= 0) & (relative < last), relative, last)
        return self._costs[np.cumsum(self.sizes)[indexes] - 1 - last + entries]

    @functools.cached_property
    def _costs(self) -> np.ndarray:
        return np.float32(PRECISION) - np.log2(self.frequencies.astype(np.float32))


TableSets = Mapping[str, Tables]


def to_arrays(tables: TableSets) -> dict[str, np.ndarray]:
    """Tables as flat arrays, to be stored: "gaussian/sizes" and so on."""
    return {
        f"{name}/{part}": getattr(rows, part)
        for name, rows in tables.items()
        for part in _PARTS
    }


def from_arrays(arrays: Mapping[str, np.ndarray]) -> TableSets:
    """The inverse of `to_arrays`.

    Raises:
        ValueError: if a part is missing, or the parts are no tables.
    """
    names = sorted({name.split("/")[0] for name in arrays})
    if sorted(arrays) != sorted(f"{name}/{part}" for name in names for part in _PARTS):
        raise ValueError(f"tables are {', '.join(_PARTS)}, got {', '.join(sorted(arrays)[:9])}")
    return {name: Tables(*(arrays[f"{name}/{part}"] for part in _PARTS)) for name in names}


def check_rows(tables: TableSets, needed: Mapping[str, int]) -> None:
    """Raises ValueError if a set of tables is missing, or has fewer rows than are needed."""
    for name, rows in needed.items():
        found = len(tables[name].sizes) if name in tables else 0
        if found < rows:
            raise ValueError(f"the {name} tables have {found} rows, not {rows}")


def gaussian_tables(halves: bool = False) -> Tables:
    """One row for each entry of `scale_table`: a zero-mean Gaussian over unit bins.

    With `halves` as many more rows, whose mean is 1/2: rows as of `IndexedGaussian`.
    """
    rows = []
    for mean, scale in itertools.product((0.0, 0.5)[: 1 + halves], scale_table()):
        # Photographs have heavier tails than a Gaussian: small outliers need no escape.
        half = max(8, math.ceil(3.0 * scale))
        while math.erfc((half + 0.5) / scale / math.sqrt(2)) > _TAIL:
            half += 1
        edges = (np.arange(-half, half + 2) - 0.5 - mean) / scale
        cdf = np.array([0.5 * math.erfc(-edge / math.sqrt(2)) for edge in edges])
        rows.append((np.diff(cdf), -half))
    return _from_rows(rows)


def calibrated(tables: Tables, counts: dict[int, np.ndarray], weight: float = 200.0) -> Tables:
    """`tables`, fitted to what was counted.

    Latents given their scale are more peaked, with heavier tails, than a Gaussian. The
    frequencies become those counted, the old ones having the say of `weight` symbols.

    Args:
        tables: the set to start from.
        counts: by row, how often each of its entries, the escape included, was coded; rows
            that are not in it stay as they are.
        weight: above 0.
    """
    rows = []
    for i in range(len(tables.sizes)):
        if i not in counts:
            rows.append(tables.row(i))
            continue
        pmf = tables.row(i).astype(np.float64) / TOTAL * weight + counts[i]
        rows.append(_to_frequencies(pmf / pmf.sum()))
    return dataclasses.replace(tables, frequencies=np.concatenate(rows).astype(np.uint16))


def factorized_tables(model: Factorized) -> Tables:
    """One row a channel, trimmed to where the density is not negligible."""
    grid = np.arange(-_MAX_HYPER_LATENT, _MAX_HYPER_LATENT + 1)
    channels = model.matrices[0].shape[0]
    points = np.broadcast_to(grid[:, None].astype(np.float32), (len(grid), channels))
    pmf = 2.0 ** -np.asarray(jax.jit(lambda m, x: m.bits(x))(model, points), np.float64)
    rows = []
    for channel in range(channels):
        kept = np.flatnonzero(pmf[:, channel] > _TAIL / 4)
        low, high = (kept[0], kept[-1]) if len(kept) else (127, 127)
        rows.append((pmf[low : high + 1, channel], int(grid[low])))
    return _from_rows(rows)


def _from_rows(rows: list[tuple[np.ndarray, int]]) -> Tables:
    rounded = [_to_frequencies(np.append(pmf, max(1 - pmf.sum(), 0))) for pmf, _ in rows]
    return Tables(
        np.concatenate(rounded).astype(np.uint16),
        np.array([len(row) for row in rounded], np.int32),
        np.array([offset for _, offset in rows], np.int32),
    )


def _to_frequencies(pmf: np.ndarray) -> np.ndarray:
    """Integers of at least 1 that sum to 2**16."""
    share = pmf / pmf.sum() * (TOTAL - len(pmf))
    frequencies = 1 + np.floor(share).astype(np.int64)
    # The remainder goes to the largest fractions, ties to the lower symbol.
    order = np.argsort(np.floor(share) - share, kind="stable")
    frequencies[order[: TOTAL - frequencies.sum()]] += 1
    return frequencies
