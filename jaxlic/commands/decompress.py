"""jaxlic decompress."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import SUFFIX, Todo, each, jobs, read, write_picture
from jaxlic.commands.messages import STREAM, counting, tell
from jaxlic.commands.names import images_alone
from jaxlic.errors import UsageError

MAX_SAMPLES = 9_999


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
        "  jaxlic decompress photo.jlic --level 3 --strict     no detail is drawn\n"
        "  jaxlic decompress photo.jlic --level 3 --samples 4 --map detail.png\n"
        "  jaxlic decompress photo.jlic --refine      with detail drawn that is not there\n"
        "  jaxlic decompress photo.jlic --refine auto --budget 10      where it pays\n"
        "  jaxlic decompress - -o - < photo.jlic      standard input and output, as PNG",
    )
    options.add_files(
        parser,
        ".jlic files or folders",
        "the image file",
    )
    parser.add_argument("--model", help="needed for files of models that are not shipped")
    _add_detail(parser)
    _add_refining(parser)
    options.add_limit(parser)
    options.add_code(parser)


def _add_detail(parser: Any) -> None:
    """What is shown of files in levels, and what fills in for levels that are not there."""
    group = parser.add_argument_group("files in levels (docs/synonymous.md)")
    group.add_argument(
        "--level",
        type=options.natural,
        metavar="L",
        help="decode levels 1 to L alone, default all that the file has",
    )
    drawn = group.add_mutually_exclusive_group()
    drawn.add_argument(
        "--sampler",
        choices=("mean", "uniform", "gaussian"),
        help="how detail of other levels is drawn; mean draws none. Default mean, and gaussian "
        "with --seed, --samples or --map",
    )
    drawn.add_argument(
        "--strict",
        action="store_true",
        help="no drawn detail: the same as --sampler mean",
    )
    group.add_argument(
        "--seed",
        type=options.large,
        metavar="S",
        help="of what is drawn, with --refine too; default 0",
    )
    group.add_argument(
        "--samples",
        type=options.natural,
        metavar="M",
        help="write M pictures that the file may stand for, as photo-1.png and so on",
    )
    group.add_argument(
        "--map",
        type=pathlib.Path,
        metavar="PNG",
        help="write which pixels depend on drawn detail: black where the samples (8 unless "
        "--samples says) agree, white where they spread by 16 levels of 255 or more",
    )


def _add_refining(parser: Any) -> None:
    """What is drawn into the picture of any file of a codec that has a refiner."""
    group = parser.add_argument_group("refining (docs/refining.md)")
    group.add_argument(
        "--refine",
        nargs="?",
        const="all",
        choices=("all", "auto"),
        metavar="auto",
        help="add detail that a diffusion model draws; the file stays as it is. With auto "
        "only where what is missing is predicted to be seen",
    )
    group.add_argument(
        "--steps",
        type=options.natural,
        metavar="N",
        help="evaluations of the model, 1 to 64, default 2; more draw more",
    )
    group.add_argument(
        "--strength",
        type=options.strength,
        metavar="A",
        help="how much is added, 0 to 1, default 1: less is nearer to the original in error",
    )
    group.add_argument(
        "--noise",
        type=options.strength,
        metavar="G",
        help="how much noise drawing begins with, 0 to 1, default 0.8: less gives less grain; "
        "0 draws nothing, and sharpens",
    )
    group.add_argument(
        "--budget",
        type=options.positive,
        metavar="SECONDS",
        help="refine each file for about so long, where most is missing first",
    )
    group.add_argument("--refiner", metavar="MODEL", help="id or folder of another refiner")


def refining(argv: Sequence[str]) -> list[str]:
    """Arguments with `--refine` made unambiguous: a file's name may follow it."""
    out = list(argv)
    for i, text in enumerate(out):
        if text == "--":
            break
        if text == "--refine" and not (i + 1 < len(out) and out[i + 1] == "auto"):
            out[i] = "--refine=all"
    return out


