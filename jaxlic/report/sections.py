"""Pieces of the page's HTML that are the same for whoever reads it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxlic.report import chart

NONE = "\u2013"  # In a cell without a value.

Curves = Mapping[str, Sequence[tuple[float, float, float]]]


def table(
    heads: Sequence[str], rows: Iterable[Sequence[Any]], *, marked: Sequence[int] = ()
) -> str:
    """A table; what is a number, or a text that begins like one, is set to the right.

    Args:
        heads: column headings.
        rows: cells; the first names its row.
        marked: numbers of rows in bold.
    """
    body, right = [], [True] * len(heads)
    cells = [[str(cell) for cell in row] for row in rows]
    for row in cells:
        for i, cell in enumerate(row):
            right[i] &= cell[:1] in (*"0123456789+-", NONE)
    right[0] = False
    for number, row in enumerate(cells):
        ours = ' class="ours"' if number in marked else ""
        tags = [
            f'<th scope="row">{html.escape(cell)}</th>'
            if i == 0
            else f"<td{_right(right[i])}>{html.escape(cell)}</td>"
            for i, cell in enumerate(row)
        ]
        body.append(f"<tr{ours}>{''.join(tags)}</tr>")
    head = "".join(
        f'<th scope="col"{_right(right[i])}>{html.escape(text)}</th>' if text else "<td></td>"
        for i, text in enumerate(heads)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def scrolled(label: str, content: str) -> str:
    """What may be wider than a phone, in a part that scrolls on its own."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(label)}">'
        f"{content}</div>"
    )


def legend(
    codecs: Sequence[str], generated: Mapping[str, Mapping[str, Any]], *, published: bool
) -> str:
    """The codecs with their marks, and a badge where they make up detail."""
    items = []
    for i, codec in enumerate(codecs):
        tag = f" {badge(generated[codec])}" if codec in generated else ""
        items.append(f"<span>{chart.mark(i)} {html.escape(codec)}{tag}</span>")
    if published:
        items.append('<span class="small">grey and dashed: published points</span>')
    return "".join(items)


def badge(generated: Mapping[str, Any]) -> str:
    """What a viewer has to be told of pictures that are in part made up."""
    parts = [f"generated: {generated.get('kind', 'yes')}"]
    parts += [
        f"{key} {generated[key]}" for key in ("level", "strength", "seed") if key in generated
    ]
    return f'<span class="badge">{html.escape(", ".join(parts))}</span>'


def points(curves: Mapping[str, Curves]) -> str:
    """All points of all charts: a row a codec and quality."""
    metrics = list(curves)
    rows: dict[tuple[str, float], list[str]] = {}
    for place, metric in enumerate(metrics):
        for codec, curve in curves[metric].items():
            for quality, rate, value in curve:
                row = rows.setdefault((codec, quality), [f"{rate:.4f}", *[NONE] * len(metrics)])
                row[1 + place] = f"{value:.3f}" if metric.startswith("psnr") else f"{value:.5f}"
    heads = ["Codec", "quality", "bits a pixel", *map(chart.name, metrics)]
    return table(heads, ([codec, f"{q:g}", *row] for (codec, q), row in rows.items()))


def ladder(
    standing: Sequence[tuple[float, str, bool]],
    metric: str,
    anchor: str,
    sources: Mapping[str, str],
    caution: str,
) -> str:
    """Where the codecs stand among published ones, as a table with bars; "" if nobody does."""
    if not any(not known for _, _, known in standing):
        return ""
    worst = max(max(value for value, _, _ in standing), 1.0)
    best = min(min(value for value, _, _ in standing), 0.0)
    rows = []
    for value, codec, known in standing:
        width = 4 + 116 * (value - best) / (worst - best)
        ours = "" if known else ' class="ours"'
        source = sources.get(codec, "") if known else "measured here"
        rows.append(
            f"<tr{ours}>"
            f'<th scope="row">{html.escape(codec)}</th><td class="number">{value:+.1f}</td>'
            f'<td><svg width="120" height="10" aria-hidden="true"><rect width="{width:.0f}" '
            f'height="10" fill="currentColor" opacity="{0.45 if known else 1}"/></svg></td>'
            f'<td class="wide small">{html.escape(source)}</td></tr>'
        )
    content = (
        '<table class="ladder"><thead><tr><th scope="col">Codec</th><th scope="col" '
        f'class="number">BD-rate against {html.escape(anchor)}, %</th><th scope="col">Bits'
        f'</th><th scope="col">Source</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
    title = f"The ladder of published points, at equal {html.escape(chart.name(metric))}"
    return f"<h3>{title}</h3><p>{caution}</p>{scrolled(title, content)}"


def definitions(items: Iterable[tuple[str, str]]) -> str:
    """Names and what they are, as code."""
    parts = (
        f"<dt>{html.escape(name)}</dt><dd><code>{html.escape(text)}</code></dd>"
        for name, text in items
    )
    return f"<dl>{''.join(parts)}</dl>"


def _right(number: bool) -> str:
    return ' class="number"' if number else ""
