"""jaxlic compress."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import SUFFIX, each, jobs, picture, write


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
    parser.add_argument("--model", default="base", help="id or folder of a model, default base")
    parser.add_argument(
        "--coder", choices=("constriction", "tfc"), default="constriction", help="entropy coder"
    )
    options.add_limit(parser)
    options.add_code(parser)


def run(args: argparse.Namespace) -> int:
    """Images to files."""
    from jaxlic.files import images

    todo = jobs(args, images.find, SUFFIX)
    from jaxlic import api
    from jaxlic.commands.code import builders_in
    from jaxlic.entropy import range_coder

    codec = api.load_codec(args.model, builders=builders_in(args.code))
    range_coder.named(args.coder)

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        image = picture(source, max_pixels=args.max_pixels)
        data = codec.compress(image, args.quality, coder=args.coder)
        write(target, data)
        height, width = image.rgb.shape[:2]
        return f"{len(data):,} bytes, {8 * len(data) / (height * width):.3f} bpp"

    return each(todo, work, "compressing")
