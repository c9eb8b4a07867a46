"""A finer plane of a latent that was coded coarsely: three cells in the place of one.

A latent quantised with a step of 3 is known to within that step. The plane codes what is
left, with a step of 1, as integers near -1, 0 and 1: cells of an odd number nest, so nothing is
lost to having stopped on the way. (Embedded quantisation, as in bit planes: Taubman 2000, "High
performance scalable image compression with EBCOT"; three cells and what predicts them are
ours.)

    y = 3 y_coarse + mean + r,   r near {-1, 0, 1}

Mean and row of each r follow from what the coarse plane decoded, in integers. Where that is a
zero, the plane is as wide as the coarse distribution was; elsewhere it is all but uniform.
"""

from __future__ import annotations

import dataclasses
import functools

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

CELLS = 3
_ROW = np.log(MAX_SCALE / MIN_SCALE) / (LEVELS - 1)
_WIDER = round(float(np.log(CELLS) / _ROW))  # Rows between a scale and three times it.
_UNIFORM = round(float(np.log(0.87 / MIN_SCALE) / _ROW))  # The row next to uniform on three.
_MAX_SHIFT = 32  # Of a mean, in sixteenths.


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
        # What a coarse integer other than zero does: its sign to the mean, itself to the row.
        self.own_mean = ExactGain(MEAN_FRACTION)
        self.own_index = ExactGain(INDEX_FRACTION, start=1.0)

    def code(
        self,
        y: Array,
        coder: Coder,
        coarse: Array,
        model: IndexedGaussian,
        features: Array,
        quality: Array,
        size: Array | None = None,
    ) -> Array:
        """What the decoder knows of `y`, `[B, H, W, C]`, in fine steps.

        Args:
            y: the latent in fine steps.
            coder: asked for `r0`, `r1` and so on, one for each group.
            coarse: what was decoded of `y / 3`, with `model`.
            model: what it was coded with.
            features: of the hyper-synthesis, integers `[B, H, W, F]`.
            quality: `[B]`.
            size: the valid part of y.
        """
        plane = self(coarse, model, features, quality, size)
        left, parts, first = y - CELLS * coarse, [], 0
        for k, count in enumerate(self.groups):
            part = slice(first, first + count)
            own = dataclasses.replace(
                plane, offset=plane.offset[..., part], indexes=plane.indexes[..., part]
            )
            parts.append(coder(f"r{k}", left[..., part], own, size))
            first += count
        return CELLS * coarse + namespace(*parts).concatenate(parts, axis=-1)

    def __call__(
        self,
        coarse: Array,
        model: IndexedGaussian,
        features: Array,
        quality: Array,
        size: Array | None = None,
    ) -> IndexedGaussian:
        """The distribution of the plane; arguments as of `code`."""
        symbols = coarse - model.offset
        level = quality_level(quality[:, None, None, None], QUALITY_LEVELS)
        xp = namespace(features, symbols)
        level = xp.broadcast_to(level, (*symbols.shape[:3], 1))
        seen = [features, compand(symbols * 2.0**MEAN_FRACTION), level]
        h = self.join(keep(xp.concatenate(seen, axis=-1), size))
        h = self.conv(keep(h, size))
        sign = xp.clip(symbols, -1, 1)
        mean = clip(self.mean(h) + self.own_mean(sign), -_MAX_SHIFT, _MAX_SHIFT)
        index = clip(model.indexes + _WIDER + self.own_index(abs(sign)), 0, _UNIFORM)
        index = clip(index + self.index(h), 0, LEVELS - 1)
        return dataclasses.replace(
            model, offset=mean / 2.0**MEAN_FRACTION, indexes=index, table="refinement"
        )

    def bound(self) -> float:
        """The largest partial sum any layer can reach; raises ValueError as `ExactConv`."""
        return max(layer.bound() for layer in (self.join, self.conv, self.mean, self.index))
