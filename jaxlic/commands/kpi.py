"""jaxlic kpi."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.messages import say


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "kpi",
        run,
        "say what a change of codec is worth: bytes, money a month, break-even, latency, risk",
        "  jaxlic eval photos/ --models base --codecs jpeg --metrics jnd --json records.json\n"
        "  jaxlic kpi records.json --prices prices.toml\n"
        "  jaxlic kpi records.json --prices prices.toml --html worth.html --json worth.json\n"
        "\nA price list (docs/kpi.md explains each line):\n"
        "  [prices]\n"
        "  storage_gb_month = 0.023\n"
        "  egress_gb = 0.085\n"
        "  [use]\n"
        "  images = 1_000_000\n"
        "  views_per_image_month = 20\n"
        "  megapixels = 2.0\n"
        "  [compare]\n"
        '  from = "jpeg"\n'
        "  quality = 80\n"
        '  to = "base"',
    )
    parser.add_argument(
        "records", type=pathlib.Path, help="what `jaxlic eval --json` wrote, with both codecs"
    )
    parser.add_argument(
        "--prices", type=pathlib.Path, metavar="TOML", required=True, help="a price list"
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures")
    parser.add_argument("--html", type=pathlib.Path, metavar="FILE", help="write a page")


def run(args: argparse.Namespace) -> int:
    """Accounts, prints, writes."""
    from jaxlic.files import disk
    from jaxlic.report import kpi, page, provenance, records, worth

    prices = kpi.read_prices(args.prices)
    found = kpi.account(records.read(args.records), prices)
    if args.json:
        disk.write_bytes(args.json, records.to_json(worth.as_json(found)).encode())
    if args.html:
        summary = f"From {args.records.name} and {args.prices.name}; {provenance.now()}."
        whole = page.plain("What a change of codec is worth", summary, worth.section(found))
        disk.write_bytes(args.html, page.encoded(whole))
    return 0 if say(worth.text(found)) else 2
