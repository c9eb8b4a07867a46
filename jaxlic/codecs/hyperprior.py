"""Mean-scale hyperprior: the base codec, and the file to read first.

    x -> analysis -> y -> code -> y_hat -> synthesis -> x_hat
    code: z = hyper-analysis(y), coded; mean, scale = hyper-synthesis(z_hat); y, coded

Source: Minnen, Ballé & Toderici 2018, arXiv:1809.02736 (without the autoregressive context);
the hyper-synthesis in integers after Ballé, Johnston & Minnen 2019; one model for all
rates by gains a channel after Cui et al. 2021, arXiv:2003.02012.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from flax import linen as nn

from jaxlic.codecs.transform import transform_codec
from jaxlic.core import MAX_QUALITY, MIN_QUALITY, Builder
from jaxlic.entropy.coder import Coder, Reader
from jaxlic.entropy.factorized import FactorizedPrior
from jaxlic.entropy.hyper import MAX_HYPER_LATENT, HyperAnalysis, HyperSynthesis
from jaxlic.entropy.models import LEVELS
from jaxlic.entropy.tables import TableSets, factorized_tables, gaussian_tables
from jaxlic.nn.gain import QualityGain
from jaxlic.nn.staged import staged
from jaxlic.nn.transforms import (
    ConvAnalysis,
    ConvSynthesis,
    LappedAnalysis,
    LappedSynthesis,
)
from jaxlic.ops.arrays import Array, namespace
from jaxlic.ops.bounds import clip
from jaxlic.ops.geometry import shrunk

MIN_LMBDA, MAX_LMBDA = 0.0015, 0.15


def lmbda(quality: Array, *, between: tuple[float, float] = (MIN_LMBDA, MAX_LMBDA)) -> Array:
    """The Lagrange multiplier of squared error that a quality stands for.

    Log-linear, by default from 0.0015 at quality 1 to 0.15 at quality 100, in bits a pixel per
    unit of 255**2 * MSE, the scale of CompressAI's published models (0.0018 to 0.18).

    >>> round(float(lmbda(50.5)), 4)
    0.015
    """
    t = (quality - MIN_QUALITY) / (MAX_QUALITY - MIN_QUALITY)
    return between[0] * (between[1] / between[0]) ** t


def ideal_step(lmbda: float) -> float:
    """The uniform quantiser step of an orthonormal transform that minimises the Lagrangian.

    At high rate a coefficient costs `-log2(step)` bits and adds `step**2 / 12` to the error
    of one of three colours: d/dstep of `-log2(step) + lmbda 255**2 step**2 / 36` is zero.
    """
    return float(np.sqrt(18 / (np.log(2) * lmbda)) / 255)


class Hyperprior(nn.Module):
    """A transform codec whose latent is Gaussian given a hyper-latent.

    Attributes:
        analysis_transform, synthesis_transform: `(array, quality, size) -> array`, a pair
            as in `nn/transforms.py`.
        hyper_analysis: `(latent, quality, size) -> hyper-latent`, as in `entropy/hyper.py`.
        latents: channels of the latent, as the transforms have them.
        synthesis_features: widths of the hyper-synthesis.
        context: what refines the hyper-synthesis's prediction by what was decoded before
            (`entropy/context.py`); None codes the latent in one step.
        halo: how far the transforms look, in pixels, rounded up to a multiple of `stride`.
        error_price: of the latent's `EntropyModel`: above 0 the encoder weighs bits against
            error. Weights want to be trained with the price they are used with.
        lambdas: what quality 1 and 100 stand for; decides where the gains start.
        anchors: of the gains.
        index_span: of the hyper-synthesis.
        extra: how many latents, the last, are coded from the hyper-synthesis alone; neither
            the hyper-analysis nor the context sees them.
    """

    analysis_transform: nn.Module
    synthesis_transform: nn.Module
    hyper_analysis: nn.Module
    latents: int = 320
    synthesis_features: tuple[int, int] = (128, 192)
    context: nn.Module | None = None
    halo: int = 128
    error_price: float = 0.0
    lambdas: tuple[float, float] = (MIN_LMBDA, MAX_LMBDA)
    anchors: int = 7
    index_span: int = 19
    extra: int = 0

    def setup(self) -> None:
        start, end = (float(-np.log(ideal_step(value))) for value in self.lambdas)
        self.gain = QualityGain(self.latents, start, end, self.anchors)
        self.inverse_gain = QualityGain(self.latents, -start, -end, self.anchors)
        self.hyper_synthesis = HyperSynthesis(
            self.synthesis_features, self.latents, self.index_span
        )
        self.prior = FactorizedPrior(self.hyper_analysis.latents)

    @property
    def latent_stride(self) -> int:
        """The ratio of image to latent."""
        return self.analysis_transform.stride

    @property
    def stride(self) -> int:
        """Height and width of an image must divide by this: that of the hyper-latent."""
        return 4 * self.latent_stride

    def analysis(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """`[B, H, W, 3]` in [0, 1] to the latent, in quantisation steps of `quality`."""
        return self.analysis_transform(x, quality, size) * self.gain(quality)

    def code(self, y: Array, coder: Coder, quality: Array, size: Array | None = None) -> Array:
        """The only place where latents are coded. Returns what the decoder knows of `y`."""
        y, rest = y[..., : self.latents - self.extra], y[..., self.latents - self.extra :]
        if isinstance(coder, Reader):
            z = np.zeros((1, *np.array(y.shape[1:3]) // 4, self.hyper_analysis.latents), "f4")
        else:
            z = staged(self.hyper_analysis, y, quality, size)
        z = clip(z, -MAX_HYPER_LATENT, MAX_HYPER_LATENT)
        z_hat = coder("z", z, self.prior(), shrunk(size, 4))
        model, features = self.hyper_synthesis(z_hat, quality, size)
        model = dataclasses.replace(model, price=self.error_price)
        model, after = (_channels(model, *n) for n in ((0, y.shape[-1]), (y.shape[-1], None)))
        if self.context is None:
            y_hat = coder("y", y, model, size)
        else:
            y_hat = self.context.code(y, coder, model, features, quality, size)
        if not self.extra:
            return y_hat
        rest = coder("rest", rest, after, size)
        return namespace(y_hat, rest).concatenate([y_hat, rest], axis=-1)

    def synthesis(
        self, y_hat: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """The decoded latent to `[B, H, W, 3]`, near [0, 1]."""
        return self.synthesis_transform(y_hat * self.inverse_gain(quality), quality, size)

    def lmbda(self, quality: float) -> float:
        """The Lagrange multiplier that a quality stands for, as of the function `lmbda`."""
        return float(lmbda(quality, between=self.lambdas))

    def tables(self) -> TableSets:
        """The integer tables that the latents are coded with, from the parameters."""
        return {
            "factorized": factorized_tables(self.prior()),
            "gaussian": gaussian_tables(),
        }

    @property
    def entropy_path(self) -> tuple[str, ...]:
        """The submodules that decoding latents depends on."""
        return ("hyper_synthesis", "prior", "context")

    @property
    def rows(self) -> tuple[tuple[str, int], ...]:
        """How many rows of each set of tables coding may ask for."""
        return ("factorized", self.hyper_analysis.latents), ("gaussian", LEVELS)

    def bound(self) -> float:
        """Proves that the path from bytes to tables is exact; see `nn/exact.py`."""
        bound = self.hyper_synthesis.bound()
        return bound if self.context is None else max(bound, self.context.bound())


def _channels(model, first, last):
    parts = {name: getattr(model, name)[..., first:last] for name in ("offset", "indexes")}
    return dataclasses.replace(model, **parts)


def lapped(
    *,
    features: int = 128,
    latents: int = 320,
    hidden: int = 192,
    blocks: tuple[int, int] = (2, 2),
    synthesis_hidden: int | None = None,
    synthesis_blocks: tuple[int, int] | None = None,
    error_price: float = 0.0,
) -> Hyperprior:
    """The cheap transforms: about 12 kMAC a pixel each way, made for CPUs.

    The synthesis is as wide and as deep as the analysis unless it is said otherwise.
    """
    first, last = blocks
    eighth, sixteenth = blocks if synthesis_blocks is None else synthesis_blocks
    width = hidden if synthesis_hidden is None else synthesis_hidden
    return Hyperprior(
        LappedAnalysis(features, latents, hidden, (first, last)),
        LappedSynthesis(features, latents, width, (eighth, sixteenth)),
        HyperAnalysis(),
        latents=latents,
        halo=lapped_halo(max(first, eighth), max(last, sixteenth)),
        error_price=error_price,
    )


def lapped_halo(eighth: int, sixteenth: int, more: int = 0) -> int:
    """How far lapped transforms of so many blocks at 1/8 and 1/16 look, and `more` pixels.

    48 are the transforms' own and those of the filter behind them.
    """
    reach = 48 + 8 * eighth + 16 * sixteenth + more
    return max(128, -(-reach // 64) * 64)


def convolutional(
    *, features: int = 128, latents: int = 192, error_price: float = 0.0
) -> Hyperprior:
    """The published transforms: N=128, M=192, or 192 and 320 for high rates; for GPUs."""
    return Hyperprior(
        ConvAnalysis(features, latents),
        ConvSynthesis(features, latents),
        HyperAnalysis(features, features),
        latents=latents,
        synthesis_features=(features, latents * 3 // 2),
        error_price=error_price,
    )


INT8 = r"(ResidualBlock_\d+/Conv_\d+|hyper_analysis/Conv_\d+|hyper_synthesis/\w+)/kernel$"
LIMITS = (("blocks", 8), ("synthesis_blocks", 8))
FREE = ("synthesis_hidden", "synthesis_blocks")
BUILDERS = (
    Builder("hyperprior.lapped", lapped, transform_codec, INT8, LIMITS, FREE),
    Builder("hyperprior.convolutional", convolutional, transform_codec, INT8),
)
