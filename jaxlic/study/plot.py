"""The scale drawn: just-noticeable differences of every codec over its bits, or its levels."""

from __future__ import annotations

import io
import math
from typing import Any

from jaxlic.study.analysis import Result

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_MARKS = "os^Dv<>"
MOST = 12  # Photographs that are drawn.


def draw(result: Result, *, format_: str = "png") -> bytes:
    """A panel a photograph, and one of the observers. Needs the extra `jaxlic[eval]`.

    Args:
        result: of triplets, not of A/B.
        format_: "png" or "svg".
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    study = result.study
    images = sorted({study.shown[v.picture].image for v in result.values})[:MOST]
    panels = len(images) + 1
    columns = min(3, panels)
    rows = math.ceil(panels / columns)
    figure, grid = pyplot.subplots(
        rows, columns, figsize=(4.2 * columns, 3.4 * rows), dpi=120, squeeze=False
    )
    axes = list(grid.flat)
    for ax, image in zip(axes, images, strict=False):
        _panel(ax, result, image)
    _observers(axes[len(images)], result)
    for ax in axes[panels:]:
        ax.set_axis_off()
    axes[0].legend(fontsize=8)
    out = io.BytesIO()
    figure.tight_layout()
    figure.savefig(out, format=format_)
    pyplot.close(figure)
    return out.getvalue()


def _panel(ax: Any, result: Result, image: int) -> None:
    study = result.study
    counted = all(s.bpp is not None for s in (study.shown[v.picture] for v in result.values))
    for number, codec in enumerate(study.codecs[1:-1]):
        own = [
            (v, study.shown[v.picture])
            for v in result.values
            if (study.shown[v.picture].image, study.shown[v.picture].codec) == (image, codec)
        ]
        points = sorted((s.bpp if counted else s.level, v) for v, s in own)
        x = [at for at, _ in points]
        y = [v.jnd for _, v in points]
        reach = [
            [v.jnd - v.low if v.low is not None else 0 for _, v in points],
            [v.high - v.jnd if v.high is not None else 0 for _, v in points],
        ]
        look = {"color": _COLOURS[number % 7], "marker": _MARKS[number % 7]}
        ax.errorbar(x, y, yerr=reach, label=codec, markersize=4, capsize=2, **look)
    ax.axhline(1, color="grey", linewidth=0.8, linestyle=":")
    ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
    ax.set_title(study.images[image], fontsize=9)
    ax.set_xlabel("bits a pixel" if counted else "level", fontsize=8)
    ax.set_ylabel("JND from the original", fontsize=8)
    ax.grid(alpha=0.3)


def _observers(ax: Any, result: Result) -> None:
    found = sorted(result.sensitivity.items(), key=lambda item: item[1])
    ax.plot([s for _, s in found], range(len(found)), "o", color="#0072b2", markersize=4)
    ax.set_yticks(range(len(found)), [f"{worker}" for worker, _ in found], fontsize=6)
    ax.set_xscale("log")
    ax.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    ax.minorticks_off()
    ax.axvline(1, color="grey", linewidth=0.8, linestyle=":")
    ax.set_title("observers", fontsize=9)
    ax.set_xlabel("sensitivity", fontsize=8)
    ax.grid(alpha=0.3)
