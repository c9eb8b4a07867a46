"""jaxlic compress."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterable
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import SUFFIX, each, jobs, picture, write
from jaxlic.commands.messages import progress
from jaxlic.commands.names import no_images, tell_unread


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "compress",
        run,
        "compress images to .jlic files",
        "  jaxlic compress photo.jpg                  writes photo.jlic\n"
        "  jaxlic compress photo.jpg -o small.jlic -q 20\n"
        "  jaxlic compress holiday/ -o small/         every image below holiday/\n"
        "  jaxlic compress photo.jpg --effort 2       worth more, slower; opens as fast\n"
        "  jaxlic compress - -o - < photo.jpg         standard input and output",
    )
    options.add_files(
        parser,
        "image files or folders",
        "the .jlic file",
    )
    parser.add_argument(
        "-q",
        "--quality",
        type=options.quality,
        default=40.0,
        help="1 (smallest file) to 100 (best image), default 40",
    )
    parser.add_argument(
        "--effort",
        type=options.effort,
        default=0,
        metavar="N",
        help="0 to 3, default 0: how long to look for a better file, 0, 5, 20 or 50 steps of a "
        "second or more for half a megapixel; at the same quality PSNR and bytes rise",
    )
    options.add_model(parser)
    parser.add_argument(
        "--coder", choices=("constriction", "tfc"), default="constriction", help="entropy coder"
    )
    options.add_limit(parser)
    options.add_code(parser)


def run(args: argparse.Namespace) -> int:
    """Images to files."""
    from jaxlic.files import images

    tell_unread(args)
    todo = jobs(args, images.find, SUFFIX)
    no_images([target for _, target in todo.jobs])
    from jaxlic import api
    from jaxlic.commands.code import builders_in
    from jaxlic.effort import untracked
    from jaxlic.entropy import range_coder

    codec = api.load_codec(args.model, builders=builders_in(args.code))
    range_coder.named(args.coder)
    track = steps if len(todo.jobs) == 1 else untracked  # One bar at a time.

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        image = picture(source, max_pixels=args.max_pixels)
        data = codec.compress(
            image, args.quality, effort=args.effort, coder=args.coder, track=track
        )
        write(target, data)
        height, width = image.rgb.shape[:2]
        return f"{len(data):,} bytes, {8 * len(data) / (height * width):.3f} bpp"

    return each(todo, work, "compressing")


def steps(items: Iterable[None], total: int) -> Iterable[None]:
    """A bar over the steps of the search."""
    return progress(items, total, "searching")
