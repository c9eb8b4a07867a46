"""jaxlic info."""

from __future__ import annotations

import argparse
import json
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import naming, read
from jaxlic.commands.messages import name
from jaxlic.commands.names import place
from jaxlic.errors import UsageError


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "info",
        run,
        "show what a .jlic file or a thumbnail says of itself, without decoding it",
        "  jaxlic info photo.jlic\n"
        "  jaxlic info photo.jlic --json\n"
        "  jaxlic info photo.x2.jpg                   a thumbnail of jaxlic downscale",
    )
    parser.add_argument("input", type=place, help="the file, - for standard input")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(args: argparse.Namespace) -> int:
    """Prints what a file says of itself."""
    data = read(args.input)
    from jaxlic import account, thumbnail
    from jaxlic.files import opening

    small = thumbnail.describe(data)
    with naming(args.input):
        if small is None and opening.kind(data[:16]):
            raise UsageError("not a .jlic file, nor a thumbnail that says that jaxlic made it")
        description = small or account.describe(data)
    if args.json:
        print(json.dumps(description, indent=2))
    elif small:
        print(name(args.input))
        shape = f"{small['width']}x{small['height']}"
        print(f"  thumbnail  of {shape} pixels, scale {small['scale']}")
        print(f"  model      {small['model']}")
        print(f"  rate       {small['bpp']:.4f} bits per pixel of the image")
        print(f"  file       {len(data):,} bytes")
    else:
        _tell(args, description)
    return 0


def _tell(args: argparse.Namespace, description: dict[str, Any]) -> None:
    sizes, levels = description["bytes"], description["levels"]
    print(name(args.input))
    print(f"  format     version {description['version']}")
    print(f"  model      {description['model']}")
    print(f"  quality    {description['quality']:g}")
    grey = ", grey" if description["grey"] else ""
    print(f"  size       {description['width']}x{description['height']} pixels{grey}")
    print(f"  coder      {description['coder']}, {description['entropy path']} entropy path")
    print(f"  rate       {description['bpp']:.4f} bits per pixel")
    print(f"  file       {sizes['file']:,} bytes")
    print(f"    header   {sizes['header']:,}")
    print(f"    image    {sizes['image']:,} in {len(sizes['tiles'])} tile(s)")
    for extra in ("alpha", "icc"):
        if sizes[extra]:
            print(f"    {extra:8} {sizes[extra]:,}")
    if levels["written"] > 1:
        print(f"  levels     {len(levels['ends'])} of {levels['written']} are whole")
        pixels = description["width"] * description["height"]
        for number, end in enumerate(levels["ends"], 1):
            print(f"    {number:<8} {end:,} bytes to its end, {8 * end / pixels:.4f} bpp")
    print(f"  checksums  {description['checksums']}")
