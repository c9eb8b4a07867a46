"""jaxlic study serve and analyse."""

from __future__ import annotations

import argparse
import pathlib
from typing import TYPE_CHECKING, Any

from jaxlic.commands import options
from jaxlic.commands.messages import remark, say
from jaxlic.errors import UsageError

if TYPE_CHECKING:
    from jaxlic.study.analysis import Result

PORT = 8321


def add_serve(steps: Any) -> None:
    """The parser of serve."""
    parser = options.command(
        steps,
        "serve",
        serve,
        "show a study in browsers and keep the answers, until Ctrl-C",
        "  jaxlic study serve study/\n"
        "  jaxlic study serve study/ --host 0.0.0.0 --port 8080     # to other machines, too",
    )
    parser.add_argument("study", type=pathlib.Path, help="a folder that make has made")
    parser.add_argument(
        "--host", default="127.0.0.1", help="where to listen, default this machine alone"
    )
    parser.add_argument(
        "--port", type=port, default=PORT, help=f"default {PORT}; 0: one that is free"
    )


def add_analyse(steps: Any) -> None:
    """The parser of analyse."""
    parser = options.command(
        steps,
        "analyse",
        analyse,
        "work out what the answers say: a scale in just-noticeable differences, or a win rate",
        "  jaxlic study analyse study/\n"
        "  jaxlic study analyse study/ -o results/ --plot results.png",
    )
    parser.add_argument("study", type=pathlib.Path, help="a folder that make has made")
    parser.add_argument(
        "-o", "--output", type=pathlib.Path, metavar="OUT", help="a folder for tables (CSV)"
    )
    parser.add_argument(
        "--plot", type=pathlib.Path, metavar="FILE", help='draw a .png or .svg; "jaxlic[eval]"'
    )
    parser.add_argument(
        "--draws",
        type=options.natural,
        default=400,
        help="of observers, for the intervals, default 400",
    )
    parser.add_argument(
        "--margin",
        type=options.share,
        default=0.1,
        help="of ab: how far below a half the win rate may be without hurting, default 0.1",
    )


def port(text: str) -> int:
    """A port, 0 to 65535."""
    value = options.natural(text)
    if value > 65535:
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, got {text!r}")
    return value


def serve(args: argparse.Namespace) -> int:
    """Serves a study until it is interrupted."""
    from jaxlic.study import folder as studies
    from jaxlic.study.server import LOOPBACK, StudyServer

    study = studies.load(args.study)
    try:
        server = StudyServer(study, args.host, args.port)
    except OSError as error:
        raise UsageError(f"{args.host}:{args.port}: {error.strerror or error}") from error
    if args.host not in LOOPBACK:
        remark("whoever reaches this machine may take part, and the way is not encrypted")
    say(f"{study.title}: {server.url}")
    say(f"answers go to {args.study / studies.ANSWERS}; Ctrl-C stops, nothing is lost")
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def analyse(args: argparse.Namespace) -> int:
    """Prints what the answers say, and writes tables."""
    from jaxlic.files import disk
    from jaxlic.study import export
    from jaxlic.study import folder as studies
    from jaxlic.study.analysis import analyse as work

    study = studies.load(args.study)
    if not (args.study / studies.ANSWERS).is_file():
        raise UsageError(f"{args.study}: nobody has answered yet")
    if args.draws < 2:
        raise UsageError("--draws is at least 2")
    if args.plot and (study.kind == studies.AB or args.plot.suffix not in (".png", ".svg")):
        raise UsageError(f"{args.plot}: a scale is drawn, as .png or .svg; a win rate is not")
    result = work(study, draws=args.draws, margin=args.margin)
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        for name, data in export.tables(result).items():
            disk.write_bytes(args.output / name, data)
    if args.plot:
        from jaxlic.study import plot

        disk.write_bytes(args.plot, plot.draw(result, format_=args.plot.suffix[1:]))
    _report(result)
    return 0


def _report(result: Result) -> None:
    study = result.study
    counted = [o for o in result.observers if not o.excluded]
    say(f"{len(result.observers)} observers, {len(counted)} count; plan {study.digest[:12]}")
    for observer in result.observers:
        if observer.excluded:
            say(f"  {observer.worker} does not: {', '.join(observer.excluded)}")
    left, right = (
        sum(getattr(o, f"equal_{side}") for o in counted) for side in ("left", "right")
    )
    say(f"two equal pictures: {left} times left, {right} times right")
    if result.verdict is not None:
        v = result.verdict
        say(f"\n{study.codecs[2]} against {study.codecs[1]}: wins {v.rate:.1%}")
        say(f"95 % whenever one looks: {v.low:.1%} to {v.high:.1%}")
        if v.fixed:
            low, high = v.fixed
            say(f"95 % if {v.observers} observers were planned: {low:.1%} to {high:.1%}")
        say(f"verdict: {v.decision}")
        return
    say("\nJND of the middle observer, 95 % interval over observers\n")
    say(f"{'image':24} {'codec':14} {'level':>6} {'bpp':>6} {'JND':>6}  interval")
    for value in result.values:
        s = study.shown[value.picture]
        rate = "-" if s.bpp is None else f"{s.bpp:.3f}"
        ends = "-" if value.low is None else f"{value.low:.2f} to {value.high:.2f}"
        name = study.images[s.image][:24]
        say(f"{name:24} {s.codec[:14]:14} {s.level:>6g} {rate:>6} {value.jnd:>6.2f}  {ends}")
    say("\nlevel at one JND")
    for (image, codec_), level in result.at_one.items():
        found = "not within the levels" if level is None else f"{level:.3g}"
        say(f"{study.images[image][:24]:24} {codec_[:14]:14} {found}")
