"""Contexts: what was decoded already, to predict what comes next. Integers throughout.

The latent is cut into slices of channels, a slice into the four positions of every 2x2
cell ("phases"). A pass codes some phases of a slice: all four at once, two as on a
checkerboard, or one; how many passes a slice gets is a setting, and need not be the same for
all slices. A small network refines the mean and scale that the hyperprior gave, from the
hyperprior's features and from all that was decoded before, phases as channels: nothing is
masked, for nothing that is not known yet is there. The lowest frequencies, the first slice, are
also predicted linearly from what is known of them.

    p(y | z) = prod_i prod_s p(y_i^s | features(z), y_<i, y_i^<s)

The channel-wise part after Minnen & Singh 2020 (arXiv:2007.08739), uneven slices with two
passes each after He et al. 2022 (arXiv:2203.10886), passes that differ between slices after
the abstract of Wang et al. 2023 (arXiv:2308.08723), whose schedule is not known here.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

from flax import linen as nn

from jaxlic.entropy.coder import Coder
from jaxlic.entropy.hyper import (
    ACTIVATION,
    ACTIVATION_MAX,
    INDEX_FRACTION,
    MEAN_FRACTION,
    QUALITY_LEVELS,
    quality_level,
)
from jaxlic.entropy.interpolation import interpolation
from jaxlic.entropy.models import LEVELS, IndexedGaussian
from jaxlic.nn.exact import ExactConv, ExactLinear, compand, steep
from jaxlic.ops.arrays import Array, namespace
from jaxlic.ops.bounds import clip
from jaxlic.ops.geometry import depth_to_space, keep, shrunk, space_to_depth

# Phases 0 1 / 2 3 of a cell, in the order of coding.
PHASES = {1: ((0, 1, 2, 3),), 2: ((0, 3), (1, 2)), 4: ((0,), (3,), (1,), (2,))}
_MAX_SHIFT = 2**12  # Of a mean, in sixteenths.
_MAX_MEAN = 2**15


class Slot(NamedTuple):
    """What one pass codes: channels `first` to `first + count`, at some phases."""

    first: int
    count: int
    phases: tuple[int, ...]

    def take(self, a: Array) -> Array:
        """`[B, H, W, C]` to `[B, H / 2, W / 2, len(phases) * count]`."""
        cells = space_to_depth(a[..., self.first : self.first + self.count], 2)
        parts = [cells[..., p * self.count : (p + 1) * self.count] for p in self.phases]
        return namespace(a).concatenate(parts, axis=-1)


def signed(slots: tuple[Slot, ...] | list[Slot]) -> list[Slot]:
    """Those of the first two slices."""
    first = sorted({slot.first for slot in slots})[:2]
    return [slot for slot in slots if slot.first in first]


class Known(NamedTuple):
    """What one pass has decoded, and what it had expected, `[B, H / 2, W / 2, ...]`.

    `signed` and `magnitude` are the symbols as networks see them: with their sign, and, where
    they see magnitudes, how large.
    """

    y_hat: Array
    mean: Array
    index: Array
    signed: Array
    magnitude: Array | None


class SpatialChannelContext(nn.Module):
    """Codes a latent pass by pass, each pass's distribution refined by those before.

    Attributes:
        slices: channels of each slice; their sum is the latent's. The first should be the
            lowest frequencies.
        passes: 1, 2 or 4 passes for each slice.
        summary: channels that the hyperprior's features are reduced to.
        hidden: width of the networks.
        correlation: of neighbours in the first slice, less the hyperprior's mean; its linear
            prediction starts with the best weights for a Markov field of that correlation.
            0 starts with none.
        magnitudes: the networks see how large symbols are; what they are, of the first two
            slices alone, for beyond the lowest frequencies that says nothing of others.
    """

    slices: tuple[int, ...] = (3, 13, 48, 64, 192)
    passes: tuple[int, ...] = (4, 2, 1, 1, 1)
    summary: int = 96
    hidden: int = 128
    correlation: float = 0.95
    magnitudes: bool = False

    def setup(self) -> None:
        slots = self.slots
        self.summarise = Summary(self.summary)
        self.refine = [
            Refinement(slots[: k + 1], self.hidden, self.correlation, self.magnitudes)
            for k in range(len(slots))
        ]
        self.assemble = Assembly(slots)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All passes, in coding order."""
        slots, first = [], 0
        for count, passes in zip(self.slices, self.passes, strict=True):
            slots += [Slot(first, count, phases) for phases in PHASES[passes]]
            first += count
        return tuple(slots)

    def code(
        self,
        y: Array,
        coder: Coder,
        model: IndexedGaussian,
        features: Array,
        quality: Array,
        size: Array | None = None,
    ) -> Array:
        """What the decoder knows of `y`, `[B, H, W, C]`, H and W even.

        `model` and `features` are the hyperprior's; `size` is the valid part of y.
        """
        decoded = self._decoded(y, coder, model, features, quality, size)
        return self.assemble([known.y_hat for known in decoded])

    def code_and_tell(
        self,
        y: Array,
        coder: Coder,
        model: IndexedGaussian,
        features: Array,
        quality: Array,
        size: Array | None = None,
    ) -> tuple[Array, IndexedGaussian]:
        """As `code`, and the distributions that `y` was coded with."""
        decoded = self._decoded(y, coder, model, features, quality, size)
        parts = ([known[i] for known in decoded] for i in range(3))
        y_hat, mean, index = map(self.assemble, parts)
        return y_hat, dataclasses.replace(model, offset=mean, indexes=index)

    def _decoded(self, y, coder, model, features, quality, size):
        summary = self.summarise(features, quality, size)
        decoded: list[Known] = []
        for k, refine in enumerate(self.refine):
            target, refined = refine(summary, decoded, y, model, size)
            y_hat = coder(f"y{k}", target, refined, shrunk(size, 2))
            symbols = (y_hat - refined.offset) * 2.0**MEAN_FRACTION
            told = compand(symbols), steep(symbols) if self.magnitudes else None
            decoded.append(Known(y_hat, refined.offset, refined.indexes, *told))
        return decoded

    def bound(self) -> float:
        """The largest partial sum any layer can reach; raises ValueError as `ExactConv`."""
        return max(self.summarise.bound(), *(refine.bound() for refine in self.refine))


