"""The page of an evaluation: one offline HTML file that asks for nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import pathlib
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jaxlic.files import disk
from jaxlic.report import (
    anchors,
    bootstrap,
    chart,
    equal,
    evaluation,
    provenance,
    sections,
    words,
)
from jaxlic.report import records as tables
from jaxlic.report.judges import SET, is_agreement
from jaxlic.report.pictures import PAGE, Pictures
from jaxlic.report.round_trip import RoundTrip

_PARTS = pathlib.Path(__file__).with_name("parts")
_BASIC = ("psnr", "psnr_y", "ssim_y")
_DIGITS = {"psnr": 2, "psnr_y": 2}
Progress = Callable[[Iterable[Any], int, str], Iterable[Any]]


def write(
    out: pathlib.Path,
    result: words.Result,
    *,
    command: str,
    rates: Sequence[float] = equal.RATES,
    count: int = 24,
    points: pathlib.Path | None = None,
    worth: str = "",
    progress: Progress = lambda items, total, label: items,
    inline: int = 14_000_000,
) -> pathlib.Path:
    """Writes `out/index.html`, and `out/images` if the pictures are too many for one file.

    The page is written last and at once; an earlier one in the folder is whole until then.

    Args:
        out: a folder, which `pictures.check` has seen.
        result: what to show.
        command: the command line that gave it.
        rates: bits a pixel at which pictures are compared.
        count: of how many images pictures are shown.
        points: published points to compare with; where there are none, those of the package
            if the images are the 24 Kodak photographs.
        worth: one more section, HTML.
        progress: shows how far slow steps have come.
        inline: the most bytes of pictures in the page itself.

    Raises:
        FileError: if something cannot be read or written.
        ImportError: without the extra `jaxlic[eval]`.
    """
    chosen = set(equal.spread(result.records, count))
    files = [(name, file) for name, file in result.files if name in chosen]
    shelf = Pictures(out, inline=inline)
    pairs = equal.compare(
        files,
        result.codecs,
        result.records,
        shelf.keep,
        rates=rates,
        judge=result.judge,
        border=words.border(result),
    )
    compared = list(progress(pairs, len(files), "searching equal bytes"))
    metrics = [*_BASIC, *result.columns]
    curves = {metric: evaluation.curves(result.records, metric) for metric in metrics}
    if result.distances:
        curves[SET] = _together(result.distances, curves["psnr"])
    known, sources = words.known_points(result, points)
    images = len(result.files)
    charts = (
        chart.draw(c, m, images=images, published=known.get(m)) for m, c in curves.items()
    )
    generated = {r["codec"]: r["generated"] for r in result.records if r.get("generated")}
    parts = {
        "images": f"{images} image{'s' if images > 1 else ''}",
        "legend": sections.legend(list(result.codecs), generated, published=bool(known)),
        "charts": "\n".join(f"<figure>{drawn}</figure>" for drawn in charts if drawn),
        "points": sections.points(curves),
        "intervals": words.intervals(images),
        "ladder": words.ladder(result, curves, known, sources, points),
        "compared": words.compared(len(files), images, rates),
        "worth": worth,
        "provenance": words.origin(result, command),
    }
    compared_at = [metric for metric in metrics if not is_agreement(metric)]
    data = {
        "codecs": list(result.codecs),
        "metrics": [[m, chart.name(m), _DIGITS.get(m, 4)] for m in metrics],
        "columns": _columns(result.records, metrics),
        "setting": _setting(result),
        "bd": _bd(result.records, compared_at, progress),
        "compare": {"images": compared, "rates": list(rates), "pair": _pair(result.codecs)},
        "pictures": shelf.sources(),
        "files": {"json": result.text, "csv": tables.to_csv(result.records)},
    }
    body = (_PARTS / "sections.html").read_text(encoding="utf-8")
    folder = html.escape(result.files[0][1].parent.name)
    page = _document(
        f"Codecs on {folder}",
        f"{', '.join(map(html.escape, result.codecs))}; {parts['images']}; {provenance.now()}.",
        string.Template(body).substitute(parts),
        data,
        beside=shelf.beside,
        worth=bool(worth),
    )
    disk.write_bytes(out / PAGE, encoded(page))
    shelf.sweep()
    return out / PAGE


def encoded(page: str) -> bytes:
    """UTF-8; of file names that are no text, the bytes are shown as escapes."""
    return page.encode(errors="backslashreplace")


def plain(title: str, summary: str, body: str) -> str:
    """A page of text alone, without a script; all three are plain text but for `body`."""
    return _document(html.escape(title), html.escape(summary), body)


def _document(
    title: str,
    summary: str,
    body: str,
    data: Mapping[str, Any] | None = None,
    *,
    beside: bool = False,
    worth: bool = False,
) -> str:
    """A page around `body`; its policy lets in its own style, script and pictures alone."""
    import jaxlic

    style = (_PARTS / "page.css").read_text(encoding="utf-8")
    script = "" if data is None else (_PARTS / "page.js").read_text(encoding="utf-8")
    sources = "'self' file:" if beside else "data:"
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        f"img-src {sources}; base-uri 'none'; form-action 'none'"
    )
    names = {"curves": "Curves", "rates": "BD-rates", "compare": "Pictures", "table": "Table"}
    names |= {"worth": "What it is worth"} if worth else {}
    names["settings"] = "Settings"
    links = "".join(f'<li><a href="#{id_}">{text}</a></li>' for id_, text in names.items())
    return string.Template((_PARTS / "page.html").read_text(encoding="utf-8")).substitute(
        title=title,
        summary=summary,
        contents="" if data is None else f'<nav aria-label="Sections"><ul>{links}</ul></nav>',
        sections=body,
        style=style,
        script=script,
        # No end of the script may stand in it.
        data=""
        if data is None
        else json.dumps(tables.finite(data), allow_nan=False).replace("<", "\\u003c"),
        policy=policy,
        version=jaxlic.__version__,
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _together(
    distances: Mapping[tuple[str, float], float], curves: Mapping[str, Any]
) -> dict[str, list[tuple[float, float, float]]]:
    return {
        codec: [
            (q, rate, distances[codec, q]) for q, rate, _ in curve if (codec, q) in distances
        ]
        for codec, curve in curves.items()
    }


def _columns(
    records: Sequence[Mapping[str, Any]], metrics: Sequence[str]
) -> list[tuple[str, str, int | None]]:
    """Of the table: (field, heading, digits, None for a text)."""
    measures = [(m, chart.name(m), _DIGITS.get(m, 4)) for m in metrics]
    return [
        ("image", "Image", None),
        ("codec", "Codec", None),
        ("quality", "quality", 0),
        ("bytes", "bytes", 0),
        ("bpp", "bits a pixel", 3),
        *measures,
        ("encode_seconds", "encode, s", 3),
        ("decode_seconds", "decode, s", 3),
        ("note", "notes", None),
    ]


def _setting(result: words.Result) -> int:
    """The middle quality of the first codec of ours, among settings in the records' order."""
    settings = list(dict.fromkeys((r["codec"], r["quality"]) for r in result.records))
    first = _pair(result.codecs)[0]
    ours = [i for i, (codec, _) in enumerate(settings) if codec == first]
    return ours[len(ours) // 2]


def _pair(codecs: Mapping[str, RoundTrip]) -> tuple[str, str]:
    """The first codec of ours and the first standard one; if need be, whatever there is."""
    names = list(codecs)
    ours = next((name for name in names if name not in anchors.STANDARD), names[0])
    other = next((name for name in names if name != ours), "original")
    return ours, other


def _bd(
    records: Sequence[dict[str, Any]], metrics: Sequence[str], progress: Progress
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    codecs = len({r["codec"] for r in records})
    for metric in metrics:
        table: dict[str, dict[str, Any]] = {}
        pairs = progress(
            bootstrap.bd_rates(records, metric), codecs * (codecs - 1), f"intervals of {metric}"
        )
        for (anchor, codec), rate in pairs:
            table.setdefault(anchor, {})[codec] = rate
        low, high = evaluation.common_rates(evaluation.curves(records, metric))
        found[metric] = {"name": chart.name(metric), "rates": table, "range": (low, high)}
    return found
