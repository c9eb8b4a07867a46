"""Detail that was not sent, drawn at the decoder: the same integers on every machine.

A file that was cut says nothing of its later levels. What the entropy model says of them is
still there: for every latent where the integers begin, in sixteenths, and a row of tables. A
sampler turns the row and sixteen random bits into an integer, as if it had been sent, or into
the mean, which may lie halfway between two. All of this is integer arithmetic
(`docs/bitstream.md`).

(Liang et al. 2025, arXiv:2505.22438, call the latents that are sent the synonymous part, the
others the detailed part, and all pictures that share the former a synset.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient

from jaxlic import prng
from jaxlic.entropy.coder import Coder, Reader, place, valid
from jaxlic.entropy.models import HALF, LEVELS, EntropyModel, IndexedGaussian, scale_of
from jaxlic.entropy.tables import PRECISION, TOTAL, Tables, TableSets
from jaxlic.errors import Error
from jaxlic.ops.arrays import Array
from jaxlic.ops.philox import philox


class Detail(NamedTuple):
    """What fills in for levels that are not there.

    Attributes:
        sampler: one of `SAMPLERS`.
        seed: 0 to 2**64 - 1.
        member: number of the sample: other members of one seed are other draws.
        tile: number of the tile that is being decoded.
    """

    sampler: str = "gaussian"
    seed: int = 0
    member: int = 0
    tile: int = 0

    def check(self) -> None:
        """Raises Error if there is no such draw."""
        if self.sampler not in SAMPLERS:
            raise Error(f"samplers are {', '.join(SAMPLERS)}, got {self.sampler!r}")
        for name, bits in (("seed", 64), ("member", 32)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or not 0 <= value < 2**bits:
                raise Error(f"{name} must be whole, 0 to 2^{bits} - 1, got {value}")

    def draw(self, tables: Tables, rows: np.ndarray, number: int) -> np.ndarray:
        """Integers, or means, for one answer of a codec, float32, in the shape of `rows`.

        Args:
            tables: the set that the latents would have been coded with, of rows as of
                `gaussian_tables`.
            rows: integers, the row of each.
            number: of the answer, in the order of coding.
        """
        flat = rows.ravel().astype(np.int64)
        drawn = SAMPLERS[self.sampler](tables, flat, lambda: self._bits(flat.size, number))
        return drawn.astype(np.float32).reshape(rows.shape)

    def _bits(self, count: int, number: int) -> np.ndarray:
        """Sixteen random bits for each of `count` elements, int64."""
        counter = np.empty((-(-count // 4), 4), np.uint32)
        counter[:, 0] = np.arange(len(counter))
        counter[:, 1:] = number, self.tile, self.member
        return (philox(self.seed, counter).ravel()[:count] >> 16).astype(np.int64)


def _mean(tables: Tables, rows: np.ndarray, bits: Callable[[], np.ndarray]) -> np.ndarray:
    """What a row's integers are on average: 0, or 1/2. No detail is drawn."""
    return HALF * (rows >= LEVELS)


def _gaussian(tables: Tables, rows: np.ndarray, bits: Callable[[], np.ndarray]) -> np.ndarray:
    """What the tables say: integer k as often as it has entries of 2**16.

    0 for the escape, and for entries of frequency 1: that every integer has, so that it can be
    coded, and a narrow row would draw outliers that no photograph has.
    """
    drawn, u = np.zeros(rows.shape, np.int64), bits()
    for row in np.unique(rows):
        which = rows == row
        frequencies = tables.row(int(row)).astype(np.int64)
        values = int(tables.offsets[row]) + np.arange(len(frequencies))
        values[frequencies == 1] = 0
        values[-1] = 0
        drawn[which] = values[np.searchsorted(np.cumsum(frequencies), u[which], side="right")]
    return drawn


