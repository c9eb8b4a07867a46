"""Options that several commands share, and what they accept."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable
from typing import Any

from jaxlic.commands.names import Output, place

MAX_PIXELS = 100_000_000
MODEL = "pyramid-3"  # That of jaxlic.load, whose import would take its time.
EFFORTS = "0", "1", "2", "3"
Run = Callable[[argparse.Namespace], int]


def command(commands: Any, name: str, run: Run, help_: str, examples: str) -> Any:
    """A new subcommand's parser; `help_` begins in lower case and has no full stop."""
    parser = commands.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog="examples:\n" + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_files(parser: argparse.ArgumentParser, inputs: str, output: str) -> None:
    """Inputs, `-o` and `-f` of the commands that make files of files."""
    parser.add_argument("inputs", nargs="+", type=place, help=f"{inputs}; - for standard input")
    add_output(
        parser, f"{output}, or a folder if there are several inputs; - for standard output"
    )
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave out files whose output is there: goes on where a run was stopped",
    )
    parser.add_argument(
        "--keep-suffix",
        action="store_true",
        help="add to names, not replace their suffix, as photo.jpg.jlic or photo.jpg.x2.jpg",
    )


def add_output(parser: argparse.ArgumentParser, help_: str) -> None:
    """`-o` and `-f`."""
    parser.add_argument("-o", "--output", action=Output, metavar="OUT", help=help_)
    parser.set_defaults(into=False)
    parser.add_argument("-f", "--force", action="store_true", help="replace files that exist")


def add_model(parser: argparse.ArgumentParser) -> None:
    """`--model`, of a codec."""
    parser.add_argument(
        "--model", default=MODEL, help=f"id or folder of a model, default {MODEL}"
    )


def add_scale(parser: argparse.ArgumentParser, help_: str, default: int | None) -> None:
    """`--scale`."""
    parser.add_argument("--scale", type=int, choices=(2, 4), default=default, help=help_)


def add_limit(parser: argparse.ArgumentParser) -> None:
    """`--max-pixels`."""
    parser.add_argument(
        "--max-pixels",
        type=pixels,
        default=MAX_PIXELS,
        metavar="N",
        help="refuse larger images, default (and at most) 100000000",
    )


def add_code(parser: argparse.ArgumentParser) -> None:
    """`--code`."""
    parser.add_argument(
        "--code",
        type=pathlib.Path,
        metavar="FILE",
        help="a Python file of yours with BUILDERS, for models of your own architecture; "
        "it is executed",
    )


def pixels(text: str) -> int:
    """A number of pixels, 1 to 100 million."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= MAX_PIXELS:
        raise argparse.ArgumentTypeError(f"must be 1 to {MAX_PIXELS}, got {text!r}")
    return int(text)


def natural(text: str, bits: int = 31) -> int:
    """A whole number from 0 on, below 2 to the `bits`."""
    if not text.isascii() or not text.isdigit() or len(text) > 20 or int(text) >= 2**bits:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to {2**bits - 1:,}, got {text!r}"
        )
    return int(text)


def large(text: str) -> int:
    """A whole number from 0 on, below 2 to the 64th."""
    return natural(text, 64)


def point(text: str) -> tuple[int, int]:
    """`X,Y`."""
    x, comma, y = text.partition(",")
    if not comma:
        raise argparse.ArgumentTypeError(f"must be X,Y in pixels, got {text!r}")
    return natural(x), natural(y)


def codec_quality(text: str) -> int:
    """A quality of JPEG or WebP, 30 to 95."""
    if not text.isascii() or not text.isdigit() or not 30 <= int(text) <= 95:
        raise argparse.ArgumentTypeError(f"quality must be 30 to 95, got {text!r}")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be positive, got {text!r}")
    return value


def strength(text: str) -> float:
    """A number in [0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be in [0, 1], got {text!r}")
    return value


def share(text: str) -> float:
    """A number in (0, 1]."""
    value = positive(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"must be in (0, 1], got {text!r}")
    return value


def quality(text: str) -> float:
    """A quality in [1, 100]."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError(f"quality must be in [1, 100], got {text!r}")
    return value


def effort(text: str) -> int:
    """An effort of the encoder, 0 to 3."""
    if text not in EFFORTS:
        raise argparse.ArgumentTypeError(f"effort must be 0 to {EFFORTS[-1]}, got {text!r}")
    return int(text)


def qualities(text: str) -> list[float]:
    """Qualities, by comma."""
    return [quality(part) for part in text.split(",")]
