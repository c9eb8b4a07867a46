"""downscale, upscale."""

from __future__ import annotations

import argparse
import pathlib

from jaxlic.commands.files import UsageError, each, jobs, tell


def downscale(args: argparse.Namespace) -> int:
    """Images to thumbnails."""
    from jaxlic import images, thumbnail

    format_ = args.format
    named = None if args.output is None else thumbnail.FORMATS.get(args.output.suffix.lower())
    if format_ is None:
        format_ = named or "jpeg"
    elif named is not None and named != format_:
        raise UsageError(f"{args.output}: is named as {named}, but --format says {format_}")
    if args.output is not None and named is None and args.output.suffix and _single(args):
        raise UsageError(f"{args.output}: thumbnails are .jpg or .webp files")
    suffix = next(s for s, f in thumbnail.FORMATS.items() if f == format_)
    todo = jobs(args, images.find, f".x{args.scale}{suffix}")
    from jaxlic import api

    rescaler = api.load(args.model or f"sain-x{args.scale}")
    if not isinstance(rescaler, thumbnail.ImageRescaler):
        raise UsageError(f"model {args.model} is a codec (jaxlic compress), not a rescaler")
    if rescaler.scale != args.scale:
        raise UsageError(f"model {args.model} has scale {rescaler.scale}, not {args.scale}")

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        picture = images.read(source)
        tell(source, picture.notes)
        if picture.alpha is not None:
            tell(source, ["its transparency is dropped"])
        try:
            data = rescaler.encode(picture, format_, args.codec_quality)
        except ValueError as error:
            raise UsageError(f"{source}: {error}") from error
        images.write_bytes(target, data)
        height, width = picture.rgb.shape[:2]
        h, w = rescaler.reduced((height, width))
        bpp = 8 * len(data) / (height * width)
        return f"{width}x{height} to {w}x{h}, {len(data):,} bytes, {bpp:.3f} bpp"

    return each(todo, work, "downscaling")


def upscale(args: argparse.Namespace) -> int:
    """Thumbnails to images."""
    from jaxlic import images

    todo = jobs(args, images.find, ".png")
    from jaxlic import api

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        try:
            picture = api.restore(
                source, scale=args.scale, model=args.model, latent=args.latent, seed=args.seed
            )
        except ValueError as error:
            text = str(error)
            named = text if text.startswith(str(source)) else f"{source}: {text}"
            raise UsageError(named) from error
        tell(source, picture.notes)
        images.write(target, picture)
        height, width = picture.rgb.shape[:2]
        return f"{width}x{height}"

    return each(todo, work, "upscaling")


def _single(args: argparse.Namespace) -> bool:
    return len(args.inputs) == 1 and not args.inputs[0].is_dir() and not args.output.is_dir()
