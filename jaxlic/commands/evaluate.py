"""jaxlic eval."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from jaxlic.commands import options, reporting
from jaxlic.commands.files import photographs
from jaxlic.commands.messages import progress, quietly, remark
from jaxlic.errors import UsageError


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "eval",
        run,
        "measure rate and fidelity of models and standard codecs on a folder, with real files",
        "  jaxlic eval kodak/ --codecs jpeg,webp,avif\n"
        "  jaxlic eval kodak/ --codecs avif,avif-best,jxl-9,hevc,vvc --keep kept/\n"
        "  jaxlic eval kodak/ --models base,mymodel --qualities 20,50,80 --json out.json\n"
        "  jaxlic eval kodak/ --models sain-x2,bicubic-x2 --border 2\n"
        "  jaxlic eval kodak/ --models base,mymodel --anchor base --metrics ms-ssim,jnd\n"
        "  jaxlic eval kodak/ --plot curves.png\n"
        "  jaxlic eval kodak/ --report out/       # a page to look at, out/index.html",
    )
    parser.add_argument("folder", type=pathlib.Path, help="a folder of images")
    parser.add_argument(
        "--models",
        default=options.MODEL,
        help="ids or folders, bicubic-x2 and bicubic-x4, by comma; '' for none; default "
        + options.MODEL,
    )
    parser.add_argument(
        "--codecs",
        default="jpeg,webp",
        help="by comma, '' for none; default jpeg,webp. Of jpeg, jpeg-progressive, webp, avif "
        "(Pillow's defaults), avif-best (speed 2, 4:4:4, tuned for PSNR: slow), jxl (effort "
        "7), jxl-9, and through a program ffmpeg of yours hevc (x265, 4:4:4) and vvc (vvenc, "
        "4:2:0: slower still), which are left out if it has none",
    )
    parser.add_argument(
        "--keep",
        type=pathlib.Path,
        metavar="DIR",
        help="write the files of codecs (not of models) there as they are made, and take them "
        "from there if they are: slow codecs run once, a run that was stopped goes on; "
        "seconds then count decoding alone",
    )
    text = "for the models, by comma; levels, if a model has them"
    parser.add_argument("--qualities", type=options.qualities, help=text)
    parser.add_argument(
        "--border",
        type=options.natural,
        default=0,
        help="pixels left out of Y-PSNR and Y-SSIM, default 0",
    )
    parser.add_argument(
        "--metrics",
        default="",
        help="more measures, by comma: ms-ssim, gmsd, st-lpips, mesh (error that repeats on a "
        "grid), jnd (share of pixels beyond their just-noticeable difference, mean excess); of "
        "networks that do not ship, each with a file: st-lpips-vgg=FILE, lpips-alex=FILE, "
        "lpips-vgg=FILE, dists=FILE, fd-effnetlite0=FILE, agreement-effnetlite0=FILE "
        "(python -m jaxlic.metrics.convert --help)",
    )
    parser.add_argument(
        "--anchor", metavar="NAME", help="a model to give BD-rates against, beside the codecs"
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all records")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="draw the curves")
    reporting.add(parser)
    options.add_code(parser)


def run(args: argparse.Namespace) -> int:
    """Measures, prints, writes."""
    from jaxlic.commands.code import builders_in
    from jaxlic.files import disk
    from jaxlic.report import anchors, evaluation, judges
    from jaxlic.report import records as tables
    from jaxlic.report.learned import learned

    files = photographs(args.folder)
    builders = builders_in(args.code)
    codecs = _standard(args)
    for name in filter(None, args.models.split(",")):
        codecs |= learned(name, args.qualities, builders=builders)
    if not codecs:
        raise UsageError("nothing to evaluate: no models and no codecs")
    wanted = judges.parse(args.metrics)
    if args.anchor and args.anchor not in codecs:
        raise UsageError(f"--anchor is one of {', '.join(codecs)}, got {args.anchor!r}")
    reporting.check(args)
    judge, together = judges.judge(wanted), judges.collector(wanted)
    total = len(files) * sum(len(qualities) for _, qualities in codecs.values())
    watch = together.add if together else None
    found = evaluation.evaluate(files, codecs, border=args.border, judge=judge, watch=watch)
    records = list(progress(quietly(found), total, "evaluating"))
    points = evaluation.curves(records)
    distances = together.distances() if together else {}
    columns = judges.columns(list(wanted))
    summary = {"records": records, "curves": points}
    if together:
        keys = sorted(distances)
        summary[judges.SET] = [[*key, distances[key]] for key in keys]
    text = tables.to_json(summary)
    if args.json:
        disk.write_bytes(args.json, text.encode())
    if args.plot:
        disk.write_bytes(args.plot, evaluation.plot(points, f"{len(files)} images"))
    print(f"{len(files)} images, averages; rate is bytes of the files")
    _table(records, columns, distances)
    against = [name for name in anchors.STANDARD if name in points]
    against += [args.anchor] if args.anchor and args.anchor not in against else []
    if against:
        for column in ("psnr", *(c for c in columns if not judges.is_agreement(c))):
            _bd_rates(records, column, against)
    if args.report:
        there_and_back = {name: round_trip for name, (round_trip, _) in codecs.items()}
        reporting.write(args, records, text, columns, distances, files, there_and_back, judge)
    return 0


def _standard(args: argparse.Namespace) -> dict[str, Any]:
    """The standard codecs that are wanted and can be had; of others it says why not."""
    from jaxlic.report import anchors

    codecs: dict[str, Any] = {}
    for name in filter(None, args.codecs.split(",")):
        if name not in anchors.STANDARD:
            raise UsageError(f"codecs are {', '.join(anchors.STANDARD)}, got {name!r}")
        reason = anchors.missing(name)
        if reason is None:
            codecs[name] = (anchors.standard(name, keep=args.keep), anchors.QUALITIES[name])
        elif name not in anchors.OPTIONAL:
            raise UsageError(reason)
        else:
            remark(f"{name} is left out: {reason}")
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
    return codecs


def _bd_rates(records: list[dict[str, Any]], column: str, anchors: list[str]) -> None:
    """A line a codec: how many bits more at equal values of a measure."""
    from jaxlic.report import evaluation

    points = evaluation.curves(records, column)
    low, high = evaluation.common_rates(points)
    width = {anchor: max(9, len("vs " + anchor)) for anchor in anchors}
    print(
        f"\nBD-rate in % at equal {column}, {low:.2f} to {high:.2f} bpp\n{'codec':16} "
        + " ".join(f"{'vs ' + anchor:>{width[anchor]}}" for anchor in anchors)
    )
    found = [evaluation.bd_rates(points, anchor, column) for anchor in anchors]
    for codec in points:
        cells = (rates[codec] for rates in found)
        texts = ("-" if cell is None else f"{cell:+.1f}" for cell in cells)
        print(
            f"{codec:16} "
            + " ".join(f"{text:>{w}}" for text, w in zip(texts, width.values(), strict=True))
        )


def _table(records: list[dict[str, Any]], more: list[str], distances: dict[Any, float]) -> None:
    """A line a codec and quality; last, what JPEG and WebP reach with as many bytes."""
    from jaxlic.report import evaluation

    names = dict.fromkeys(r["codec"] for r in records)
    anchors = [name for name in ("jpeg", "webp") if name in names]
    metrics = {
        name: evaluation.averages(records, name)
        for name in ("bpp", "psnr", "psnr_y", "ssim_y", "seconds")
    }
    extra = {name: evaluation.averages(records, name) for name in more}
    if distances:
        extra["fd_effnet"] = distances
    equal = [evaluation.at_equal_bytes(records, anchor) for anchor in anchors]
    heads = [f"{anchor + ' Y':>7}" for anchor in anchors]
    note = " (... Y: luma PSNR of the whole image in that format at equal bytes)"
    print(f"luma is Y{note if anchors else ''}\n")
    print(
        f"{'codec':16} {'quality':>7} {'bpp':>7} {'PSNR':>6} {'Y-PSNR':>6} {'Y-SSIM':>6} "
        f"{'seconds':>7} " + " ".join([*heads, *(f"{name:>10}" for name in extra)])
    )
    for codec in names:
        for key in sorted(key for key in metrics["bpp"] if key[0] == codec):
            bpp, psnr, psnr_y, ssim_y, seconds = (metrics[name][key] for name in metrics)
            cells = (column[key] for column in equal)
            print(
                f"{codec:16} {key[1]:>7g} {bpp:>7.3f} {psnr:>6.2f} "
                f"{psnr_y:>6.2f} {ssim_y:>6.4f} {seconds:>7.2f} "
                + " ".join(
                    [f"{'-':>7}" if cell is None else f"{cell:>7.2f}" for cell in cells]
                    + [f"{column[key]:>10.4f}" for column in extra.values()]
                )
            )
