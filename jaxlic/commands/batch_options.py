"""What the commands of `jaxlic batch` accept."""

from __future__ import annotations

import argparse
import math
from typing import Any

from jaxlic.commands import options

_FOLDER = "What is done stands in the\nfolder of the job: job.json, plan/, out/, report/."


def add(parser: argparse.ArgumentParser) -> None:
    """The parsers of all commands."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    compress = _command(
        commands,
        "compress",
        "compress images to .jlic files, below out/ in the folder of the job",
        "  jaxlic batch compress photos/ -o job/                     the same command goes on\n"
        "  jaxlic batch compress s3://b/photos -o s3://b/job -q 30 --psnr --max-errors 1%\n"
        "  jaxlic batch compress sizes.parquet -o s3://b/job --engine ray",
    )
    _input(compress)
    compress.add_argument(
        "-q", "--quality", type=options.quality, default=40.0, help="1 to 100, default 40"
    )
    _codec(compress)
    _psnr(compress)
    measure = _command(
        commands,
        "eval",
        "measure rate and PSNR of images; files are made, decoded and not kept",
        "  jaxlic batch eval photos/ -o run/ -q 20,40,60\n"
        "  jaxlic batch eval manifest.parquet -o s3://b/run --shards 3/64",
    )
    _input(measure)
    measure.add_argument(
        "-q",
        "--qualities",
        type=options.qualities,
        default=[40.0],
        help="by comma, default 40; a row of the report each",
    )
    _codec(measure)
    measure.set_defaults(psnr=True)
    downscale = _command(
        commands,
        "downscale",
        "make JPEG or WebP thumbnails that `jaxlic upscale` turns back",
        "  jaxlic batch downscale photos/ -o small/ --scale 4 --format webp",
    )
    _input(downscale)
    options.add_scale(downscale, "how many times smaller, default 2", default=2)
    downscale.add_argument("--format", choices=("jpeg", "webp"), default="jpeg")
    downscale.add_argument(
        "--codec-quality", type=options.codec_quality, default=80, metavar="Q", help="30 to 95"
    )
    downscale.add_argument("--model", help="id or folder, default sain-x2 or sain-x4")
    _psnr(downscale)
    for command in (compress, measure, downscale):
        _plan(command)
        _run(command)
    _afterwards(commands)


def arguments(args: argparse.Namespace) -> dict[str, Any]:
    """What the outputs of a job depend on."""
    found = {"psnr": args.psnr, "max_pixels": args.max_pixels, "model": args.model}
    if args.command == "downscale":
        return found | {
            "model": args.model or f"sain-x{args.scale}",
            "qualities": [args.codec_quality],
            "scale": args.scale,
            "format": args.format,
        }
    qualities = [args.quality] if args.command == "compress" else args.qualities
    return found | {"coder": args.coder, "qualities": list(dict.fromkeys(qualities))}


def most(limit: str | None, total: int) -> int | None:
    """How many errors `--max-errors` allows among `total` images.

    >>> most("1%", 250), most("7", 250), most(None, 250)
    (2, 7, None)
    """
    if limit is None:
        return None
    if limit.endswith("%"):
        return math.floor(float(limit[:-1]) / 100 * total)
    return int(limit)


def errors(text: str) -> str:
    """A number of errors, or a share of all images as `1%`."""
    try:
        value = float(text[:-1]) if text.endswith("%") else int(text)
    except ValueError:
        value = -1
    if not 0 <= value < (101 if text.endswith("%") else 2**31):
        raise argparse.ArgumentTypeError(f"must be a number or a percentage, got {text!r}")
    return text


def share(text: str) -> tuple[int, int]:
    """`K/N` as (K - 1, N).

    >>> share("3/64")
    (2, 64)
    """
    first, slash, of = text.partition("/")
    good = slash and all(t.isascii() and t.isdigit() and len(t) < 8 for t in (first, of))
    if not good or not 1 <= int(first) <= int(of):
        raise argparse.ArgumentTypeError(f"must be as 3/64, from 1/64 to 64/64, got {text!r}")
    return int(first) - 1, int(of)


def several(text: str) -> int:
    """A whole number from 1 on."""
    value = options.natural(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got {text!r}")
    return value


def _afterwards(commands: Any) -> None:
    """The parsers of what is done with a job that is there."""
    status = _command(
        commands,
        "status",
        "tell how far a job is, and what failed",
        "  jaxlic batch status job/",
    )
    _job(status)
    status.add_argument(
        "--errors", type=options.natural, default=10, metavar="N", help="show N, default 10"
    )
    retry = _command(
        commands,
        "retry",
        "do once more the images of finished shards that failed, and nothing else",
        "  jaxlic batch retry s3://b/job",
    )
    _job(retry)
    _run(retry)
    retry.set_defaults(share=None)


def _command(commands: Any, name: str, help_: str, examples: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ". " + _FOLDER,
        epilog="examples:\n" + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input",
        help="a folder or an image, as a path or a URL such as s3://bucket/photos, or a "
        "manifest: a Parquet file with the column source, and perhaps bytes, etag, height and "
        "width, which spare a look at every image",
    )
    parser.add_argument(
        "-o",
        "--output",
        dest="job",
        required=True,
        metavar="JOB",
        help="the job's folder or URL",
    )


def _job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="the job's folder or URL")
    parser.set_defaults(retry_for=300.0)


def _codec(parser: argparse.ArgumentParser) -> None:
    options.add_model(parser)
    parser.add_argument(
        "--coder", choices=("constriction", "tfc"), default="constriction", help="entropy coder"
    )


def _psnr(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--psnr", action="store_true", help="decode again, and report the PSNR of RGB"
    )


def _plan(parser: argparse.ArgumentParser) -> None:
    options.add_limit(parser)
    parser.add_argument(
        "--shard-size",
        type=several,
        metavar="N",
        help="images of a shard, at most; default 8 to 256, the more there are",
    )
    parser.add_argument(
        "--as-listed",
        action="store_true",
        help="plan without a look at the sizes of images: quicker begun, slower done",
    )
    parser.add_argument("--plan-only", action="store_true", help="plan the job and stop")
    parser.add_argument(
        "--shards",
        dest="share",
        type=share,
        metavar="K/N",
        help="do the Kth of N shares of the shards in this process, without an engine; share "
        "1 plans the job, and the others wait for that",
    )


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="who runs workers: processes of this machine (default), or a Ray cluster",
    )
    parser.add_argument(
        "--workers",
        type=several,
        metavar="N",
        help="how many, default one a GPU, or else one a core",
    )
    parser.add_argument(
        "--max-errors",
        type=errors,
        metavar="N",
        help="stop when more images than this failed, or than this share of all: 100, 1%%",
    )
    parser.add_argument(
        "--retry-for",
        type=options.positive,
        default=300.0,
        metavar="SECONDS",
        help="how long storage that fails is asked again, default 300",
    )
    parser.add_argument(
        "--other-versions",
        action="store_true",
        help="go on with a job though packages have other versions than when it was begun; "
        "images done twice may then differ in a few bytes",
    )
    options.add_code(parser)
