"""jaxlic jnd-targets."""

from __future__ import annotations

import argparse
import pathlib
from collections import Counter
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.files import photographs
from jaxlic.commands.messages import progress, quietly
from jaxlic.errors import UsageError


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "jnd-targets",
        run,
        "make images one just-noticeable difference from your photographs, to train towards",
        "  jaxlic jnd-targets photos/ -o targets/\n"
        "  jaxlic jnd-targets photos/ -o targets/ --method webp --share 0.01\n"
        "  python -m train configs/base_jnd.py --workdir runs/jnd --data photos/ \\\n"
        "      --targets targets/ --set loss=pixel",
    )
    parser.add_argument("folder", type=pathlib.Path, help="a folder of images")
    parser.add_argument(
        "-o", "--output", type=pathlib.Path, metavar="OUT", required=True, help="a folder"
    )
    parser.add_argument(
        "--method",
        choices=("smooth", "jpeg", "webp", "avif"),
        default="smooth",
        help="take out what cannot be seen (the default), or the lowest quality of a codec "
        "that is hardly seen",
    )
    parser.add_argument(
        "--scale", type=options.positive, default=1.0, help="how many thresholds, default 1"
    )
    parser.add_argument(
        "--share",
        type=options.share,
        default=0.05,
        help="of a codec: the share of pixels that may exceed them, default 0.05",
    )


def run(args: argparse.Namespace) -> int:
    """Writes images one just-noticeable difference from those of a folder."""
    files = photographs(args.folder)
    names = [file.relative_to(args.folder).with_suffix("") for file in files]
    counts = Counter(names)
    for name, file in zip(names, files, strict=True):
        if counts[name] > 1:
            raise UsageError(f"{file}: another image has the same name but for its suffix")
    if args.output.resolve() == args.folder.resolve():
        raise UsageError(f"{args.output}: targets need a folder of their own")
    if args.output.is_file():
        raise UsageError(f"{args.output}: is a file")
    from jaxlic.report import targets as making

    args.output.mkdir(parents=True, exist_ok=True)
    done = making.write_targets(
        args.folder, args.output, method=args.method, scale=args.scale, share=args.share
    )
    for file, note in progress(quietly(done), len(files), "making targets"):
        print(f"{file}  {note}")
    return 0
