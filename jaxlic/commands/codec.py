"""compress, decompress, info, models."""

from __future__ import annotations

import argparse
import json
import pathlib

from jaxlic.commands.files import UsageError, each, jobs, read, tell

SUFFIX = ".jlic"


def compress(args: argparse.Namespace) -> int:
    from jaxlic import images

    todo = jobs(args, images.find, SUFFIX)
    from jaxlic import api

    codec = api.load_codec(args.model)
    api.range_coder_named(args.coder)

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        picture = images.read(source)
        tell(source, picture.notes)
        data = codec.compress(picture, args.quality, args.coder)
        images.write_bytes(target, data)
        height, width = picture.rgb.shape[:2]
        return f"{len(data):,} bytes, {8 * len(data) / (height * width):.3f} bpp"

    return each(todo, work, "compressing")


def decompress(args: argparse.Namespace) -> int:
    todo = jobs(args, lambda folder: sorted(folder.rglob("*" + SUFFIX)), ".png")
    from jaxlic import api, images

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        data = read(source)
        try:
            picture = api.load_for(data, args.model).decode(data)
        except ValueError as error:
            raise UsageError(f"{source}: {error}") from error
        images.write(target, picture)
        height, width = picture.rgb.shape[:2]
        return f"{width}x{height}"

    return each(todo, work, "decompressing")


def info(args: argparse.Namespace) -> int:
    data = read(args.input)
    from jaxlic import api

    try:
        description = api.describe(data)
    except ValueError as error:
        raise UsageError(f"{args.input}: {error}") from error
    if args.json:
        print(json.dumps(description, indent=2))
        return 0
    sizes = description["bytes"]
    print(f"{args.input}")
    print(f"  model      {description['model']}")
    print(f"  quality    {description['quality']:g}")
    print(f"  size       {description['width']}x{description['height']} pixels")
    print(f"  coder      {description['coder']}")
    print(f"  rate       {description['bpp']:.4f} bits per pixel")
    print(f"  file       {sizes['file']:,} bytes")
    print(f"    header   {sizes['header']:,}")
    print(f"    image    {sizes['image']:,} in {len(sizes['tiles'])} tile(s)")
    for name in ("alpha", "icc"):
        if sizes[name]:
            print(f"    {name:8} {sizes[name]:,}")
    print(f"  checksums  {description['checksums']}")
    return 0


def models(args: argparse.Namespace) -> int:
    from jaxlic import checkpoint

    cards = [checkpoint.card(name) for name in checkpoint.shipped()]
    if args.json:
        print(json.dumps(cards, indent=2))
        return 0
    print(f"{'id':12} {'parameters':>10} {'kMAC/px enc':>11} {'dec':>6}  Kodak")
    for card in cards:
        cost, kodak = card.get("kmacs_per_pixel", {}), card.get("kodak", {})
        figures = "; ".join(f"{name} {value}" for name, value in kodak.items())
        encode, decode = (cost.get(way, float("nan")) for way in ("encode", "decode"))
        print(
            f"{card['id']:12} {card['parameters']:>10,} {encode:>11.1f} {decode:>6.1f}  "
            f"{figures or 'not measured'}"
        )
    return 0
