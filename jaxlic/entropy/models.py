"""Entropy models: values that say how probable an integer-quantised latent is.

A model is a pytree of distribution parameters, not a module; `bits` is what training asks.
What the coder asks is integer: `indexes` (a table for each symbol) and `offset` (where the
integer grid sits). The tables themselves are built once, when weights are exported, and
travel with them (`entropy/tables.py`).
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.arrays import Array
from jaxlic.ops.bounds import lower_bound

LEVELS = 64
MIN_SCALE, MAX_SCALE = 0.11, 256.0
LIKELIHOOD_FLOOR = 1e-9
HALF = np.float32(0.5)


class EntropyModel(Protocol):
    """What a coder needs to know about a latent.

    Attributes:
        table: name of the set of tables this latent is coded with.
        offset: the grid's position, in quantisation steps, broadcastable to the latent.
        indexes: integer-valued, the row of the table set for each element, likewise.
        price: how many bits a squared quantisation step of error is worth to the encoder,
            which then takes the cheapest integer (`ops.quantisation.is_cheaper`); 0 for the
            nearest. Decoders do not ask.
    """

    @property
    def table(self) -> str: ...

    @property
    def offset(self) -> Array: ...

    @property
    def indexes(self) -> Array: ...

    @property
    def price(self) -> float: ...

    def bits(self, y: jax.Array) -> jax.Array:
        """`-log2` of the probability of the unit bin around `y`, elementwise."""
        ...

    def place(self) -> EntropyModel:
        """The same values; gradients reach the offset only."""
        ...

    def shape(self) -> EntropyModel:
        """The same values; gradients reach everything but the offset."""
        ...


def scale_table() -> np.ndarray:
    """The 64 standard deviations, log-spaced from 0.11 to 256 quantisation steps.

    Source: Minnen et al. 2018, arXiv:1809.02736 (constants as in CompressAI).
    """
    return np.exp(np.linspace(np.log(MIN_SCALE), np.log(MAX_SCALE), LEVELS))


def scale_of(indexes: jax.Array) -> jax.Array:
    """The standard deviation that a row of `scale_table` stands for, or a place between."""
    step = np.log(MAX_SCALE / MIN_SCALE) / (LEVELS - 1)
    return MIN_SCALE * jnp.exp(step * indexes)


@flax.struct.dataclass
class IndexedGaussian:
    """A Gaussian whose scale is an entry of `scale_table`.

    Attributes:
        offset: where the grid sits, in quantisation steps, `[B, H, W, C]`: at the mean, or,
            where `halves`, half a step below it, so that integers 0 and 1 are as probable.
        indexes: integer-valued float in [0, 63], `[B, H, W, C]`, or in [64, 127] where
            `halves`; in training its gradient is that of the continuous log-scale.
        halves: 1 or 0, `[B, H, W, C]`; None for nowhere.
        table, price: as of `EntropyModel`.
    """

    offset: jax.Array
    indexes: jax.Array
    halves: jax.Array | None = None
    table: str = flax.struct.field(pytree_node=False, default="gaussian")
    price: float = flax.struct.field(pytree_node=False, default=0.0)

    @property
    def centre(self) -> Array:
        """How far the mean is from the offset: 0 or 1/2."""
        return np.zeros((), np.float32) if self.halves is None else self.halves * HALF

    @property
    def scales(self) -> Array:
        """The entries of `scale_table`, integer-valued floats in [0, 63]."""
        return self.indexes if self.halves is None else self.indexes - LEVELS * self.halves

    def bits(self, y: jax.Array) -> jax.Array:
        """Bits of the unit bin around `y`, elementwise; differentiable."""
        scale = scale_of(self.scales)
        v = jnp.abs(y - self.offset - self.centre)
        upper = 0.5 * jax.scipy.special.erfc((v - 0.5) / (scale * np.sqrt(2)))
        lower = 0.5 * jax.scipy.special.erfc((v + 0.5) / (scale * np.sqrt(2)))
        return -jnp.log2(lower_bound(upper - lower, LIKELIHOOD_FLOOR))

    def place(self) -> IndexedGaussian:
        """Gradients reach the mean only."""
        return dataclasses.replace(self, indexes=jax.lax.stop_gradient(self.indexes))

    def shape(self) -> IndexedGaussian:
        """Gradients reach the scale only."""
        return dataclasses.replace(self, offset=jax.lax.stop_gradient(self.offset))
