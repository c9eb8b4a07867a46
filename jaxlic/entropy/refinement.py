"""A finer plane of a latent that was coded coarsely: half the step, as in bit planes.

A latent that was decoded with a step of 2 is known to within about that step. The plane codes
what is left, with a step of 1. A latent that was zero so far may become -1, 0 or 1; one that
was not, is in the lower or the upper half of its cell. So cells nest, all but at their edges,
and little is lost to having stopped on the way. (Embedded quantisation with a dead zone:
Taubman 2000, "High performance scalable image compression with EBCOT"; that networks say how
probable and where each half is, is ours.)

    y = 2 y_coarse + mean +- t

t is the integer that is coded, seen from zero: of a latent below, the sign is minus. Mean and
row of each follow from what the coarse plane decoded, in integers.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
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
from jaxlic.entropy.models import LEVELS, MAX_SCALE, MIN_SCALE, IndexedGaussian
from jaxlic.nn.exact import ExactConv, ExactGain, compand
from jaxlic.ops.arrays import Array, namespace
from jaxlic.ops.bounds import clip
from jaxlic.ops.geometry import keep
from jaxlic.ops.quantisation import round_ste

FINER = 2
_ROW = np.log(MAX_SCALE / MIN_SCALE) / (LEVELS - 1)
_WIDER = round(float(np.log(FINER) / _ROW))  # Rows between a scale and twice it.
_WIDEST = round(float(np.log(0.81 / MIN_SCALE) / _ROW))  # Next to uniform on a dead zone.
_ARRAYS = ("offset", "indexes", "halves")
_MAX_SHIFT = 32  # Of a mean, in sixteenths.
_LARGE = 2  # From so many steps on cells are halved elsewhere: mostly, they were halved before.


class Decoded(NamedTuple):
    """What is known of a latent after a plane, in its steps, `[B, H, W, C]`.

    Attributes:
        y_hat: the latent.
        steps: how many steps it is from where it was predicted before the first plane.
        model: what it was coded with, seen from zero.
    """

    y_hat: Array
    steps: Array
    model: IndexedGaussian


class PlaneRefinement(nn.Module):
    """Codes a fine plane, all positions of a group of channels at once.

    Attributes:
        groups: channels of each group; their sum is the latent's.
        hidden: width.
    """

    groups: tuple[int, ...]
    hidden: int = 96

    def setup(self) -> None:
        conv = functools.partial(ExactConv, in_fraction=ACTIVATION, in_max=ACTIVATION_MAX)
        hidden = functools.partial(conv, out_fraction=ACTIVATION, low=0, high=ACTIVATION_MAX)
        self.join = hidden(self.hidden, 1)
        self.conv = hidden(self.hidden, 3)
        self.mean = conv(
            sum(self.groups),
            1,
            out_fraction=MEAN_FRACTION,
            low=-_MAX_SHIFT,
            high=_MAX_SHIFT,
            gain=0.0,
        )
        self.index = conv(
            sum(self.groups),
            1,
            out_fraction=INDEX_FRACTION,
            low=-LEVELS,
            high=LEVELS,
            gain=0.0,
            bias_rate=10.0,
        )
        # Where the lower half of a cell is, seen from zero, what is different for those farther
        # away, and how wide the two are.
        self.near = ExactGain(MEAN_FRACTION, start=-0.3)
        self.far = ExactGain(MEAN_FRACTION, start=-0.15)
        self.half_index = ExactGain(INDEX_FRACTION, start=1.0)

    def code(
        self,
        y: Array,
        coder: Coder,
        coarse: Decoded,
        features: Array,
        quality: Array,
        size: Array | None = None,
        first: int = 0,
    ) -> Decoded:
        """What the decoder knows of `y`, `[B, H, W, C]`, in steps of this plane.

        Args:
            y: the latent, in steps of this plane.
            coder: asked for answers called `r0`, `r1` and so on, one for each group.
            coarse: what is known of `y`, in steps twice as large.
            features: of the hyper-synthesis, integers `[B, H, W, F]`.
            quality: `[B]`.
            size: the valid part of y.
            first: number of the first answer.
        """
        plane = self(coarse, features, quality, size)
        side = _where(coarse.steps < 0, -1, 1)
        left, parts, begin = (y - FINER * coarse.y_hat) * side, [], 0
        for k, count in enumerate(self.groups):
            part = (..., slice(begin, begin + count))
            own = dataclasses.replace(
                plane, **{name: getattr(plane, name)[part] for name in _ARRAYS}
            )
            parts.append(coder(f"r{first + k}", left[part], own, size))
            begin += count
        answers = namespace(*parts).concatenate(parts, axis=-1)
        # What is not there is between the halves, and stands for the lower one.
        symbols = round_ste(answers - plane.offset - np.float32(0.25))
        y_hat = FINER * coarse.y_hat + answers * side
        return Decoded(y_hat, FINER * coarse.steps + symbols * side, plane)

    def __call__(
        self, coarse: Decoded, features: Array, quality: Array, size: Array | None = None
    ) -> IndexedGaussian:
        """The distribution of the plane, seen from zero; arguments as of `code`.

        Whether a latent is zero so far is a decision: no gradient goes through it.
        """
        steps, model = coarse.steps, coarse.model
        level = quality_level(quality[:, None, None, None], QUALITY_LEVELS)
        xp = namespace(features, steps)
        level = xp.broadcast_to(level, (*steps.shape[:3], 1))
        seen = [features, compand(steps * 2.0**MEAN_FRACTION), level]
        h = self.join(keep(xp.concatenate(seen, axis=-1), size))
        h = self.conv(keep(h, size))
        sign = _where(steps > 0, 1, 0) - _where(steps < 0, 1, 0)
        halves, large = abs(sign), _where(abs(steps) < _LARGE, 0, sign)
        mean = self.mean(h) + self.near(sign) + self.far(large)
        mean = clip(mean, -_MAX_SHIFT, _MAX_SHIFT)
        zero = clip(model.scales + _WIDER, 0, _WIDEST) * (1 - halves)
        index = clip(zero + self.half_index(halves) + self.index(h), 0, LEVELS - 1)
        return dataclasses.replace(
            model,
            offset=mean / 2.0**MEAN_FRACTION * _where(steps < 0, -1, 1),
            indexes=index + LEVELS * halves,
            halves=halves,
            table="refinement",
        )

    def bound(self) -> float:
        """The largest partial sum any layer can reach; raises ValueError as `ExactConv`."""
        return max(layer.bound() for layer in (self.join, self.conv, self.mean, self.index))


def code_planes(
    planes: Sequence[PlaneRefinement],
    y: Array,
    coder: Coder,
    known: Decoded,
    features: Array,
    quality: Array,
    size: Array | None = None,
) -> Array:
    """What the decoder knows of `y` after all planes, one after the other.

    Args:
        planes: at least one.
        y: the latent `[B, H, W, C]`, in steps of the last plane.
        coder, features, quality, size: as of `PlaneRefinement.code`.
        known: of the latent before, in steps twice those of the first plane.
    """
    first = 0
    for k, plane in enumerate(planes):
        steps = y / np.float32(FINER ** (len(planes) - 1 - k))
        known = plane.code(steps, coder, known, features, quality, size, first)
        first += len(plane.groups)
    return known.y_hat


def _where(true, a, b):
    """`where` of float32, for arrays of either library."""
    a, b = (np.float32(n) if isinstance(n, int) else n for n in (a, b))
    return namespace(true).where(true, a, b)