def _uniform(tables: Tables, rows: np.ndarray, bits: Callable[[], np.ndarray]) -> np.ndarray:
    """Rounded from an interval around the middle that has the variance of the row."""
    width = np.zeros(len(tables.sizes), np.int64)
    for row in np.unique(rows):
        frequencies = tables.row(int(row)).astype(np.int64)[:-1]
        twice = 2 * (int(tables.offsets[row]) + np.arange(len(frequencies))) - (row >= LEVELS)
        width[row] = math.isqrt(3 * int(np.sum(frequencies * twice**2)) // 4)  # In 256ths.
    product = width[rows] * (2 * bits() + 1 - TOTAL)
    return (product + ((1 + (rows >= LEVELS)) << (PRECISION + 7))) >> (PRECISION + 8)


Sampler = Callable[[Tables, np.ndarray, Callable[[], np.ndarray]], np.ndarray]
SAMPLERS: dict[str, Sampler] = {"mean": _mean, "uniform": _uniform, "gaussian": _gaussian}
DRAWN, MEAN = Detail(), Detail("mean")


class Drawn:
    """A coder for what was not sent, on the host (`B` = 1).

    Args:
        detail: which draw.
        tables: of the model.
        numbers: of the answers, by name.
    """

    def __init__(self, detail: Detail, tables: TableSets, numbers: Mapping[str, int]):
        self._detail, self._tables, self._numbers = detail, tables, numbers

    def __call__(
        self, name: str, y: Array, model: EntropyModel, size: Array | None = None
    ) -> Array:
        """What `Reader` would return, had what is drawn been written."""
        rows, offset = (valid(a, y.shape, size) for a in (model.indexes, model.offset))
        symbols = self._detail.draw(self._tables[model.table], rows, self._numbers[name])
        return place(symbols + offset, y.shape)


class Routed:
    """Asks for each latent the coder of its level.

    Args:
        levels: by name of the latent its level.
        coders: of each level.

    Attributes:
        reads: whether the first level is read: then no latent is known.
    """

    def __init__(self, levels: Mapping[str, int], coders: Sequence[Coder]):
        self._levels, self._coders = levels, coders
        self.reads = isinstance(coders[0], Reader)

    def __call__(
        self, name: str, y: Array, model: EntropyModel, size: Array | None = None
    ) -> Array:
        """As of that coder."""
        return self._coders[self._levels[name]](name, y, model, size)


class Kept:
    """Asks another coder and keeps its answers by name, for `Masked`."""

    def __init__(self, coder: Coder):
        self._coder = coder
        self.answers: dict[str, Array] = {}

    def __call__(
        self, name: str, y: Array, model: EntropyModel, size: Array | None = None
    ) -> Array:
        """As of the other coder."""
        self.answers[name] = self._coder(name, y, model, size)
        return self.answers[name]


class Masked:
    """In training: what was sent up to a traced level, drawn detail beyond.

    No gradient reaches what says how detail is drawn: that learns from the rate of the levels,
    which it is coded at too.

    Args:
        levels: by name of the latent its level, from 0 on.
        sent: `[B]`, how many levels are sent to each image.
        answers: by name what was sent, `[B, ...]`.
        key: of the draws.
        spread: `[B]`, a factor of what is drawn; 0 for the mean.
    """

    def __init__(
        self,
        levels: Mapping[str, int],
        sent: jax.Array,
        answers: Mapping[str, Array],
        key: jax.Array,
        spread: jax.Array,
    ):
        self._levels, self._sent, self._answers = levels, sent, answers
        self._key, self._spread = key, spread

    def __call__(
        self, name: str, y: jax.Array, model: EntropyModel, size: jax.Array | None = None
    ) -> jax.Array:
        """`[B, H, W, C]`."""
        if not self._levels[name]:  # The first level is always sent.
            return self._answers[name]
        assert isinstance(model, IndexedGaussian)
        normal = jax.random.normal(prng.stream(self._key, name), y.shape)
        spread = self._spread[:, None, None, None]
        integers = jnp.round(model.centre + spread * scale_of(model.scales) * normal)
        drawn = model.offset + jnp.where(spread > 0, integers, model.centre)
        sent = (self._levels[name] < self._sent)[:, None, None, None]
        return jnp.where(sent, self._answers[name], stop_gradient(drawn))
