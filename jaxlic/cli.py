"""The command line. Heavy imports wait until a command needs them, so that help is instant."""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

SUFFIX = ".jlic"


class UsageError(ValueError):
    """Input that cannot be used; the message says why in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command. 0: all done; 2: something about the input; 130: interrupted."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except (ValueError, OSError, ImportError, MemoryError) as error:
        return _report(error)


def _report(error: BaseException) -> int:
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"jaxlic: error: {text}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    from jaxlic import __version__

    parser = argparse.ArgumentParser(
        prog="jaxlic",
        description="Learned image compression: photographs to small .jlic files and back.",
        epilog="`jaxlic COMMAND --help` explains a command and gives examples.",
    )
    parser.add_argument("--version", action="version", version=f"jaxlic {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable, help_: str, examples: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=help_,
            description=help_[0].upper() + help_[1:] + ".",
            epilog="examples:\n" + examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        return sub

    sub = command(
        "compress",
        _compress,
        "compress images to .jlic files",
        "  jaxlic compress photo.jpg                  writes photo.jlic\n"
        "  jaxlic compress photo.jpg -o small.jlic -q 20\n"
        "  jaxlic compress holiday/ -o small/         every image below holiday/",
    )
    sub.add_argument("inputs", nargs="+", type=pathlib.Path, help="image files or folders")
    _add_output(sub, "the .jlic file, or a folder if there are several inputs")
    sub.add_argument(
        "-q",
        "--quality",
        type=_quality,
        default=40.0,
        help="1 (smallest file) to 100 (best image), default 40",
    )
    sub.add_argument("--model", default="base", help="id or folder of a model, default base")
    sub.add_argument(
        "--coder", choices=("constriction", "tfc"), default="constriction", help="entropy coder"
    )

    sub = command(
        "decompress",
        _decompress,
        "turn .jlic files back into images",
        "  jaxlic decompress photo.jlic               writes photo.png\n"
        "  jaxlic decompress photo.jlic -o photo.tiff\n"
        "  jaxlic decompress small/ -o restored/",
    )
    sub.add_argument("inputs", nargs="+", type=pathlib.Path, help=".jlic files or folders")
    _add_output(sub, "the image file, or a folder if there are several inputs")
    sub.add_argument("--model", help="needed for files of models that are not shipped")

    sub = command(
        "info",
        _info,
        "show what a .jlic file holds, without decoding it",
        "  jaxlic info photo.jlic\n  jaxlic info photo.jlic --json",
    )
    sub.add_argument("input", type=pathlib.Path, help="a .jlic file")
    sub.add_argument("--json", action="store_true", help="machine-readable")

    sub = command(
        "models",
        _models,
        "list the models that are shipped",
        "  jaxlic models\n  jaxlic models --json",
    )
    sub.add_argument("--json", action="store_true", help="machine-readable")

    sub = command(
        "eval",
        _eval,
        "measure rate and PSNR of models and standard codecs on a folder, with real files",
        "  jaxlic eval kodak/ --codecs jpeg,webp,avif\n"
        "  jaxlic eval kodak/ --models base,mymodel --qualities 20,50,80 --json out.json\n"
        "  jaxlic eval kodak/ --plot curves.png",
    )
    sub.add_argument("folder", type=pathlib.Path, help="a folder of images")
    sub.add_argument("--models", default="base", help="ids or folders, by comma; '' for none")
    sub.add_argument(
        "--codecs", default="jpeg,webp", help="of jpeg, webp, avif, jxl, by comma; '' for none"
    )
    sub.add_argument("--qualities", type=_qualities, help="for the models, by comma")
    sub.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all records")
    sub.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="write the curves (PNG)")
    return parser


def _add_output(sub: argparse.ArgumentParser, help_: str) -> None:
    sub.add_argument("-o", "--output", type=pathlib.Path, metavar="OUT", help=help_)
    sub.add_argument("-f", "--force", action="store_true", help="replace files that exist")


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError(f"quality must be in [1, 100], got {text!r}")
    return value


def _qualities(text: str) -> list[float]:
    return [_quality(part) for part in text.split(",")]


def _compress(args: argparse.Namespace) -> int:
    from jaxlic import images

    jobs = _jobs(args, images.find, SUFFIX)
    from jaxlic import api

    codec = api.load(args.model)
    api.range_coder_named(args.coder)

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        picture = images.read(source)
        for note in picture.notes:
            print(f"jaxlic: {source}: {note}", file=sys.stderr)
        data = codec.compress(picture, args.quality, args.coder)
        images.write_bytes(target, data)
        height, width = picture.rgb.shape[:2]
        return f"{len(data):,} bytes, {8 * len(data) / (height * width):.3f} bpp"

    return _each(jobs, work, "compressing")


def _decompress(args: argparse.Namespace) -> int:
    jobs = _jobs(args, lambda folder: sorted(folder.rglob("*" + SUFFIX)), ".png")
    from jaxlic import api, images

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        data = _read(source)
        try:
            picture = api.load_for(data, args.model).decode(data)
        except ValueError as error:
            raise UsageError(f"{source}: {error}") from error
        images.write(target, picture)
        height, width = picture.rgb.shape[:2]
        return f"{width}x{height}"

    return _each(jobs, work, "decompressing")


def _info(args: argparse.Namespace) -> int:
    data = _read(args.input)
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


def _models(args: argparse.Namespace) -> int:
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


def _eval(args: argparse.Namespace) -> int:
    from jaxlic import evaluation, images

    if not args.folder.is_dir():
        raise UsageError(f"{args.folder}: no such folder")
    files = images.find(args.folder)
    if not files:
        raise UsageError(f"{args.folder}: holds no image")
    codecs: dict[str, Any] = {}
    for name in filter(None, args.codecs.split(",")):
        if name not in evaluation.STANDARD:
            raise UsageError(f"codecs are {', '.join(evaluation.STANDARD)}, got {name!r}")
        codecs[name] = (evaluation.standard(name), evaluation.QUALITIES[name])
    for name in filter(None, args.models.split(",")):
        qualities = args.qualities or evaluation.MODEL_QUALITIES
        codecs[name] = (evaluation.learned(name), qualities)
    if not codecs:
        raise UsageError("nothing to evaluate: no models and no codecs")
    total = len(files) * sum(len(qualities) for _, qualities in codecs.values())
    records = list(_progress(evaluation.evaluate(files, codecs), total, "evaluating"))
    points = evaluation.curves(records)
    if args.json:
        summary = {"records": records, "curves": points}
        images.write_bytes(args.json, (json.dumps(summary, indent=1) + "\n").encode())
    if args.plot:
        images.write_bytes(args.plot, evaluation.plot(points, f"{len(files)} images"))
    print(f"{len(files)} images, averages; rate is bytes of the files\n")
    print(f"{'codec':12} {'quality':>7} {'bpp':>7} {'PSNR':>6}")
    for codec, curve in points.items():
        for quality, bpp, psnr in curve:
            print(f"{codec:12} {quality:>7g} {bpp:>7.3f} {psnr:>6.2f}")
    anchors = [name for name in evaluation.STANDARD if name in points]
    if anchors:
        print(
            f"\nBD-rate in %, 0.2 to 1.0 bpp\n{'codec':12} "
            + " ".join(f"{'vs ' + anchor:>9}" for anchor in anchors)
        )
        columns = [evaluation.bd_rates(points, anchor) for anchor in anchors]
        for codec in points:
            cells = (column[codec] for column in columns)
            print(
                f"{codec:12} "
                + " ".join(f"{'-':>9}" if cell is None else f"{cell:>+9.1f}" for cell in cells)
            )
    return 0


def _jobs(
    args: argparse.Namespace, find: Callable[[pathlib.Path], list[pathlib.Path]], suffix: str
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """(source, target) of every file, before anything is read."""
    several = len(args.inputs) > 1 or args.inputs[0].is_dir()
    if (
        several
        and args.output is not None
        and args.output.exists()
        and not args.output.is_dir()
    ):
        raise UsageError(f"{args.output}: is a file, but there are several inputs")
    jobs = []
    for source in args.inputs:
        if not source.exists():
            raise UsageError(f"{source}: no such file or folder")
        found = find(source) if source.is_dir() else [source]
        if not found:
            raise UsageError(f"{source}: holds nothing to do")
        for file in found:
            relative = file.relative_to(source) if source.is_dir() else pathlib.Path(file.name)
            if args.output is None:
                target = file.with_suffix(suffix)
            elif several or args.output.is_dir():
                target = args.output / relative.with_suffix(suffix)
            else:
                target = args.output
            jobs.append((file, target))
    targets = [target.resolve() for _, target in jobs]
    for (source, target), resolved in zip(jobs, targets, strict=True):
        if targets.count(resolved) > 1:
            raise UsageError(f"{target}: would be written more than once; choose another -o")
        if resolved == source.resolve():
            raise UsageError(f"{target}: would replace its own source")
        if target.exists() and not args.force:
            raise UsageError(f"{target}: exists; use --force to replace it")
    return jobs


def _each(jobs, work: Callable[[pathlib.Path, pathlib.Path], str], label: str) -> int:
    """Does all jobs; a bad one is reported and does not keep the others from being done."""
    failed = 0
    for source, target in _progress(jobs, len(jobs), label):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            print(f"{source} -> {target}  {work(source, target)}")
        except (ValueError, OSError, ImportError, MemoryError) as error:
            failed += 1
            _report(error)
    if failed and len(jobs) > 1:
        print(f"jaxlic: {failed} of {len(jobs)} files failed", file=sys.stderr)
    return 2 if failed else 0


def _progress(items: Iterable[Any], total: int, label: str) -> Iterable[Any]:
    """Shows a bar on stderr if it is a terminal and there is something to wait for."""
    if total < 2 or not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, label, total=total, console=Console(stderr=True), transient=True)


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
