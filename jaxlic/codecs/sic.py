"""Progressive synonymous compression: one file, many rates, unsent detail drawn.

    x -> analysis -> y;  y / 4 -> code -> coarse plane;  what is left of y / 2 -> code -> a
    finer plane;  what is left of y -> code -> the finest
    level l sends the first answers of all; what is not sent is drawn from what the entropy
    model says of it; synthesis makes one picture of the synset of each draw

The objective and the idea, that a file names a set of pictures which look alike and that the
decoder picks one, are those of Liang, Niu, Wang, Xu & Zhang 2025, "Synonymous variational
inference for perceptual image compression", arXiv:2505.22438. The transforms are those of
`nn/pyramid.py`, the coarse plane is the codec `pyramid` at a low quality, and fine planes are
of `entropy/refinement.py`. What differs from the paper is in `docs/synonymous.md`.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxlic.codecs import pyramid
from jaxlic.codecs.hyperprior import ideal_step
from jaxlic.codecs.levelled import levelled_codec
from jaxlic.codecs.pyramid import INDEX_SPAN, LAMBDAS
from jaxlic.core import MAX_QUALITY, MIN_QUALITY, Builder
from jaxlic.entropy.coder import Coder
from jaxlic.entropy.context import SpatialChannelContext
from jaxlic.entropy.detail import Routed
from jaxlic.entropy.factorized import FactorizedPrior
from jaxlic.entropy.hyper import MAX_HYPER_LATENT, HyperAnalysis, HyperSynthesis
from jaxlic.entropy.models import LEVELS
from jaxlic.entropy.refinement import FINER, Decoded, PlaneRefinement, code_planes
from jaxlic.entropy.tables import TableSets, factorized_tables, gaussian_tables
from jaxlic.nn.gain import QualityGain
from jaxlic.nn.pyramid import ANCHORS
from jaxlic.nn.staged import staged
from jaxlic.nn.swin import SwinAnalysis, SwinSynthesis
from jaxlic.ops.arrays import Array, namespace
from jaxlic.ops.bounds import clip
from jaxlic.ops.geometry import shrunk

# The quality of the coarse plane is so much lower than that of the file, and steps of a quality
# an octave higher are half as large: of two fine planes the last has those of 8.25 above.
LOWER, OCTAVE = 31.5, 19.875
_PASSES = 2  # Of a level, at most.


class Synonymous(nn.Module):
    """A transform codec whose latent comes in nested levels.

    Level 1 holds the hyper-latent. The coarse plane is coded slice by slice, low frequencies
    first, two passes a level; then fine planes, of half the step each, group by group, one
    pass and level each.

    Attributes:
        analysis_transform, synthesis_transform, hyper_analysis, context: as of `Hyperprior`.
        refinement: of the fine planes; none for a codec of one plane, as the paper's.
        latents: channels of the latent, all of them in slices of the context.
        halo, error_price: as of `Hyperprior`.
    """

    analysis_transform: nn.Module
    synthesis_transform: nn.Module
    hyper_analysis: nn.Module
    context: SpatialChannelContext
    refinement: tuple[PlaneRefinement, ...]
    latents: int = 320
    synthesis_features: tuple[int, int] = (128, 192)
    halo: int = 192
    error_price: float = 10.0

    def setup(self) -> None:
        start, end = (float(-np.log(ideal_step(value))) for value in LAMBDAS)
        self.gain = QualityGain(self.latents, start, end, ANCHORS)
        self.inverse_gain = QualityGain(self.latents, -start, -end, ANCHORS)
        self.hyper_synthesis = HyperSynthesis(self.synthesis_features, self.latents, INDEX_SPAN)
        self.prior = FactorizedPrior(self.hyper_analysis.latents)

    @property
    def latent_stride(self) -> int:
        """The ratio of image to latent."""
        return self.analysis_transform.stride

    @property
    def stride(self) -> int:
        """Height and width of an image must divide by this: that of the hyper-latent."""
        return 4 * self.latent_stride

    @property
    def level_of(self) -> dict[str, int]:
        """By the name of an answer of `code`, in coding order, its level, from 0 on."""
        levels, level, answer = {"z": 0}, -1, 0
        for passes in self.context.passes:
            for k in range(passes):
                level += k % _PASSES == 0
                levels[f"y{answer}"] = level
                answer += 1
        return levels | {f"r{k}": level + 1 + k for k in range(len(self.groups))}

    @property
    def groups(self) -> tuple[int, ...]:
        """Channels of each level of the fine planes."""
        return tuple(count for plane in self.refinement for count in plane.groups)

    @property
    def cells(self) -> int:
        """How many steps of the last plane one of the first has."""
        return FINER ** len(self.refinement)

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return max(self.level_of.values()) + 1

    def analysis(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """`[B, H, W, 3]` in [0, 1] to the latent, in steps of the last plane."""
        gain = self.cells * self.gain(self._first(quality))
        return self.analysis_transform(x, quality, size) * gain

    def code(self, y: Array, coder: Coder, quality: Array, size: Array | None = None) -> Array:
        """The only place where latents are coded. Returns what the decoder knows of `y`."""
        low, coarse = self._first(quality), y / np.float32(self.cells)
        if isinstance(coder, Routed) and coder.reads:
            z = np.zeros((1, *np.array(y.shape[1:3]) // 4, self.hyper_analysis.latents), "f4")
        else:
            z = staged(self.hyper_analysis, coarse, low, size)
        z = clip(z, -MAX_HYPER_LATENT, MAX_HYPER_LATENT)
        z_hat = coder("z", z, self.prior(), shrunk(size, 4))
        model, features = self.hyper_synthesis(z_hat, low, size)
        model = dataclasses.replace(model, price=self.error_price)
        if not self.refinement:
            return self.context.code(coarse, coder, model, features, low, size)
        y_hat, expected = self.context.code_and_tell(coarse, coder, model, features, low, size)
        known = Decoded(y_hat, y_hat - expected.offset, expected)
        return code_planes(self.refinement, y, coder, known, features, quality, size)

    def synthesis(
        self,
        y_hat: jax.Array,
        quality: jax.Array,
        size: jax.Array | None = None,
        level: jax.Array | None = None,
    ) -> jax.Array:
        """The decoded latent to `[B, H, W, 3]`, near [0, 1]; `level` `[B]`, None for all."""
        low, groups = self._first(quality), len(self.groups)
        sent = groups if level is None else level - (self.levels - groups)
        octaves = len(self.refinement) * jnp.maximum(sent, 0) / max(groups, 1)
        told = jnp.minimum(low + OCTAVE * octaves, MAX_QUALITY)
        # As a latent of the quality whose steps are those of the level.
        scale = self.gain(told) * self.inverse_gain(told) / self.gain(low)
        return self.synthesis_transform(y_hat * scale / self.cells, told, size)

    def sent(self, shape: tuple[int, ...], level: jax.Array) -> jax.Array:
        """1 where, in `[B, h, w, C]`, the first `level` `[B]` levels hold the coarse plane."""
        levels, parts = self.level_of, []
        for k, slot in enumerate(self.context.slots):
            part = (levels[f"y{k}"] < level).astype(jnp.float32)[:, None, None, None]
            size = (shape[0], shape[1] // 2, shape[2] // 2, slot.count * len(slot.phases))
            parts.append(jnp.broadcast_to(part, size))
        return self.context.assemble(parts)

    def tables(self) -> TableSets:
        """The integer tables that the latents are coded with, from the parameters."""
        sets = {"factorized": factorized_tables(self.prior()), "gaussian": gaussian_tables()}
        return sets | ({"refinement": gaussian_tables(halves=True)} if self.refinement else {})

    @property
    def entropy_path(self) -> tuple[str, ...]:
        """The submodules that decoding latents depends on."""
        planes = (f"refinement_{k}" for k in range(len(self.refinement)))
        return ("hyper_synthesis", "prior", "context", *planes)

    @property
    def rows(self) -> tuple[tuple[str, int], ...]:
        """How many rows of each set of tables coding may ask for."""
        rows = ("factorized", self.hyper_analysis.latents), ("gaussian", LEVELS)
        return (*rows, ("refinement", 2 * LEVELS)) if self.refinement else rows

    def bound(self) -> float:
        """Proves that the path from bytes to tables is exact; see `nn/exact.py`."""
        parts = (self.hyper_synthesis, self.context, *self.refinement)
        return max(part.bound() for part in parts)

    def _first(self, quality):
        return coarser(quality) if self.refinement else quality


def coarser(quality: Array) -> Array:
    """The quality of the coarse plane, given that of the file; at least 1."""
    return namespace(quality).maximum(quality - np.float32(LOWER), np.float32(MIN_QUALITY))


def lapped(
    *,
    features: int = 192,
    latents: int = 320,
    learned: int = 128,
    hidden: int = 192,
    blocks: tuple[int, int] = (2, 2),
    analysis_widths: tuple[int, ...] = (32, 64, 128),
    analysis_depths: tuple[int, ...] = (1, 2, 3),
    synthesis_widths: tuple[int, int, int] = (32, 64, 128),
    synthesis_depths: tuple[int, int, int] = (1, 2, 2),
    synthesis_blocks: tuple[int, int] | None = None,
    slices: tuple[int, ...] = pyramid.SLICES,
    passes: tuple[int, ...] = pyramid.PASSES,
    groups: tuple[int, ...] = (64, 256),
    planes: int = 2,
    summary: int = 96,
    context_hidden: int = 128,
    plane_hidden: int = 64,
    error_price: float = 10.0,
    magnitudes: bool = False,
) -> Synonymous:
    """Made for CPUs: about 40 kMAC a pixel to decode; ten levels.

    Args:
        features to synthesis_blocks: as of `pyramid.lapped`.
        slices, passes, summary, context_hidden, magnitudes: as of `SpatialChannelContext`, for
            the coarse plane; the slices take all latents.
        groups, plane_hidden: as of `PlaneRefinement`, for each fine plane.
        planes: how many fine planes there are, one or more.
        error_price: as of `Hyperprior`.

    Raises:
        ValueError: if slices or groups do not take all latents, passes do not fit, or no plane.
    """
    known, fine = sum(slices), sum(groups)
    if not known == fine == latents or planes < 1:
        have = f"{known} latents in slices and {fine} in groups of {latents}"
        raise ValueError(f"{have}, {planes} planes")
    base = pyramid.lapped(
        features=features,
        latents=latents,
        learned=learned,
        hidden=hidden,
        blocks=blocks,
        analysis_widths=analysis_widths,
        analysis_depths=analysis_depths,
        synthesis_widths=synthesis_widths,
        synthesis_depths=synthesis_depths,
        synthesis_blocks=synthesis_blocks,
        slices=slices,
        passes=passes,
        summary=summary,
        context_hidden=context_hidden,
        magnitudes=magnitudes,
    )
    assert isinstance(base.context, SpatialChannelContext)
    return Synonymous(
        base.analysis_transform,
        base.synthesis_transform,
        base.hyper_analysis,
        base.context,
        tuple(PlaneRefinement(tuple(groups), plane_hidden) for _ in range(planes)),
        latents=latents,
        halo=base.halo,
        error_price=error_price,
    )


def swin(*, slices: int = 16, context_hidden: int = 48) -> Synonymous:
    """Transforms of the paper's size and its sixteen groups of channels; for GPUs.

    The entropy model is not the paper's, whose raster order takes 24,576 serial steps for a
    photograph: each group is coded in two passes, in integers. Swin windows lie on a grid, so
    that pictures of several tiles may show where tiles meet.

    Args:
        slices: how many groups the 512 channels are cut into, a divisor.
        context_hidden: as of `SpatialChannelContext`.
    """
    latents = 512
    if slices < 1 or latents % slices:
        raise ValueError(f"{latents} latents cannot be cut into {slices} slices")
    return Synonymous(
        SwinAnalysis(),
        SwinSynthesis(),
        HyperAnalysis(384, 192),
        SpatialChannelContext(
            (latents // slices,) * slices, (2,) * slices, 96, context_hidden, correlation=0.0
        ),
        (),
        latents=latents,
        synthesis_features=(256, 384),
        halo=640,
        error_price=0.0,
    )


INT8 = pyramid.INT8 + r"|refinement_\d+/(join|conv|mean|index)/kernel$"
BUILDERS = (
    Builder("sic.lapped", lapped, levelled_codec, INT8, (*pyramid.LIMITS, ("planes", 4))),
    Builder("sic.swin", swin, levelled_codec, r"/kernel$"),
)
