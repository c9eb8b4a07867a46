"""jaxlic downscale."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import each, jobs, picture, write
from jaxlic.commands.messages import STREAM, remark, tell
from jaxlic.commands.names import tell_unread
from jaxlic.errors import UsageError


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "downscale",
        run,
        "make JPEG or WebP thumbnails that any viewer opens and `upscale` turns back",
        "  jaxlic downscale photo.png                 writes photo.x2.jpg\n"
        "  jaxlic downscale photo.png -o small.webp --scale 4 --codec-quality 60\n"
        "  jaxlic downscale holiday/ -o small/ --format webp",
    )
    options.add_files(
        parser,
        "image files or folders",
        "the .jpg or .webp file",
    )
    options.add_scale(parser, "how many times smaller, default 2", default=2)
    parser.add_argument(
        "--format", choices=("jpeg", "webp"), help="default: what OUT is called, or jpeg"
    )
    parser.add_argument(
        "--codec-quality",
        type=options.codec_quality,
        default=80,
        metavar="Q",
        help="the format's own quality, 30 to 95, default 80",
    )
    parser.add_argument("--model", help="id or folder, default sain-x2 or sain-x4")
    options.add_limit(parser)


def run(args: argparse.Namespace) -> int:
    """Images to thumbnails."""
    from jaxlic import thumbnail

    format_ = _format(args)
    suffix = next(s for s, f in thumbnail.FORMATS.items() if f == format_)
    tell_unread(args)
    todo = jobs(args, _photographs, f".x{args.scale}{suffix}")
    from jaxlic import api

    rescaler = api.load(args.model or f"sain-x{args.scale}")
    if not isinstance(rescaler, thumbnail.ImageRescaler):
        raise UsageError(f"model {args.model} is a codec (jaxlic compress), not a rescaler")
    if rescaler.scale != args.scale:
        raise UsageError(f"model {args.model} has scale {rescaler.scale}, not {args.scale}")

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        image = picture(source, max_pixels=args.max_pixels)
        if image.alpha is not None:
            tell(source, ["its transparency is dropped"])
        data = rescaler.encode(image, format_, args.codec_quality)
        write(target, data)
        height, width = image.rgb.shape[:2]
        h, w = rescaler.reduced((height, width))
        bpp = 8 * len(data) / (height * width)
        return f"{width}x{height} to {w}x{h}, {len(data):,} bytes, {bpp:.3f} bpp"

    return each(todo, work, "downscaling")


def _format(args: argparse.Namespace) -> str:
    """What is asked for: by name, or by the name of the only file. Raises UsageError."""
    from jaxlic import thumbnail

    output, several = args.output, len(args.inputs) > 1 or args.inputs[0].is_dir()
    if output is None or output is STREAM or args.into or output.is_dir():
        return args.format or "jpeg"
    named = thumbnail.FORMATS.get(output.suffix.lower())
    if named is not None and several:
        raise UsageError(f"{output}: names one file, but there may be several")
    if named is None and output.suffix and not several:
        raise UsageError(f"{output}: thumbnails are .jpg or .webp files")
    if named is not None and args.format not in (None, named):
        raise UsageError(f"{output}: is named as {named}, but --format says {args.format}")
    return args.format or named or "jpeg"


def _photographs(folder: pathlib.Path) -> list[pathlib.Path]:
    """Images of a folder but for thumbnails, which may have been made there before."""
    from jaxlic import thumbnail
    from jaxlic.files import images

    found = images.find(folder)
    kept = [path for path in found if thumbnail.note_of(path) is None]
    if made := len(found) - len(kept):
        remark(f"{folder}: {made} of {len(found)} images are thumbnails, left alone")
    return kept
