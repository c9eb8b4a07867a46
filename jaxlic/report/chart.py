"""Rate-distortion curves as SVG: labelled axes, marks told apart by shape, a title a point."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

import numpy as np

from jaxlic.report.judges import is_agreement, scaled

WIDTH, HEIGHT = 640, 420
COLOURS = 8  # Of the style sheet.
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 96, 14, 52
_SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    "M-3.6 -3.6h7.2v7.2h-7.2z",
    "M0 -4.8L4.6 3.6H-4.6z",
    "M0 -5L5 0L0 5L-5 0z",
    "M0 4.8L4.6 -3.6H-4.6z",
    "M-1.5 -4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "M-4 -2.4L0 -4.8L4 -2.4V2.4L0 4.8L-4 2.4z",
    "M-4.5 -1.6h9v3.2h-9z",
)
_NAMES = {
    "psnr": "PSNR of RGB",
    "psnr_y": "PSNR of luma",
    "ssim_y": "SSIM of luma",
    "ms_ssim": "MS-SSIM",
    "gmsd": "GMSD",
    "jnd_share": "share beyond JND",
    "jnd_excess": "excess over JND",
}

Curve = Sequence[tuple[float, float, float]]


def name(metric: str) -> str:
    """What people call a column of the records."""
    return _NAMES.get(metric, metric.replace("_", "-"))


def axis(metric: str) -> str:
    """The label of a metric's axis: its unit, and how it is drawn."""
    if metric.startswith("psnr"):
        return f"{name(metric)}, dB"
    if is_agreement(metric):
        return f"{name(metric)}, % of images"
    rest = "1 - x" if "ssim" in metric else "x"
    return f"{name(metric)}, dB: -10 log10({rest})"


def mark(i: int) -> str:
    """The mark of the codec of number `i`, for legends."""
    return (
        f'<svg class="mark c{i % COLOURS}" viewBox="-7 -7 14 14" aria-hidden="true">'
        f'<path d="{_SHAPES[i % len(_SHAPES)]}"/></svg>'
    )


def draw(
    curves: Mapping[str, Curve],
    metric: str,
    *,
    images: int,
    published: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> str:
    """An SVG of curves over the rate, which is on a logarithmic axis; up is better.

    Args:
        curves: by codec its points (quality, bits a pixel, value of the metric).
        metric: as records call it.
        images: over how many points are averages.
        published: points (bits a pixel, value) that are drawn faintly behind.

    Returns:
        The SVG element, for a page with the report's style sheet; "" if nothing is finite.
    """
    lines = {c: _finite(curve, metric) for c, curve in curves.items()}
    faint = {
        c: _finite([(0, rate, value) for rate, value in curve], metric)
        for c, curve in (published or {}).items()
    }
    points = [p for line in lines.values() for p in line]
    if not points:
        return ""
    x_range = _wide(min(p[1] for p in points), max(p[1] for p in points), 1.08)
    values = [p[3] for p in points]
    margin = 0.04 * (max(values) - min(values)) or 0.5
    y_range = min(values) - margin, max(values) + margin

    def at(rate: float, value: float) -> tuple[float, float]:
        share = math.log(rate / x_range[0]) / math.log(x_range[1] / x_range[0])
        x = _LEFT + share * (WIDTH - _LEFT - _RIGHT)
        up = (value - y_range[0]) / (y_range[1] - y_range[0])
        return x, HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)

    label = html.escape(f"{axis(metric)}, over bits a pixel, of {', '.join(curves)}")
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">',
        *_grid(x_range, y_range, at, metric),
    ]
    for codec, line in faint.items():
        parts += _faint(codec, line, x_range, y_range, at)
    ends = _apart(
        [at(line[-1][1], line[-1][3])[1] if line else -1.0 for line in lines.values()]
    )
    for i, (codec, line) in enumerate(lines.items()):
        parts += _line(i, codec, line, metric, images, at, ends[i])
    return "\n".join([*parts, "</svg>"])


