"""The page of `jaxlic eval --report`: its options, and writing it."""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.messages import progress, quietly, remark
from jaxlic.errors import UsageError


def add(parser: argparse.ArgumentParser) -> None:
    """`--report` and what goes with it."""
    group = parser.add_argument_group("a page to look at (docs/report.md)")
    group.add_argument(
        "--report",
        type=pathlib.Path,
        metavar="OUT",
        help="write OUT/index.html: curves, BD-rates with intervals, pictures at equal bytes "
        "with a slider, a table by image; needs the extra eval",
    )
    group.add_argument(
        "--report-bpp",
        type=rates,
        default=(0.25, 0.75),
        metavar="R,...",
        help="bits a pixel at which pictures are compared, default 0.25,0.75",
    )
    group.add_argument(
        "--report-images",
        type=options.natural,
        default=24,
        metavar="N",
        help="pictures of at most N images, from the hardest to the easiest, default 24",
    )
    group.add_argument(
        "--published",
        type=pathlib.Path,
        metavar="FILE",
        help="points to compare with, CSV: codec, bpp, source, psnr, ...; on the 24 Kodak "
        "photographs those of the package are taken",
    )
    group.add_argument(
        "--prices",
        type=pathlib.Path,
        metavar="TOML",
        help="a price list of `jaxlic kpi`: adds what it is worth to the page",
    )


def rates(text: str) -> tuple[float, ...]:
    """Bits a pixel, by comma, each once and in order."""
    found = tuple(sorted({options.positive(part) for part in text.split(",")}))
    if found[-1] > 24:
        raise argparse.ArgumentTypeError(f"must be at most 24 bits a pixel, got {text!r}")
    return found


def check(args: argparse.Namespace) -> None:
    """Raises Error for what would fail after long work."""
    from jaxlic.report import kpi, pictures, published

    if args.report is None:
        if args.published or args.prices:
            raise UsageError("--published and --prices go with --report")
        return
    if args.report.resolve().is_relative_to(args.folder.resolve()):
        raise UsageError(
            f"{args.report}: lies among the images, and would be measured next time"
        )
    for package in ("bjontegaard", "scipy"):
        if importlib.util.find_spec(package) is None:
            raise UsageError("--report needs the extra eval: pip install 'jaxlic[eval]'")
    if args.published:
        published.read(args.published)
    if args.prices:
        kpi.read_prices(args.prices)
    pictures.check(args.report)


def write(
    args: argparse.Namespace,
    records: Sequence[dict[str, Any]],
    text: str,
    columns: Sequence[str],
    distances: Mapping[tuple[str, float], float],
    files: Sequence[pathlib.Path],
    codecs: Mapping[str, Any],
    judge: Any,
) -> None:
    """Writes the page and says where it is."""
    from jaxlic.report import kpi, page, provenance, round_trip, words, worth

    named = list(zip(round_trip.names(files), files, strict=True))
    section = ""
    if args.prices:
        section = worth.section(kpi.account(records, kpi.read_prices(args.prices)))
    result = words.Result(records, columns, text, distances, named, codecs, judge)
    written = page.write(
        args.report,
        result,
        command=provenance.command(args.argv),
        rates=args.report_bpp,
        count=args.report_images,
        points=args.published,
        worth=section,
        progress=lambda items, total, label: progress(quietly(items), total, label),
    )
    size = written.stat().st_size
    remark(f"{written}: {size / 1e6:.1f} MB; open it in a browser")
