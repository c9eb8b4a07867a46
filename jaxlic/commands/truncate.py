"""jaxlic truncate."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import SUFFIX, each, jobs, read, write

_CUT = ".cut" + SUFFIX


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "truncate",
        run,
        "cut progressive .jlic files to fewer levels, without decoding",
        "  jaxlic truncate photo.jlic --level 4             writes photo.cut.jlic\n"
        "  jaxlic truncate photo.jlic --bytes 20000 -o small.jlic\n"
        "  jaxlic info photo.jlic                           says what each level takes",
    )
    options.add_files(parser, ".jlic files or folders", "the shorter file")
    kept = parser.add_mutually_exclusive_group(required=True)
    kept.add_argument("--level", type=options.natural, metavar="L", help="keep levels 1 to L")
    kept.add_argument(
        "--bytes",
        type=options.large,
        metavar="N",
        dest="size",
        help="keep as many levels as fit in N bytes",
    )


def run(args: argparse.Namespace) -> int:
    """Files to their beginnings."""

    def find(folder: pathlib.Path) -> list[pathlib.Path]:
        found = sorted(folder.rglob("*" + SUFFIX))
        # Without an output they are this command's own, of a run before.
        return [f for f in found if args.output or not f.name.endswith(_CUT)]

    todo = jobs(args, find, _CUT)
    from jaxlic.files import levels

    def work(source: pathlib.Path, target: pathlib.Path) -> str:
        data = read(source)
        kept = levels.truncate(data, level=args.level, size=args.size)
        write(target, kept)
        whole, written = levels.count(kept)
        return f"{len(data):,} to {len(kept):,} bytes, level {whole} of {written}"

    return each(todo, work, "cutting")
