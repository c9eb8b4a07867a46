"""jaxlic decompress."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import SUFFIX, each, jobs, read, write_picture
from jaxlic.commands.messages import tell


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "decompress",
        run,
        "turn .jlic files back into images",
        "  jaxlic decompress photo.jlic               writes photo.png\n"
        "  jaxlic decompress photo.jlic -o photo.tiff\n"
        "  jaxlic decompress small/ -o restored/\n"
        "  jaxlic decompress - -o - < photo.jlic      standard input and output, as PNG",
    )
    options.add_files(
        parser,
        ".jlic files or folders",
        "the image file",
    )
    parser.add_argument("--model", help="needed for files of models that are not shipped")
    options.add_limit(parser)
    options.add_code(parser)


def run(args: argparse.Namespace) -> int:
    """Files to images."""
    todo = jobs(args, lambda folder: sorted(folder.rglob("*" + SUFFIX)), ".png")
    from jaxlic import api
    from jaxlic.commands.code import builders_in

    builders = builders_in(args.code)

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        data = read(source)
        codec = api.load_for(data, args.model, builders=builders)
        picture = codec.decode(data, max_pixels=args.max_pixels)
        tell(source, picture.notes)
        write_picture(source, target, picture)
        height, width = picture.rgb.shape[:2]
        return f"{width}x{height}"

    return each(todo, work, "decompressing")