class Summary(nn.Module):
    """The hyperprior's features, a cell's as channels, reduced by a 1x1 convolution."""

    features: int

    def setup(self) -> None:
        self.conv = ExactConv(
            self.features,
            1,
            in_fraction=ACTIVATION,
            in_max=ACTIVATION_MAX,
            out_fraction=ACTIVATION,
            low=0,
            high=ACTIVATION_MAX,
        )

    def __call__(self, features: Array, quality: Array, size: Array | None = None) -> Array:
        """Maps `[B, H, W, F]` and quality `[B]` to `[B, H / 2, W / 2, features]`."""
        cells = space_to_depth(keep(features, size), 2)
        level = quality_level(quality[:, None, None, None], QUALITY_LEVELS)
        xp = namespace(cells, level)
        level = xp.broadcast_to(level, (*cells.shape[:3], 1))
        return self.conv(xp.concatenate([cells, level], axis=-1))

    def bound(self) -> float:
        """As `ExactConv.bound`."""
        return self.conv.bound()


class Refinement(nn.Module):
    """Mean and scale of one pass: those of the hyperprior plus what a network adds.

    A 3x3 convolution over the summary and over the symbols of every pass before; then 1x1 to
    shifts of mean and scale, which start at zero. And a linear prediction of the mean from what
    is known of the first slice, less the hyperprior's mean.

    Attributes:
        slots: all passes up to this one.
        hidden: width.
        correlation, magnitudes: as of `SpatialChannelContext`.
    """

    slots: tuple[Slot, ...]
    hidden: int
    correlation: float = 0.0
    magnitudes: bool = False

    def setup(self) -> None:
        conv = functools.partial(ExactConv, in_fraction=ACTIVATION, in_max=ACTIVATION_MAX)
        slot = self.slots[-1]
        outputs = slot.count * len(slot.phases)
        self.conv = conv(self.hidden, 3, out_fraction=ACTIVATION, low=0, high=ACTIVATION_MAX)
        self.mean = conv(
            outputs, 1, out_fraction=MEAN_FRACTION, low=-_MAX_SHIFT, high=_MAX_SHIFT, gain=0.0
        )
        self.index = conv(
            outputs,
            1,
            out_fraction=INDEX_FRACTION,
            low=-LEVELS,
            high=LEVELS,
            gain=0.0,
            bias_rate=10.0,
        )
        first = tuple(s for s in self.slots[:-1] if s.first == 0)
        self.linear = None
        if first:
            start = None
            if slot.first == 0 and self.correlation:
                known = tuple(p for s in first for p in s.phases)
                start = functools.partial(
                    interpolation, known, slot.phases, slot.count, self.correlation
                )
            self.linear = ExactLinear(outputs, start)

    def __call__(
        self,
        summary: Array,
        decoded: list[Known],
        y: Array,
        model: IndexedGaussian,
        size: Array | None = None,
    ) -> tuple[Array, IndexedGaussian]:
        """This pass's part of `y` and its distribution.

        Args:
            summary: `[B, H / 2, W / 2, S]`.
            decoded: of the passes before.
            y: `[B, H, W, C]`.
            model: of `y`, as the hyperprior predicts it.
            size: the valid part of `y`.
        """
        *before, slot = self.slots
        half, unit, xp = shrunk(size, 2), 2.0**MEAN_FRACTION, namespace(summary)
        seen = [known.signed for known in decoded]
        if self.magnitudes:
            seen = seen[: len(signed(before))] + [known.magnitude for known in decoded]
        h = self.conv(keep(xp.concatenate([summary, *seen], axis=-1), half))
        shift = self.mean(h)
        if self.linear is not None:
            first = [
                known.y_hat - s.take(model.offset)
                for known, s in zip(decoded, before, strict=True)
                if s.first == 0
            ]
            shift = shift + self.linear(keep(xp.concatenate(first, axis=-1) * unit, half))
        mean = clip(slot.take(model.offset) * unit + shift, -_MAX_MEAN, _MAX_MEAN) / unit
        index = clip(slot.take(model.indexes) + self.index(h), 0, LEVELS - 1)
        return slot.take(y), dataclasses.replace(model, offset=mean, indexes=index)

    def bound(self) -> float:
        """As `ExactConv.bound`."""
        layers = [self.conv, self.mean, self.index]
        return max(layer.bound() for layer in [*layers, self.linear] if layer is not None)


class Assembly(nn.Module):
    """The passes' parts, back in the places of the latent."""

    slots: tuple[Slot, ...]

    def __call__(self, decoded: list[Array]) -> Array:
        """Parts `[B, H / 2, W / 2, ...]` to `[B, H, W, C]`."""
        xp = namespace(*decoded)
        slices: dict[int, dict[int, Array]] = {}
        for slot, part in zip(self.slots, decoded, strict=True):
            pieces = xp.split(part, len(slot.phases), axis=-1)
            slices.setdefault(slot.first, {}).update(zip(slot.phases, pieces, strict=True))
        cells = (xp.concatenate([g[p] for p in range(4)], axis=-1) for g in slices.values())
        return xp.concatenate([depth_to_space(c, 2) for c in cells], axis=-1)
