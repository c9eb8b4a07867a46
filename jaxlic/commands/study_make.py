"""jaxlic study make."""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import TYPE_CHECKING, Any

from jaxlic.commands import options
from jaxlic.commands.files import photographs
from jaxlic.commands.messages import progress, quietly, say
from jaxlic.errors import UsageError

if TYPE_CHECKING:
    from jaxlic.study.stimuli import Codec

SIZE = (560, 480)


def add(steps: Any) -> None:
    """The parser."""
    parser = options.command(
        steps,
        "make",
        run,
        "make the pictures of a study and a fixed plan of who is asked what",
        "  jaxlic study make photos/ -o study/ --codec jpeg=30,50,70,90 --codec base=20,50,80\n"
        "  jaxlic study make photos/ -o study/ --kind boosted --codec avif=60,75,85\n"
        "  jaxlic study make photos/ -o study/ --kind ab --codec jpeg=60 --codec base=40\n"
        "  jaxlic study make photos/ -o study/ --folder jnd=1:once/ --folder jnd=2:twice/",
    )
    parser.add_argument("folder", type=pathlib.Path, help="a folder of photographs")
    parser.add_argument(
        "-o", "--output", type=pathlib.Path, metavar="OUT", required=True, help="a new folder"
    )
    parser.add_argument(
        "--kind",
        choices=("plain", "boosted", "ab"),
        default="plain",
        help="plain: which of two differs more, or not sure (the default); boosted: so, with "
        "twice the error, twice the size, and flicker of 10 changes a second; ab: two codecs "
        "at one quality each, the old one first, without not sure",
    )
    parser.add_argument(
        "--codec",
        action="append",
        default=[],
        type=codec,
        metavar="NAME=Q,Q,...",
        help="a codec of jaxlic eval (jpeg, webp, avif ...) or a model, and its qualities; "
        "repeatable",
    )
    parser.add_argument(
        "--folder",
        action="append",
        default=[],
        dest="folders",
        type=folder,
        metavar="NAME=LEVEL:DIR",
        help="images made elsewhere, named as the photographs are; repeatable, once a level",
    )
    parser.add_argument(
        "--size",
        type=options.point,
        default=SIZE,
        metavar="W,H",
        help="what is shown of a photograph, its middle, default 560,480: two fit on a screen",
    )
    _add_words(parser)
    options.add_code(parser)


def _add_words(parser: argparse.ArgumentParser) -> None:
    """The plan's shape and what the page says."""
    parser.add_argument(
        "--repeats",
        type=options.natural,
        default=1,
        help="how often each pair is asked, default 1; more if few people take part",
    )
    parser.add_argument(
        "--block", type=options.natural, default=40, help="questions between pauses, default 40"
    )
    parser.add_argument(
        "--seed", type=options.natural, default=0, help="of the plan, default 0"
    )
    parser.add_argument(
        "--title", default="A study of pictures", help="what the page is called"
    )
    parser.add_argument("--contact", default="", help="whom to ask, shown on the page")
    parser.add_argument(
        "--consent",
        type=pathlib.Path,
        metavar="FILE",
        help="a text that the first page shows too",
    )


def codec(text: str) -> tuple[str, tuple[float, ...]]:
    """`NAME=Q,Q,...`."""
    name, equals, levels = text.rpartition("=")
    try:
        found = tuple(float(level) for level in levels.split(","))
    except ValueError:
        found = ()
    if not (name and equals and found and all(0 <= q <= 100 for q in found)):
        raise argparse.ArgumentTypeError(
            f"must be NAME=Q,Q,... with Q in [0, 100], got {text!r}"
        )
    return name, tuple(dict.fromkeys(found))


def folder(text: str) -> tuple[str, float, pathlib.Path]:
    """`NAME=LEVEL:DIR`."""
    name, _, rest = text.partition("=")
    level, colon, path = rest.partition(":")
    if not (name and colon and path):
        raise argparse.ArgumentTypeError(f"must be NAME=LEVEL:DIR, got {text!r}")
    return name, options.positive(level), pathlib.Path(path)


def run(args: argparse.Namespace) -> int:
    """Writes the folder of a study."""
    from jaxlic.files import disk
    from jaxlic.study import folder as studies

    files = photographs(args.folder)
    if args.output.exists() and (not args.output.is_dir() or any(args.output.iterdir())):
        raise UsageError(f"{args.output}: exists; a study needs a folder of its own")
    if min(args.size) < 64 or min(args.block, args.repeats) < 1:
        raise UsageError("--size is at least 64,64; --block and --repeats are at least 1")
    consent = disk.read_bytes(args.consent).decode("utf-8", "replace") if args.consent else ""
    codecs = _codecs(args)
    if args.kind == studies.AB and [len(c.levels) for c in codecs] != [1, 1]:
        raise UsageError("ab compares two codecs at one quality each")
    words = {"title": args.title, "contact": args.contact, "consent": consent}
    made = studies.make(
        args.output,
        files,
        codecs,
        kind=args.kind,
        size=args.size,
        block=args.block,
        repeats=args.repeats,
        seed=args.seed,
        words=words,
    )
    for _ in progress(quietly(made), len(files), "making pictures"):
        pass
    study = studies.load(args.output)
    blocks = len(study.versions[0])
    say(
        f"{args.output}: {len(study.shown)} pictures of {len(files)} photographs, "
        f"{len(study.questions)} questions in {blocks} block{'s' * (blocks > 1)}, "
        f"{len(study.versions)} versions"
    )
    say(f"rules of exclusion, before anybody is asked: {json.dumps(study.rules)}")
    say(f"next: jaxlic study serve {args.output}")
    return 0


def _codecs(args: argparse.Namespace) -> list[Codec]:
    from jaxlic.commands.code import builders_in
    from jaxlic.report import anchors
    from jaxlic.report.learned import learned
    from jaxlic.study import stimuli

    builders = builders_in(args.code)
    found: list[Codec] = []
    for name, levels in args.codec:
        if name in anchors.STANDARD:
            if reason := anchors.missing(name):
                raise UsageError(reason)
            curves = {name: (anchors.standard(name), levels)}
        else:
            curves = learned(name, levels, builders=builders)
        for curve, (round_trip, _) in curves.items():
            found.append(stimuli.coded(curve, levels, round_trip))
    grouped: dict[str, dict[float, pathlib.Path]] = {}
    for name, level, path in args.folders:
        grouped.setdefault(name, {})[level] = path
    found += [stimuli.folders(name, paths, args.folder) for name, paths in grouped.items()]
    names = [c.name for c in found]
    if not names:
        raise UsageError("nothing to compare: name a --codec or a --folder")
    if len(set(names)) < len(names) or {stimuli.SOURCE, stimuli.TRAP} & set(names):
        raise UsageError(f"codecs need names of their own, got {', '.join(names)}")
    return found
