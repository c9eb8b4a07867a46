"""Three answers to "what is this latent, given its distribution?".

A codec writes its data flow once, as a method that asks a `Coder`. An `Estimator` answers
in training: it perturbs the latent and counts bits. A `Writer` rounds it and keeps the
symbols, a `Reader` ignores it and takes symbols from a file. Coders are the only objects
with state in the library, and none outlives the function that makes it. They may be asked
from plain Python control flow only, not inside `scan` or `remat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic import prng
from jaxlic.entropy.models import EntropyModel
from jaxlic.entropy.range_coder import RangeCoder
from jaxlic.entropy.tables import Tables
from jaxlic.ops.quantisation import Quantiser


class Coder(Protocol):
    """Asked for each latent in coding order; returns what the decoder will know of it."""

    def __call__(self, name: str, y: jax.Array, model: EntropyModel) -> jax.Array: ...


class Estimator:
    """Quantises with `quantise` and adds `model.bits`; differentiable."""

    def __init__(self, quantise: Quantiser, key: jax.Array):
        self._quantise, self._key = quantise, key
        self.bits: dict[str, jax.Array] = {}

    def __call__(self, name: str, y: jax.Array, model: EntropyModel) -> jax.Array:
        """`[B, ...]` to `[B, ...]`; `bits[name]` becomes `[B]`."""
        for_rate, y_hat = self._quantise(y, model.offset, prng.stream(self._key, name))
        bits = jnp.sum(model.bits(for_rate), axis=tuple(range(1, y.ndim)))
        self.bits[name] = self.bits.get(name, 0.0) + bits
        return y_hat


class Writer:
    """Rounds and entropy-codes one image (`B` = 1); `segments[name]` holds the bytes."""

    def __init__(self, tables: Mapping[str, Tables], coder: RangeCoder):
        self._tables, self._coder = tables, coder
        self.segments: dict[str, bytes] = {}

    def __call__(self, name: str, y: jax.Array, model: EntropyModel) -> jax.Array:
        """`[1, H, W, C]` to the quantised latent the decoder will have."""
        y, offset = np.asarray(y), np.asarray(model.offset)
        symbols = np.floor(y - offset + 0.5)
        symbols = np.clip(symbols, -(2**20), 2**20).astype(np.int32)
        indexes = _broadcast(model.indexes, y.shape)
        self.segments[name] = self._coder.encode(symbols, indexes, self._tables[model.table])
        return jnp.asarray(symbols.astype(np.float32) + offset)


class Reader:
    """Decodes one image (`B` = 1); of the latent it is given it uses the shape alone."""

    def __init__(
        self, tables: Mapping[str, Tables], coder: RangeCoder, segments: Mapping[str, bytes]
    ):
        self._tables, self._coder, self._segments = tables, coder, segments

    def __call__(self, name: str, y: jax.Array, model: EntropyModel) -> jax.Array:
        """The latent that `Writer` returned for the same segment.

        Raises:
            BitstreamError: if the segment does not decode.
        """
        indexes = _broadcast(model.indexes, y.shape)
        symbols = self._coder.decode(
            self._segments[name], indexes, self._tables[model.table]
        )
        return jnp.asarray(symbols.astype(np.float32) + np.asarray(model.offset))


def _broadcast(indexes, shape):
    return np.broadcast_to(np.asarray(indexes).astype(np.int32), shape)
