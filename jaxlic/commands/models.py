"""jaxlic models."""

from __future__ import annotations

import argparse
import json
from typing import Any

from jaxlic.commands import options


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "models",
        run,
        "list the models that are shipped",
        "  jaxlic models\n  jaxlic models --json",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(args: argparse.Namespace) -> int:
    """Prints the cards."""
    from jaxlic import models

    cards = [models.card(name) for name in models.shipped()]
    if args.json:
        print(json.dumps(cards, indent=2))
        return 0
    print(
        f"{'id':12} {'parameters':>10} {'kMAC/px enc':>11} {'dec':>6}  Kodak, BD-rate of PSNR"
    )
    for card in cards:
        cost, kodak = card.get("kmacs_per_pixel", {}), card.get("kodak", {})
        figures = "; ".join(f"{name} {value}" for name, value in kodak.items())
        encode, decode = (
            f"{cost[way]:.1f}" if way in cost else "-" for way in ("encode", "decode")
        )
        print(
            f"{card['id']:12} {card['parameters']:>10,} {encode:>11} {decode:>6}  "
            f"{figures or 'not measured'}"
        )
    return 0
