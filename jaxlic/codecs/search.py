"""The encoder's search: better integers for one picture; the decoder does not know.

Rounding, even weighed against bits, sees one latent at a time, and error where the transform is
orthonormal. The search sees the picture: from the plain encoding on, it moves integers by one
where that lowers

    bits + lmbda 255**2 (squared error) / 3

summed over pixels and colours. A step takes one gradient of the error with respect to the
latent, g in bits. For every integer, one more or one less changes the Lagrangian by about
`+-g + P + b`: b is the exact change of its own bits, from the tables, P the curvature of the
error, at first that of its channel, from one random probe. The best of those that gain are
moved, and the codec is asked what that did, through its context too. Each region of 64 pixels
keeps its new integers or takes back the old, and is bolder or more careful in the next step.

The bits change as predicted, within a hundredth; the error falls by half of what is predicted,
for integers that lie together make up for the same error. So each integer that was moved has
its P measured, from the gradients before and after, all that moved with it included: what did
more harm than good goes back in the next step, and is not tried again.

What integers do to the context of later ones is not differentiated, only counted afterwards:
with its gradient, several times as dear to compile, files came out equal (within 0.1 %). The
hyper-latent stays that of the first encoding, whose integers are priced as in `dkic` and
`pyramid` (of other models too): moving it, too, gained nothing.

Choosing latents anew for each picture: Campos et al. 2019, arXiv:1905.08964; Yang et al. 2020,
arXiv:2006.04240, by annealing. Moving integers by one, after the iterated conditional modes of
Besag 1986, "On the statistical analysis of dirty pictures", is ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import NamedTuple, Protocol

import numpy as np

from jaxlic.codecs.error import Picture, Synthesis, differentiated
from jaxlic.core import Params
from jaxlic.entropy.coder import Coder
from jaxlic.entropy.ledger import HYPER, Entry, Given, Ledger
from jaxlic.entropy.range_coder import RangeCoder
from jaxlic.entropy.tables import TableSets
from jaxlic.errors import ModelError
from jaxlic.ops.tiling import Tile

_REGION = 64  # Pixels.
_START_PRICE = 10.0  # Bits per squared step of error.
_SHARE, _LARGEST_SHARE = 0.25, 0.7  # Of the integers that would gain.
_BOLDER, _SHIER = 1.15, 0.5
_TOLERANCE = 1e-3
_LEAST_GAIN = 0.02  # Bits.
_CAUTION, _LEAST_CURVATURE = 1.15, 0.7  # Times the curvature of the channel.
_KEPT = ("y_hat", "bits", "up", "down")


class Search(Protocol):
    def __call__(
        self,
        params: Params,
        tables: TableSets,
        window: np.ndarray,
        y: np.ndarray,
        y_hat: np.ndarray,
        tile: Tile,
        quality: float,
        steps: int,
        range_coder: RangeCoder,
    ) -> Generator[None, None, list[bytes]]:
        """As `encode`, but looks for integers that cost less, in bits and in error.

        Args:
            params, tables, quality, range_coder: as of `encode`.
            window: uint8 `[h, w, 3]`, the pixels of the tile's window, as far as they exist.
            y: the tile's latent, as `analyse` gives it.
            y_hat: of the whole window; what lies outside the tile stays.
            tile: in samples of the latent.
            steps: how many times the synthesis is run and differentiated, at most.

        Yields:
            Nothing, after every step: a caller may show progress, or give up.

        Returns:
            The payloads of the tile.
        """
        ...


class Code(Protocol):
    def __call__(
        self, params: Params, y: np.ndarray, coder: Coder, quality: float
    ) -> np.ndarray:
        """Runs a model's `code` on a tile's latent `[h, w, C]`."""
        ...


class _State(NamedTuple):
    """Integers of a tile, and what is known of them.

    Attributes:
        y_hat, slope, up, down: `[h, w, C]`: the latent, the slope of the error in bits, the
            change of an integer's own bits if it were one more, or one less.
        cost: the Lagrangian of each region.
    """

    y_hat: np.ndarray
    slope: np.ndarray
    up: np.ndarray
    down: np.ndarray
    cost: np.ndarray


def searcher(
    model: Synthesis,
    lmbda: Callable[[float], float],
    code: Code,
    encode: Callable[..., list[bytes]],
) -> Search:
    """The `search` of a codec.

    Args:
        model: whose synthesis is differentiated.
        lmbda: as of `Codec`.
        code: runs its entropy path.
        encode: the codec's, with one more argument: latents that are given.
    """
    run, region = differentiated(model), max(1, _REGION // model.latent_stride)

    def search(
        params: Params,
        tables: TableSets,
        window: np.ndarray,
        y: np.ndarray,
        y_hat: np.ndarray,
        tile: Tile,
        quality: float,
        steps: int,
        range_coder: RangeCoder,
    ) -> Generator[None, None, list[bytes]]:
        bound = functools.partial(run, params)
        picture = Picture(bound, window, tile, quality, model.latent_stride)
        unit = lmbda(quality) / 3  # Bits per squared level of one colour.
        layout = _layout(functools.partial(code, params, quality=quality), tables, y.shape)

        def ask(y: np.ndarray, given: dict[str, np.ndarray], price: float) -> dict[str, Entry]:
            ledger = Ledger(tables)
            code(params, y, Given(ledger, given, price=price), quality)
            return ledger.entries

        def state(entries: dict[str, Entry]) -> _State:
            latent, bits, up, down = (_laid(entries, layout, y.shape, k) for k in _KEPT)
            error, gradient = picture.error(_placed(latent, y_hat, tile))
            cost = bits.sum(axis=-1) + unit * error
            return _State(latent, unit * gradient, up, down, _sums(cost, region))

        start = ask(y, {}, _START_PRICE)
        given = {HYPER: start[HYPER].y_hat} if HYPER in start else {}
        first = state(start)
        curvature = unit * picture.curvature(_placed(first.y_hat, y_hat, tile))
        best = yield from _descend(
            first, lambda y: state(ask(y, given, 0.0)), curvature, steps, region
        )
        return encode(params, tables, best, quality, range_coder, given)

    return search


def _descend(
    here: _State,
    evaluate: Callable[[np.ndarray], _State],
    curvature: np.ndarray,
    steps: int,
    region: int,
) -> Generator[None, None, np.ndarray]:
    """From a first state to the best latent found, a step at a time."""
    best, bound = here, here.cost
    least = _LEAST_CURVATURE * curvature
    curvature = np.broadcast_to(_CAUTION * curvature, here.y_hat.shape)
    share = np.full(bound.shape, _SHARE)
    for _ in range(steps):
        moves = _moves(here, curvature, share, region)
        if not moves.any():
            break
        found = evaluate(here.y_hat + moves)
        # Of a quadratic error: what the move met, what was moved beside it included.
        met = np.maximum(moves * (found.slope - here.slope) / 2, least)
        curvature = np.where(moves != 0, met, curvature)
        accepted = found.cost <= bound * (1 + _TOLERANCE)
        bound = np.minimum(bound, found.cost)
        share = np.where(accepted, np.minimum(share * _BOLDER, _LARGEST_SHARE), share * _SHIER)
        where = _spread(accepted, region, here.y_hat.shape)[..., None]
        parts = (
            np.where(where, new, old) for new, old in zip(found[:4], here[:4], strict=True)
        )
        here = _State(*parts, np.where(accepted, found.cost, here.cost))
        if found.cost.sum() < best.cost.sum():
            best = found
        yield
    return best.y_hat


def _moves(here: _State, curvature: np.ndarray, share: np.ndarray, region: int) -> np.ndarray:
    """-1, 0 or 1 for every integer: of each region the `share` that would gain most."""
    up, down = curvature + here.up + here.slope, curvature + here.down - here.slope
    gain = -np.minimum(up, down)
    where = np.nonzero(gain > _LEAST_GAIN)
    columns = share.shape[1]
    regions = where[0] // region * columns + where[1] // region
    order = np.lexsort((-gain[where], regions))
    counts = np.bincount(regions, minlength=share.size)
    rank = np.arange(len(order)) - (np.cumsum(counts) - counts)[regions[order]]
    chosen = order[rank < (share.ravel() * counts)[regions[order]]]
    where = tuple(axis[chosen] for axis in where)
    moves = np.zeros(gain.shape, np.float32)
    moves[where] = np.where(up[where] < down[where], 1, -1)
    return moves


def _layout(
    code: Callable[..., np.ndarray], tables: TableSets, shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """By the name of a latent where its integers lie: a latent of numbers is sent through."""
    ledger = Ledger(tables)
    code(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), ledger)
    found = {name: e.asked for name, e in ledger.entries.items() if name != HYPER}
    every = np.sort(np.concatenate([a.ravel() for a in found.values()]))
    if not np.array_equal(every, np.arange(np.prod(shape))):
        raise ModelError("this model codes other numbers than its latent's: it has no search")
    return {name: a.astype(np.int32) for name, a in found.items()}


def _laid(
    entries: dict[str, Entry], layout: dict[str, np.ndarray], shape: tuple[int, ...], kept: str
) -> np.ndarray:
    """One field of all entries, in the places of the latent."""
    out = np.empty(int(np.prod(shape)), np.float32)
    for name, places in layout.items():
        out[places] = getattr(entries[name], kept)
    return out.reshape(shape)


def _placed(latent: np.ndarray, around: np.ndarray, tile: Tile) -> np.ndarray:
    """A tile's latent in that of its window."""
    out = around.copy()
    top, left = np.subtract(tile.start, tile.window_start)
    out[top : top + tile.shape[0], left : left + tile.shape[1]] = latent
    return out


def _sums(a: np.ndarray, region: int) -> np.ndarray:
    """`[h, w]` summed over regions; those at the right and at the bottom may be smaller."""
    rows = np.add.reduceat(a, np.arange(0, a.shape[0], region), axis=0)
    return np.add.reduceat(rows, np.arange(0, a.shape[1], region), axis=1)


def _spread(a: np.ndarray, region: int, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse, but each sample of `[h, w]` gets all of its region's value."""
    return a.repeat(region, axis=0).repeat(region, axis=1)[: shape[0], : shape[1]]