def _finite(curve: Curve, metric: str) -> list[tuple[float, float, float, float]]:
    """Points (quality, rate, value, what is drawn) that are finite."""
    found = []
    for quality, rate, value in curve:
        drawn = float(scaled(metric, np.array(value, np.float64)))
        if math.isfinite(drawn) and rate > 0:
            found.append((quality, rate, value, drawn))
    return found


def _grid(x_range, y_range, at, metric):
    top, bottom, right = _TOP, HEIGHT - _BOTTOM, WIDTH - _RIGHT
    decades = range(math.floor(math.log10(x_range[0])), math.ceil(math.log10(x_range[1])) + 1)
    for tick in (m * 10.0**d for d in decades for m in (1, 2, 5)):
        if x_range[0] <= tick <= x_range[1]:
            x = at(tick, y_range[0])[0]
            yield f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>'
            yield f'<text class="tick x" x="{x:.1f}" y="{bottom + 18}">{tick:g}</text>'
    step = _step(y_range[1] - y_range[0])
    tick = math.ceil(y_range[0] / step) * step
    while tick <= y_range[1]:
        y = at(x_range[0], tick)[1]
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>'
        yield f'<text class="tick y" x="{_LEFT - 8}" y="{y + 4:.1f}">{tick:g}</text>'
        tick = round(tick + step, 9)
    yield (
        f'<text class="label x" x="{(_LEFT + right) / 2:.0f}" y="{HEIGHT - 10}">'
        "rate, bits a pixel (bytes of whole files; logarithmic)</text>"
    )
    yield (
        f'<text class="label y" transform="translate(15 {(top + bottom) / 2:.0f}) rotate(-90)">'
        f"{html.escape(axis(metric))}</text>"
    )


def _faint(codec, line, x_range, y_range, at):
    inside = [
        p for p in line if x_range[0] <= p[1] <= x_range[1] and y_range[0] <= p[3] <= y_range[1]
    ]
    if not inside:
        return
    path = "L".join("{:.1f} {:.1f}".format(*at(p[1], p[3])) for p in inside)
    yield f'<g class="published"><path d="M{path}"/>'
    for p in inside:
        x, y = at(p[1], p[3])
        text = html.escape(f"{codec}, published: {p[2]:g} at {p[1]:.3f} bpp")
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"><title>{text}</title></circle>'
    yield "</g>"


def _line(i, codec, line, metric, images, at, end):
    if not line:
        return
    number = i % COLOURS
    path = "L".join("{:.1f} {:.1f}".format(*at(p[1], p[3])) for p in line)
    yield f'<g class="curve c{number}" data-codec="{i}"><path class="line" d="M{path}"/>'
    for quality, rate, value, drawn in line:
        x, y = at(rate, drawn)
        shown = f"{value:.2f} dB" if metric.startswith("psnr") else f"{value:.4f}"
        text = f"{codec}, quality {quality:g}: {name(metric)} {shown} at {rate:.3f} bpp"
        text += f" (mean of {images} images)"
        yield (
            f'<g class="point" transform="translate({x:.1f} {y:.1f})">'
            f"<title>{html.escape(text)}</title>"
            f'<circle class="hit" r="9"/><path d="{_SHAPES[i % len(_SHAPES)]}"/></g>'
        )
    x = at(line[-1][1], line[-1][3])[0]
    short = codec if len(codec) <= 14 else "…" + codec[-13:]
    yield f'<text class="end" x="{x + 9:.1f}" y="{end + 4:.1f}">{html.escape(short)}</text></g>'


def _apart(places: list[float], gap: float = 16.0) -> list[float]:
    """Labels pushed down until none covers another."""
    result, last = list(places), -math.inf
    for i in sorted(range(len(places)), key=places.__getitem__):
        result[i] = last = max(places[i], last + gap)
    return result


def _wide(low: float, high: float, factor: float) -> tuple[float, float]:
    return low / factor, high * factor


def _step(span: float) -> float:
    rough = span / 6
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
