"""The pyramid codec: lapped transforms as a shortcut, a nonlinear pyramid beside them.

The `Hyperprior` of `codecs/hyperprior.py` with the transforms of `nn/pyramid.py`, the context
of `entropy/context.py` and a complete basis, so that the top of the scale is nearly
transparent: quality 1 to 100 stand for lambda from 0.0015 to 1.5.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxlic.codecs import hyperprior
from jaxlic.codecs.hyperprior import Hyperprior
from jaxlic.codecs.transform import transform_codec
from jaxlic.core import Builder
from jaxlic.entropy.context import PHASES, SpatialChannelContext
from jaxlic.entropy.hyper import HyperAnalysis
from jaxlic.nn.pyramid import ANCHORS, PyramidAnalysis, PyramidSynthesis

LAMBDAS = (0.0015, 1.5)
# By how many scale indices the steps of the two differ.
INDEX_SPAN = 29
SLICES, PASSES = (3, 13, 48, 64, 192), (4, 2, 2, 2, 2)


def lapped(
    *,
    features: int = 192,
    latents: int = 768,
    learned: int = 128,
    hidden: int = 192,
    blocks: tuple[int, int] = (2, 2),
    analysis_widths: tuple[int, ...] = (32, 64, 128),
    analysis_depths: tuple[int, ...] = (1, 2, 3),
    synthesis_widths: tuple[int, int, int] = (32, 64, 128),
    synthesis_depths: tuple[int, int, int] = (1, 2, 3),
    synthesis_blocks: tuple[int, int] | None = None,
    slices: tuple[int, ...] = SLICES,
    passes: tuple[int, ...] = PASSES,
    summary: int = 96,
    context_hidden: int = 128,
    magnitudes: bool = False,
    error_price: float = 10.0,
) -> Hyperprior:
    """Made for CPUs: about 50 kMAC a pixel each way.

    Args:
        features, latents, hidden, blocks: as of `PyramidAnalysis`.
        learned: how many features are learned; as many latents as there are in the slices.
        analysis_widths, analysis_depths: of the pyramid of the analysis, from 1/2 to 1/8.
        synthesis_widths, synthesis_depths: of that of the synthesis.
        synthesis_blocks: as `blocks`, of the synthesis; None for as many as in the analysis.
        slices, passes, summary, context_hidden, magnitudes: as of `SpatialChannelContext`.
            Latents beyond the slices are coded without context.
        error_price: as of `Hyperprior`.

    Raises:
        ValueError: if slices and passes do not fit, or exceed the latents.
    """
    known = sum(slices)
    if known > latents or learned > features:
        raise ValueError(
            f"{known} latents in slices and {learned} learned features, "
            f"but {latents} latents and {features} features in all"
        )
    if len(slices) != len(passes) or not set(passes) <= set(PHASES):
        raise ValueError(f"passes {tuple(passes)}: 1, 2 or 4 for each of {len(slices)} slices")
    last = blocks if synthesis_blocks is None else synthesis_blocks
    return Hyperprior(
        PyramidAnalysis(
            features=features,
            latents=latents,
            learned=(learned, known),
            hidden=hidden,
            blocks=(blocks[0], blocks[1]),
            widths=tuple(analysis_widths),
            depths=tuple(analysis_depths),
        ),
        PyramidSynthesis(
            features=features,
            latents=latents,
            learned=(learned, known),
            hidden=hidden,
            blocks=(last[0], last[1]),
            widths=(synthesis_widths[0], synthesis_widths[1], synthesis_widths[2]),
            depths=(synthesis_depths[0], synthesis_depths[1], synthesis_depths[2]),
        ),
        HyperAnalysis(),
        latents=latents,
        context=SpatialChannelContext(
            tuple(slices), tuple(passes), summary, context_hidden, magnitudes=magnitudes
        ),
        halo=_halo([max(pair) for pair in zip(blocks, last, strict=True)], synthesis_depths),
        error_price=error_price,
        lambdas=LAMBDAS,
        anchors=ANCHORS,
        index_span=INDEX_SPAN,
        extra=latents - known,
    )


def _halo(blocks: Sequence[int], depths: Sequence[int]) -> int:
    """The synthesis of shipped depths looks 160 pixels far; a block adds two of its cells."""
    cells = zip((16, 8, 8, 4, 2), (*blocks[::-1], *depths[::-1]), (2, 2, 3, 2, 1), strict=True)
    reach = 160 + sum(2 * cell * (count - known) for cell, count, known in cells)
    return max(192, -(-reach // 64) * 64)


INT8 = (
    hyperprior.INT8 + r"|(refine_\d+/(conv|mean|index)|descent/.*|eighth_\d+/.*|coefficients"
    r"|add|restoration/(half_\d+/.*|(up|in|out)_\d))/kernel$"
)
FREE = ("synthesis_widths", "synthesis_depths", "synthesis_blocks")
_NAMES = ("blocks", "analysis_depths", "synthesis_depths", "synthesis_blocks")
LIMITS = tuple((name, 8) for name in _NAMES)
BUILDERS = (Builder("pyramid.lapped", lapped, transform_codec, INT8, LIMITS, FREE),)
