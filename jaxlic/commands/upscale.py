"""jaxlic upscale."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import each, jobs, picture, write_picture
from jaxlic.commands.messages import tell
from jaxlic.commands.names import images_alone


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "upscale",
        run,
        "turn thumbnails back into images; model and size are read from the file",
        "  jaxlic upscale photo.x2.jpg                writes photo.x2.png\n"
        "  jaxlic upscale small/ -o restored/\n"
        "  jaxlic upscale other.jpg --scale 2         a thumbnail that jaxlic did not make:\n"
        "                                             expect an ordinary enlargement",
    )
    options.add_files(
        parser,
        "thumbnails or folders",
        "the image file",
    )
    options.add_scale(parser, "needed for images that jaxlic did not make", default=None)
    parser.add_argument("--model", help="id or folder, default what the file says")
    parser.add_argument(
        "--latent",
        choices=("mean", "zero", "sample"),
        default="mean",
        help="what stands in for lost detail, default its mean",
    )
    options.add_limit(parser)
    parser.add_argument(
        "--seed", type=options.natural, default=0, help="of --latent sample, default 0"
    )


def run(args: argparse.Namespace) -> int:
    """Thumbnails to images."""
    from jaxlic.files import images

    todo = jobs(args, images.find, ".png")
    images_alone([target for _, target in todo.jobs])
    from jaxlic import thumbnail

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        small = picture(source, max_pixels=args.max_pixels)
        image = thumbnail.restore(
            dataclasses.replace(small, notes=()),
            scale=args.scale,
            model=args.model,
            latent=args.latent,
            seed=args.seed,
            max_pixels=args.max_pixels,
        )
        tell(source, image.notes)
        write_picture(source, target, image)
        height, width = image.rgb.shape[:2]
        return f"{width}x{height}"

    return each(todo, work, "upscaling")
