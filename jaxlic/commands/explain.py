"""jaxlic explain."""

from __future__ import annotations

import argparse
import importlib.util
import os
import pathlib
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import make_folder, naming, picture
from jaxlic.commands.messages import tell
from jaxlic.errors import UsageError


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "explain",
        run,
        "draw where a codec with dynamic kernels looks in an image, and its receptive field",
        "  jaxlic explain photo.jpg -o offsets.png\n"
        "  jaxlic explain photo.jpg --at 120,80 --at 300,200 --quality 60",
    )
    parser.add_argument("input", type=pathlib.Path, help="an image file")
    options.add_output(parser, "the .png file, default photo.offsets.png")
    parser.add_argument("--model", default="dkic", help="id or folder, default dkic")
    parser.add_argument(
        "-q", "--quality", type=options.quality, default=40.0, help="default 40"
    )
    parser.add_argument(
        "--at",
        type=options.point,
        action="append",
        metavar="X,Y",
        help="a pixel to look from, repeatable; default four with much detail. At most "
        "1024x1024 pixels around them, or in the middle, are looked at",
    )


def run(args: argparse.Namespace) -> int:
    """Draws what a codec with dynamic kernels looks at; prints whether offsets are alive."""
    from jaxlic.files import disk

    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError('drawing needs pip install "jaxlic[eval]"')
    rgb = picture(args.input).rgb
    output = args.output or args.input.with_suffix(".offsets.png")
    if output.suffix.lower() != ".png":
        raise UsageError(f"{output}: is drawn as a .png")
    if output.exists() and not args.force:
        raise UsageError(f"{output}: exists; use --force to replace it")
    if os.path.realpath(output) == os.path.realpath(args.input):
        raise UsageError(f"{output}: would replace its own source")
    make_folder(output)
    from jaxlic import models
    from jaxlic.report import explain as explaining

    model = models.load_model(args.model)
    with naming(args.input):
        image, (left, top) = explaining.window(rgb, args.at or ())
    if image.shape != rgb.shape:
        height, width = image.shape[:2]
        tell(args.input, [f"{width}x{height} pixels from {left},{top} on are looked at"])
    points = [(x - left, y - top) for x, y in args.at or ()] or explaining.interesting(image)
    found = explaining.layers(model, image, args.quality)
    fields = explaining.receptive_field(model, image, args.quality, points)
    shown = os.fsencode(args.input.name).decode(errors="replace")
    title = f"{shown}, model {model.id}, quality {args.quality:g}"
    drawn = explaining.draw(image, found, fields, points, title, corner=(left, top))
    disk.write_bytes(output, drawn)
    print(
        "offsets in samples of the layer, along an axis; alike: share of their energy that is"
    )
    print("the same at every position of the image, where nothing adapts to it\n")
    print(
        f"{'layer':52} {'1/':>4} {'R':>2} {'mean':>6} {'95 %':>6} {'dead':>6} {'bound':>6} "
        f"{'alike':>6} taps"
    )
    for layer in found:
        s = explaining.statistics(layer)
        print(
            f"{layer.name:52} {layer.stride:>4} {layer.radius:>2} {s['mean']:>6.3f} "
            f"{s['p95']:>6.3f} {s['dead']:>6.1%} {s['saturated']:>6.1%} "
            f"{s['alike']:>6.1%} {s['effective_taps']:>4.1f}"
        )
    lost = sum(layer.fallbacks for layer in found)
    print(f"\n{lost} predictions were not finite and count as zero")
    print(f"{args.input} -> {output}")
    return 0
