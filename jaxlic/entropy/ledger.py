"""What a search of the encoder asks: what each integer costs, and what its neighbours would.

A search runs the codec's own `code` again and again. A `Ledger` answers as a `Writer` does, and
keeps costs instead of bytes. `Given` stands before a `Writer` or a `Ledger` and hands on what
was chosen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxlic.entropy.coder import Coder, place, rounded, valid
from jaxlic.entropy.models import EntropyModel
from jaxlic.entropy.tables import TableSets
from jaxlic.ops.arrays import Array

HYPER = "z"  # What codecs call the latent that is sent beside the others.


class Entry(NamedTuple):
    """One answer: float32 arrays, the valid part `[h, w, c]` of what was asked.

    Attributes:
        asked: the latent as it came.
        y_hat: as the decoder will have it.
        bits: what its integers cost in the tables.
        up, down: by how much that changes if they were one more, or one less.
    """

    asked: np.ndarray
    y_hat: np.ndarray
    bits: np.ndarray
    up: np.ndarray
    down: np.ndarray


class Ledger:
    """Rounds one image (`B` = 1) as `Writer` does, and keeps an `Entry` for each latent."""

    def __init__(self, tables: TableSets):
        self._tables = tables
        self.entries: dict[str, Entry] = {}

    def __call__(
        self, name: str, y: Array, model: EntropyModel, size: Array | None = None
    ) -> Array:
        """`[1, H, W, C]` to the quantised latent the decoder will have, zero beyond `size`."""
        tables = self._tables[model.table]
        offset, indexes, symbols = rounded(y, model, self._tables, size)
        here = tables.bits(symbols, indexes)
        entry = Entry(
            valid(y, y.shape, size),
            symbols + offset,
            here,
            tables.bits(symbols + 1, indexes) - here,
            tables.bits(symbols - 1, indexes) - here,
        )
        self.entries[name] = Entry(*(a[0].astype(np.float32) for a in entry))
        return place(self.entries[name].y_hat[None], y.shape)


class Given:
    """Asks another coder for what was chosen already: integers are not weighed again.

    Args:
        coder: who is asked.
        latents: by name what takes the place of what the networks say, `[h, w, c]`.
        price: as of `EntropyModel`, for all but the hyper-latent; 0 for the nearest integer.
    """

    def __init__(self, coder: Coder, latents: Mapping[str, np.ndarray], *, price: float = 0.0):
        self._coder, self._latents, self._price = coder, latents, price

    def __call__(
        self, name: str, y: Array, model: EntropyModel, size: Array | None = None
    ) -> Array:
        """As of the other coder."""
        if name in self._latents:
            y = place(self._latents[name][None], y.shape)
        price = 0.0 if name == HYPER else self._price
        # Entropy models are dataclasses of flax, each of them.
        priced = dataclasses.replace(model, price=price)  # ty: ignore[invalid-argument-type]
        return self._coder(name, y, priced, size)
