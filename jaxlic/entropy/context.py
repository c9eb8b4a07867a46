"""Contexts: what was decoded already, to predict what comes next. Integers throughout.

The latent is cut into groups of channels, a group into the four positions of every 2x2
cell ("phases"). A step codes some phases of a group: all four at once, two as on a
checkerboard, or one; how many steps a group gets is a setting, and need not be the same for
all groups. A small network refines the mean and scale that the hyperprior gave, from the
hyperprior's features and from all that was decoded before, phases as channels: nothing is
masked, for nothing that is not known yet is there.

    p(y | z) = prod_i prod_s p(y_i^s | features(z), y_<i, y_i^<s)

The channel-wise part after Minnen & Singh 2020 (arXiv:2007.08739), uneven groups with two
steps each after He et al. 2022 (arXiv:2203.10886), steps that differ between groups after
the abstract of Wang et al. 2023 (arXiv:2308.08723), whose schedule is not known here.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxlic.entropy.coder import Coder
from jaxlic.entropy.models import LEVELS, IndexedGaussian
from jaxlic.nn.exact import ExactConv, compand
from jaxlic.nn.hyper import (
    ACTIVATION,
    ACTIVATION_MAX,
    INDEX_FRACTION,
    MEAN_FRACTION,
    QUALITY_LEVELS,
    quality_level,
)
from jaxlic.nn.staged import staged
from jaxlic.ops.bounds import clip
from jaxlic.ops.geometry import depth_to_space, keep, shrunk, space_to_depth

# Phases 0 1 / 2 3 of a cell, in the order of coding.
PHASES = {1: ((0, 1, 2, 3),), 2: ((0, 3), (1, 2)), 4: ((0,), (3,), (1,), (2,))}
_MAX_SHIFT = 2**12  # Of a mean, in sixteenths.


class Slot(NamedTuple):
    """What one step codes: channels `first` to `first + count`, at some phases."""

    first: int
    count: int
    phases: tuple[int, ...]

    def take(self, a: jax.Array) -> jax.Array:
        """`[B, H, W, C]` to `[B, H / 2, W / 2, len(phases) * count]`."""
        cells = space_to_depth(a[..., self.first : self.first + self.count], 2)
        parts = [cells[..., p * self.count : (p + 1) * self.count] for p in self.phases]
        return jnp.concatenate(parts, axis=-1)


class SpatialChannelContext(nn.Module):
    """Codes a latent step by step, each step's distribution refined by those before.

    Attributes:
        groups: channels of each group; their sum is the latent's.
        steps: 1, 2 or 4 steps for each group.
        summary: channels that the hyperprior's features are reduced to.
        hidden: width of the networks.
    """

    groups: tuple[int, ...] = (16, 16, 32, 64, 192)
    steps: tuple[int, ...] = (4, 2, 2, 1, 1)
    summary: int = 96
    hidden: int = 128

    def setup(self) -> None:
        slots = self.slots
        self.summarise = Summary(self.summary)
        self.refine = [Refinement(slots[: k + 1], self.hidden) for k in range(len(slots))]
        self.assemble = Assembly(slots)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All steps, in coding order."""
        slots, first = [], 0
        for count, steps in zip(self.groups, self.steps, strict=True):
            slots += [Slot(first, count, phases) for phases in PHASES[steps]]
            first += count
        return tuple(slots)

    def code(
        self,
        y: jax.Array,
        coder: Coder,
        model: IndexedGaussian,
        features: jax.Array,
        quality: jax.Array,
        size: jax.Array | None = None,
    ) -> jax.Array:
        """What the decoder knows of `y`, `[B, H, W, C]`, H and W even.

        `model` and `features` are the hyperprior's; `size` is the valid part of y.
        """
        summary = staged(self.summarise, features, quality, size)
        decoded: list[jax.Array] = []
        for k, refine in enumerate(self.refine):
            target, refined = staged(refine, summary, decoded, y, model, size)
            decoded.append(coder(f"y{k}", target, refined, shrunk(size, 2)))
        return staged(self.assemble, decoded)

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

    def __call__(
        self, features: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, F]` and quality `[B]` to `[B, H / 2, W / 2, features]`."""
        cells = space_to_depth(keep(features, size), 2)
        level = quality_level(quality[:, None, None, None], QUALITY_LEVELS)
        level = jnp.broadcast_to(level, (*cells.shape[:3], 1))
        return self.conv(jnp.concatenate([cells, level], axis=-1))

    def bound(self) -> float:
        """As `ExactConv.bound`."""
        return self.conv.bound()


class Refinement(nn.Module):
    """Mean and scale of one step: those of the hyperprior plus what a network adds.

    A 3x3 convolution over the summary and, for every step before, over the difference between
    what was decoded and the hyperprior's mean; then 1x1 to shifts of mean and scale, which
    start at zero.

    Attributes:
        slots: all steps up to this one.
        hidden: width.
    """

    slots: tuple[Slot, ...]
    hidden: int

    def setup(self) -> None:
        inner = dict(in_fraction=ACTIVATION, in_max=ACTIVATION_MAX)
        slot = self.slots[-1]
        outputs = slot.count * len(slot.phases)
        self.conv = ExactConv(
            self.hidden, 3, **inner, out_fraction=ACTIVATION, low=0, high=ACTIVATION_MAX
        )
        shift = dict(low=-_MAX_SHIFT, high=_MAX_SHIFT, gain=0.0)
        self.mean = ExactConv(outputs, 1, **inner, out_fraction=MEAN_FRACTION, **shift)
        shift = dict(low=-LEVELS, high=LEVELS, gain=0.0)
        self.index = ExactConv(outputs, 1, **inner, out_fraction=INDEX_FRACTION, **shift)

    def __call__(
        self,
        summary: jax.Array,
        decoded: list[jax.Array],
        y: jax.Array,
        model: IndexedGaussian,
        size: jax.Array | None = None,
    ) -> tuple[jax.Array, IndexedGaussian]:
        """This step's part of `y` and its distribution.

        Args:
            summary: `[B, H / 2, W / 2, S]`.
            decoded: what the coder returned for the steps before.
            y: `[B, H, W, C]`.
            model: of `y`, as the hyperprior predicts it.
            size: the valid part of `y`.
        """
        *before, slot = self.slots
        known = [
            compand((part - s.take(model.offset)) * 2.0**MEAN_FRACTION)
            for part, s in zip(decoded, before, strict=True)
        ]
        h = keep(jnp.concatenate([summary, *known], axis=-1), shrunk(size, 2))
        h = self.conv(h)
        mean = slot.take(model.offset) + self.mean(h) * 2.0**-MEAN_FRACTION
        index = clip(slot.take(model.indexes) + self.index(h), 0, LEVELS - 1)
        return slot.take(y), IndexedGaussian(mean, index)

    def bound(self) -> float:
        """The largest partial sum any layer can reach; raises ValueError as `ExactConv`."""
        return max(layer.bound() for layer in (self.conv, self.mean, self.index))


class Assembly(nn.Module):
    """The steps' parts, back in the places of the latent."""

    slots: tuple[Slot, ...]

    def __call__(self, decoded: list[jax.Array]) -> jax.Array:
        """Parts `[B, H / 2, W / 2, ...]` to `[B, H, W, C]`."""
        groups: dict[int, dict[int, jax.Array]] = {}
        for slot, part in zip(self.slots, decoded, strict=True):
            pieces = jnp.split(part, len(slot.phases), axis=-1)
            groups.setdefault(slot.first, {}).update(zip(slot.phases, pieces, strict=True))
        cells = (jnp.concatenate([g[p] for p in range(4)], axis=-1) for g in groups.values())
        return jnp.concatenate([depth_to_space(c, 2) for c in cells], axis=-1)
