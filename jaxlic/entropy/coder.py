"""Three answers to "what is this latent, given its distribution?".

A codec writes its data flow once, as a method that asks a `Coder`. An `Estimator` answers
in training: it perturbs the latent and counts bits. A `Writer` rounds it and keeps the
symbols, a `Reader` ignores it and takes symbols from a file. Coders are the only objects
with state in the library, and none outlives the function that makes it. They may be asked
from plain Python control flow only, not inside `scan` or `remat`.
"""

from __future__ import annotations

from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient

from jaxlic import prng
from jaxlic.entropy.models import EntropyModel
from jaxlic.entropy.range_coder import MAX_SYMBOL, Decoder, Encoder
from jaxlic.entropy.tables import TableSets
from jaxlic.ops.arrays import Array
from jaxlic.ops.geometry import keep
from jaxlic.ops.quantisation import Quantised, Quantiser, is_cheaper


class Coder(Protocol):
    """Asked for each latent in coding order; returns what the decoder will know of it."""

    def __call__(
        self, name: str, y: Array, model: EntropyModel, size: Array | None = None
    ) -> Array: ...


class Estimator:
    """Quantises with `quantise` and adds `model.bits`; differentiable.

    If the model has a price, bits are counted and latents returned as a file would have them,
    whatever `quantise` does; the gradient of the rate is still taken where it says.
    """

    def __init__(self, quantise: Quantiser, key: jax.Array):
        self._quantise, self._key = quantise, key
        self.bits: dict[str, jax.Array] = {}

    def __call__(
        self, name: str, y: jax.Array, model: EntropyModel, size: jax.Array | None = None
    ) -> jax.Array:
        """`[B, H, W, C]` to the same; `bits[name]` becomes `[B]`, counted inside `size`."""
        q = self._quantise(y, model.offset, prng.stream(self._key, name))
        if model.price:
            # Not y + (cheapest - y), which rounds: what follows may ask whether it is a zero.
            cheapest = stop_gradient(_cheapest(y, model)) + (y - stop_gradient(y))
            q = Quantised(cheapest, q.relaxed, cheapest)
        if q.coded is q.relaxed:
            bits = model.bits(q.coded)
        else:
            place, shape = model.place(), model.shape()
            slope = place.bits(q.relaxed)
            bits = shape.bits(stop_gradient(q.coded)) + slope - stop_gradient(slope)
        bits = jnp.sum(keep(bits, size), axis=(1, 2, 3))
        self.bits[name] = self.bits.get(name, 0.0) + bits
        return q.y_hat


def _cheapest(y, model):
    r = y - model.offset
    nearest = jnp.floor(r + 0.5)
    lower = nearest - jnp.sign(nearest)
    saved = model.bits(nearest + model.offset) - model.bits(lower + model.offset)
    return model.offset + jnp.where(is_cheaper(r, nearest, saved, model.price), lower, nearest)


class Writer:
    """Rounds and entropy-codes one image (`B` = 1) into `encoder`.

    If the model has a price, the `tables` (the encoder's) say what integers cost.
    """

    def __init__(self, encoder: Encoder, tables: TableSets):
        self._encoder, self._tables = encoder, tables

    def __call__(
        self, name: str, y: Array, model: EntropyModel, size: Array | None = None
    ) -> Array:
        """`[1, H, W, C]` to the quantised latent the decoder will have, zero beyond `size`."""
        offset, indexes, symbols = rounded(y, model, self._tables, size)
        self._encoder.put(model.table, symbols, indexes)
        return place(symbols + offset, y.shape)


class Reader:
    """Decodes one image (`B` = 1); of the latent it is given it uses the shape alone."""

    def __init__(self, decoder: Decoder):
        self._decoder = decoder

    def __call__(
        self, name: str, y: Array, model: EntropyModel, size: Array | None = None
    ) -> Array:
        """The latent that `Writer` returned at the same place.

        Raises:
            BitstreamError: if the data does not decode.
        """
        offset, indexes = (
            valid(model.offset, y.shape, size),
            valid(model.indexes, y.shape, size),
        )
        symbols = self._decoder.get(model.table, indexes.astype(np.int32))
        return place(symbols + offset, y.shape)


def rounded(
    y: Array, model: EntropyModel, tables: TableSets, size: Array | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What an encoder makes of the valid part of a latent `[1, H, W, C]`, on the host.

    Args:
        y, model, size: as a `Coder` is given them.
        tables: what integers cost, if the model has a price.

    Returns:
        `[1, h, w, C]` each: the offset, float32; the rows of the tables, the integers, int32.
    """
    offset, indexes = (
        valid(model.offset, y.shape, size),
        valid(model.indexes, y.shape, size),
    )
    indexes, r = indexes.astype(np.int32), valid(y, y.shape, size) - offset
    symbols = np.floor(r + np.float32(0.5))
    symbols = np.clip(symbols, -MAX_SYMBOL, MAX_SYMBOL).astype(np.int32)
    if model.price:
        costs, some = tables[model.table], np.nonzero(symbols)
        nearest, rows = symbols[some], indexes[some]
        lower = nearest - np.sign(nearest)
        saved = costs.bits(nearest, rows) - costs.bits(lower, rows)
        cheaper = is_cheaper(r[some], nearest, saved, np.float32(model.price))
        symbols[some] = np.where(cheaper, lower, nearest)
    return offset, indexes, symbols


def valid(a: Array, shape: tuple[int, ...], size: Array | None) -> np.ndarray:
    """`a`, broadcast to `[1, H, W, C]`, as float32 on the host, cut to its valid part."""
    height, width = shape[1:3] if size is None else map(int, size)
    return np.broadcast_to(np.asarray(a, np.float32), shape)[:, :height, :width]


def place(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`[1, h, w, C]` in the top left corner of zeros of a shape `[1, H, W, C]`."""
    out = np.zeros(shape, np.float32)
    out[:, : a.shape[1], : a.shape[2]] = a
    return out
