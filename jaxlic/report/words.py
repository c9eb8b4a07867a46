"""What a page says in words: how it compares, where its figures come from, the ladder."""

from __future__ import annotations

import html
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxlic.report import bootstrap, provenance, published, sections
from jaxlic.report.judges import Judge
from jaxlic.report.round_trip import RoundTrip


class Result(NamedTuple):
    """What an evaluation gave.

    Attributes:
        records: of `evaluation.evaluate`.
        columns: more measures that the records hold.
        text: the JSON file of it, as `--json` writes it.
        distances: by (codec, quality) what was measured of all images together.
        files: (name in the records, file).
        codecs: there and back.
        judge: what measured the columns.
    """

    records: Sequence[dict[str, Any]]
    columns: Sequence[str]
    text: str
    distances: Mapping[tuple[str, float], float]
    files: Sequence[tuple[str, pathlib.Path]]
    codecs: Mapping[str, RoundTrip]
    judge: Judge | None = None


def border(result: Result) -> int:
    """Pixels that measures of luma left out."""
    return max((r.get("border", 0) for r in result.records), default=0)


def known_points(
    result: Result, points: pathlib.Path | None
) -> tuple[published.Points, dict[str, str]]:
    """Published points to compare with, and where each codec's are from."""
    if points is not None:
        return published.read(points)
    kodak = published.is_kodak(name for name, _ in result.files)
    return published.read() if kodak else ({}, {})


def ladder(
    result: Result,
    curves: Mapping[str, Any],
    known: published.Points,
    sources: Mapping[str, str],
    points: pathlib.Path | None,
) -> str:
    """The ladders of all metrics that have published points, or why there is none."""
    if not known:
        return (
            '<p class="small">No ladder of published points: those in the package are of '
            "the 24 Kodak photographs, and these are others. <code>--published FILE</code> "
            "takes points of your own.</p>"
        )
    caution = (
        "Published are averages of the 24 Kodak photographs, by their authors or CompressAI."
    )
    if points is not None:
        caution = (
            f"Published points are those of {html.escape(points.name)}; whether they were "
            "measured on these images, only whoever gave them knows."
        )
    found = []
    for metric, codecs in known.items():
        if metric in curves:
            measured = {c: [(p[1], p[2]) for p in line] for c, line in curves[metric].items()}
            standing = published.ladder(measured, codecs, metric)
            found.append(
                sections.ladder(standing, metric, next(iter(codecs)), sources, caution)
            )
    return "".join(found)


def intervals(images: int) -> str:
    """What intervals are, and what they do not know."""
    if images < bootstrap.FEWEST:
        return f"No intervals: {images} images are too few to draw from."
    return (
        f"Intervals by bootstrap: {images} images drawn anew {bootstrap.REPLICATES} times, the "
        "2.5th to the 97.5th percentile. They know how images differ, not how these were chosen"
        f"{'; of so few images they are rough' if images < 20 else ''}."
    )


def compared(shown: int, images: int, rates: Sequence[float]) -> str:
    """How pictures were made comparable."""
    part = (
        "all images" if shown == images else f"{shown} of {images} images, hardest to easiest"
    )
    return (
        f"Pictures of {part} at about {' and '.join(f'{rate:g}' for rate in rates)} bits a "
        "pixel, or as near to that as all codecs come. Each codec's quality was searched so "
        "that its file is as large as the others'; what mismatch remains is shown. Pictures "
        "are what the decoder gave, kept losslessly as WebP; of images beyond 1600 pixels a "
        "side, the middle. Drag over the picture, or use the arrow keys on it."
    )


def origin(result: Result, command: str) -> str:
    """The command, the codecs' settings, versions and the machine."""
    settings = []
    for name, codec in result.codecs.items():
        tried = sorted({r["quality"] for r in result.records if r["codec"] == name})
        text = f"qualities {', '.join(f'{q:g}' for q in tried)}"
        settings.append((name, f"{codec.settings or 'as its function says'}; {text}"))
    return "".join(
        [
            "<h3>Command</h3>",
            f"<pre tabindex='0'><code>{html.escape(command)}</code></pre>",
            "<h3>Codecs</h3>",
            sections.definitions(settings),
            "<h3>Versions</h3>",
            sections.definitions(
                [
                    *provenance.versions().items(),
                    ("machine", provenance.machine()),
                    ("border of luma", f"{border(result)} pixels left out"),
                ]
            ),
        ]
    )