def run(args: argparse.Namespace) -> int:
    """Files to images."""
    several = (args.samples or 1) > 1
    if several and args.samples > MAX_SAMPLES:
        raise UsageError(f"--samples are {MAX_SAMPLES:,} at most, got {args.samples:,}")

    def numbered(target: pathlib.Path) -> list[pathlib.Path]:
        return [_numbered(target, number) for number in range(args.samples)]

    def find(folder: pathlib.Path) -> list[pathlib.Path]:
        return sorted(folder.rglob("*" + SUFFIX))

    todo = jobs(args, find, ".png", numbered if several else None)
    images_alone([target for _, target in todo.jobs])
    asked = (args.steps, args.strength, args.noise, args.budget, args.refiner)
    if args.refine:
        return _refined(args, todo)
    if any(value is not None for value in asked):
        raise UsageError(
            "--steps, --strength, --noise, --budget and --refiner go with --refine"
        )
    if args.samples == 0 or (args.map and args.samples == 1):
        least = 2 if args.map else 1
        raise UsageError(f"--samples must be {least} or more, got {args.samples}")
    if several and any(target is STREAM for _, target in todo.jobs):
        raise UsageError("-: standard output takes one picture, but there are several samples")
    if args.map:
        _check_map(args, todo)
    from jaxlic import api, synset
    from jaxlic.commands.code import builders_in
    from jaxlic.entropy.detail import Detail
    from jaxlic.files.images import Picture

    builders = builders_in(args.code)
    drawing = args.samples is not None or args.map or args.seed is not None
    sampler = args.sampler or ("gaussian" if drawing and not args.strict else "mean")
    detail = Detail(sampler, args.seed or 0)
    count = args.samples or (8 if args.map else 1)

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        data, spread = read(source), synset.Spread()
        codec = api.load_for(data, args.model, builders=builders)
        if (several or args.map) and not synset.open_to_drawing(data, args.level):
            raise UsageError("holds all levels: no detail is drawn, and there is one picture")
        found = synset.members(
            codec,
            data,
            level=args.level,
            detail=detail,
            samples=count,
            max_pixels=args.max_pixels,
        )
        height, width, text = 0, 0, ""
        for number, picture in enumerate(found):
            if number == 0:
                tell(source, picture.notes)
                write_picture(source, target, picture)
            elif several:
                write_picture(source, _numbered(target, number, first=target), picture)
            (height, width), text = picture.rgb.shape[:2], str(picture.text)
            if args.map:
                spread.add(picture.rgb)
        if args.map:
            grey = spread.drawn()
            text = synset.map_caption(count, text)
            rgb = grey[..., None].repeat(3, axis=-1)
            write_picture(source, args.map, Picture(rgb, text=text))
        more = f", and {count - 1} more" if several else ""
        return f"{width}x{height}{more}" + (f", map -> {args.map}" if args.map else "")

    return each(todo, work, "decompressing")


def _check_map(args: argparse.Namespace, todo: Todo) -> None:
    """Raises UsageError if no map can be written, or it would say what is not so."""
    if todo.several:
        raise UsageError(f"{args.map}: is the map of one file, but there may be several")
    if args.strict or args.sampler == "mean":
        raise UsageError("--map shows drawn detail, and --strict and --sampler mean draw none")
    if args.map.suffix.lower() != ".png":
        raise UsageError(f"{args.map}: a map is a PNG file, called .png")
    if not args.map.parent.is_dir():
        raise UsageError(f"{args.map.parent}: no such folder")
    if args.map.exists() and not args.force:
        raise UsageError(f"{args.map}: exists; use --force to replace it")
    taken = [a for a in (*args.inputs, *(b for _, b in todo.jobs)) if a is not STREAM]
    if args.map.resolve() in [a.resolve() for a in taken]:
        raise UsageError(f"{args.map}: is the picture's own name")


def _refined(args: argparse.Namespace, todo: Todo) -> int:
    """Files to images with drawn detail."""
    numbers = args.samples, args.level
    if args.strict or args.sampler or args.map or any(n is not None for n in numbers):
        raise UsageError("--refine goes with --seed alone of the options for files in levels")
    from jaxlic import api, refiner
    from jaxlic.commands.code import builders_in

    builders = builders_in(args.code)
    asked = {name: getattr(args, name) for name in ("steps", "strength", "seed", "noise")}
    how = refiner.How(**{name: a for name, a in asked.items() if a is not None})
    if not 1 <= how.steps <= refiner.MAX_STEPS:
        raise UsageError(f"steps must be 1 to {refiner.MAX_STEPS}, got {how.steps}")

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        data = read(source)
        codec = api.load_for(data, args.model, builders=builders)
        with counting("refining", shown=len(todo.jobs) == 1) as count:  # One bar at a time.
            picture = refiner.decode(
                codec,
                refiner.refiner_for(codec, args.refiner, builders=builders),
                data,
                how,
                auto=args.refine == "auto",
                budget=args.budget,
                max_pixels=args.max_pixels,
                tell=count,
            )
        tell(source, picture.notes)
        write_picture(source, target, picture)
        height, width = picture.rgb.shape[:2]
        return f"{width}x{height}"

    return each(todo, work, "decompressing")


def _numbered(
    target: pathlib.Path, number: int, *, first: pathlib.Path | None = None
) -> pathlib.Path:
    """`photo-3.png` of `photo.png` and 2; or of `first`, `photo-1.png`."""
    if target is STREAM:
        return target
    stem = target.stem if first is None else target.stem.removesuffix("-1")
    return target.with_stem(f"{stem}-{number + 1}")
