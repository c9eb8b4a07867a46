"""Dynamic-kernel codec: content decides where the transforms look; contexts decide the rate.

After Wang, Fu, Chen & Liu 2023, "Dynamic Kernel-Based Adaptive Spatial Aggregation for
Learned Image Compression", arXiv:2308.08723, reconstructed: only the abstract and summaries
of the paper were at hand. From them: residual groups of dynamic kernels with shared weights
in the transforms and in the hyperprior, and an entropy model with hyperprior, channel and
spatial context whose spatial part differs between slices of channels. Every width, depth and
schedule is ours.

The codec is the `Hyperprior` of `codecs/hyperprior.py` with groups put into its transforms
and its hyper-analysis, and with a context. The hyper-synthesis has no dynamic kernels: it
lies on the path from bytes to tables, which is integer arithmetic.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
from flax import linen as nn

from jaxlic.codecs.hyperprior import INT8, LIMITS, Hyperprior, lapped_halo
from jaxlic.codecs.transform import transform_codec
from jaxlic.core import Builder
from jaxlic.entropy.context import PHASES, SpatialChannelContext
from jaxlic.entropy.hyper import HyperAnalysis
from jaxlic.nn import dynamic_conv
from jaxlic.nn.dynamic_conv import DynamicConv
from jaxlic.nn.groups import ResidualGroup
from jaxlic.nn.restoration import Restoration
from jaxlic.nn.transforms import ConvAnalysis, ConvSynthesis, LappedAnalysis, LappedSynthesis

# What an ablation may put in place of a dynamic kernel.
KERNELS: dict[str, Callable[..., nn.Module]] = {
    "dynamic": DynamicConv,
    "sigmoid": functools.partial(DynamicConv, modulation=dynamic_conv.sigmoid),
    "unbounded": functools.partial(DynamicConv, modulation=dynamic_conv.unbounded),
    "offsets-only": functools.partial(DynamicConv, modulation=dynamic_conv.uniform),
    "modulation-only": functools.partial(DynamicConv, offsets=False),
    "depthwise": dynamic_conv.SeparableConv,
    "plain": dynamic_conv.PlainConv,
}
_RESTORATION_RADIUS = 2
SLICES, PASSES = (3, 13, 48, 64, 192), (4, 2, 2, 2, 2)
LEARNED_SLICES = (16, 16, 32, 64, 192)


def lapped(
    *,
    features: int = 128,
    latents: int = 320,
    hidden: int = 192,
    blocks: tuple[int, int] = (2, 2),
    kernel: str = "dynamic",
    kernel_hidden: tuple[int, int] = (128, 192),
    kernel_blocks: tuple[int, int] = (2, 1),
    radius: tuple[int, int] = (2, 2),
    hyper_kernel: bool = True,
    slices: tuple[int, ...] = SLICES,
    passes: tuple[int, ...] = PASSES,
    summary: int = 96,
    context_hidden: int = 128,
    error_price: float = 0.0,
    restoration: int = 0,
    restoration_kernel: str = "plain",
) -> Hyperprior:
    """The small codec, for CPUs: groups at 1/8 and 1/16 inside the lapped transforms.

    Args:
        features, latents, hidden, blocks: as of `hyperprior.lapped`; with the same values its
            weights can be trained on.
        kernel: one of `KERNELS`, in the transforms and the hyper-analysis.
        kernel_hidden, kernel_blocks, radius: width of the groups, blocks a group, longest
            offset in samples; at 1/8 and at 1/16.
        hyper_kernel: whether the hyper-analysis has a group too.
        slices, passes, summary, context_hidden: as of `SpatialChannelContext`; no passes, no
            context.
        error_price: as of `Hyperprior`.
        restoration, restoration_kernel: hidden channels and kernel of the `Restoration` that
            ends the synthesis; 0 for none.

    Raises:
        ValueError: if the kernel is not known, a width is no multiple of its groups of 16
            channels, or slices and passes do not fit.
    """
    first, last = blocks
    scales = list(zip(kernel_hidden, kernel_blocks, radius, strict=True))

    def made() -> list[nn.Module]:
        return [_group(kernel, *scale, knee=0.25) for scale in scales]

    hyper = _group(kernel, 64, 1, 1) if hyper_kernel else None
    cells = zip((8, 16), kernel_blocks, radius, strict=True)
    reach = sum(cell * count * (longest + 1) for cell, count, longest in cells)
    restore = None
    if restoration:
        _check_width(restoration_kernel, restoration)
        kind = _kernel(restoration_kernel, _RESTORATION_RADIUS)
        restore = Restoration(hidden=restoration, kernel=kind)
        reach += 32 + 8 * (_RESTORATION_RADIUS + 1)
    return Hyperprior(
        LappedAnalysis(features, latents, hidden, (first, last), tuple(made())),
        LappedSynthesis(features, latents, hidden, (first, last), tuple(made()[::-1]), restore),
        HyperAnalysis(group=hyper),
        latents=latents,
        context=_context(latents, slices, passes, summary, context_hidden),
        halo=lapped_halo(first, last, reach),
        error_price=error_price,
    )


def convolutional(
    *,
    features: int = 192,
    latents: int = 320,
    kernel: str = "dynamic",
    kernel_hidden: int = 192,
    kernel_blocks: tuple[int, int, int] = (3, 3, 3),
    radius: int = 2,
    hyper_kernel: bool = True,
    slices: tuple[int, ...] = LEARNED_SLICES,
    passes: tuple[int, ...] = PASSES,
    summary: int = 192,
    context_hidden: int = 224,
    correlation: float = 0.0,
    error_price: float = 0.0,
) -> Hyperprior:
    """The large codec, for accelerators: groups at 1/4, 1/8 and 1/16 of published transforms.

    Arguments and errors as of `lapped`, but for these: `kernel_blocks` are those at 1/4, 1/8
    and 1/16, 0 for no group there; the groups end in 3x3 convolutions. Channels are learned
    and have no order of frequency, so that slices are those of ELIC (He et al. 2022,
    arXiv:2203.10886), and the first is predicted linearly by what is learned alone, unless
    `correlation` is above zero (`SpatialChannelContext`).
    """

    def made() -> list[Callable[..., jax.Array]]:
        group = functools.partial(_group, kernel, kernel_hidden)
        return [
            group(blocks, radius, tail=3, scanned=True) if blocks else _nothing
            for blocks in kernel_blocks
        ]

    hyper = _group(kernel, kernel_hidden, 1, 1) if hyper_kernel else None
    cells = zip((4, 8, 16), kernel_blocks, strict=True)
    reach = 60 + sum(cell * (blocks * (radius + 2) + 1) for cell, blocks in cells if blocks)
    return Hyperprior(
        ConvAnalysis(features, latents, tuple(made())),
        ConvSynthesis(features, latents, tuple(made()[::-1])),
        HyperAnalysis(features, features, hyper),
        latents=latents,
        synthesis_features=(features, latents * 3 // 2),
        context=_context(latents, slices, passes, summary, context_hidden, correlation),
        halo=-(-reach // 64) * 64,
        error_price=error_price,
    )


def _nothing(x: jax.Array, quality: jax.Array, size: jax.Array | None = None) -> jax.Array:
    return x


def _group(kernel: str, hidden: int, blocks: int, radius: int, **settings) -> nn.Module:
    _check_width(kernel, hidden)
    if min(blocks, radius) < 1:
        raise ValueError(f"{blocks} blocks of radius {radius}: both must be 1 or more")
    return ResidualGroup(hidden, blocks, _kernel(kernel, radius), **settings)


def _check_width(kernel: str, hidden: int) -> None:
    whole = hidden % DynamicConv.group == 0 or kernel in ("depthwise", "plain")
    if hidden < 1 or not whole:
        raise ValueError(f"{kernel} kernels {hidden} wide: no multiple of {DynamicConv.group}")


@functools.cache  # One object for one kernel, so that equal models are equal.
def _kernel(name: str, radius: int) -> Callable[[int], nn.Module]:
    if name not in KERNELS:
        raise ValueError(f"kernels are {', '.join(KERNELS)}, got {name!r}")
    bounded = name in ("dynamic", "sigmoid", "unbounded", "offsets-only")
    return functools.partial(KERNELS[name], radius=radius) if bounded else KERNELS[name]


def _context(
    latents, slices, passes, summary, hidden, correlation=0.95
) -> SpatialChannelContext | None:
    if not passes:
        return None
    if sum(slices) != latents or min(slices) < 1:
        raise ValueError(f"slices {tuple(slices)} are not {latents} channels")
    if len(slices) != len(passes) or not set(passes) <= set(PHASES):
        raise ValueError(f"passes {tuple(passes)}: 1, 2 or 4 for each of {len(slices)} slices")
    return SpatialChannelContext(tuple(slices), tuple(passes), summary, hidden, correlation)


_INT8 = INT8 + r"|(groups_\d/.*|hyper_analysis/group/.*|refine_\d+/(conv|mean|index))/kernel$"
_LIMITS = (*LIMITS, ("kernel_blocks", 4), ("radius", 8))
BUILDERS = (
    Builder("dkic.lapped", lapped, transform_codec, _INT8, _LIMITS),
    Builder("dkic.convolutional", convolutional, transform_codec, _INT8, _LIMITS),
)
