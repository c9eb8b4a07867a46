"""jaxlic eval."""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

from jaxlic.commands import options
from jaxlic.commands.messages import progress, quietly
from jaxlic.errors import UsageError


def add(commands: Any) -> None:
    """The parser."""
    parser = options.command(
        commands,
        "eval",
        run,
        "measure rate and fidelity of models and standard codecs on a folder, with real files",
        "  jaxlic eval kodak/ --codecs jpeg,webp,avif\n"
        "  jaxlic eval kodak/ --models base,mymodel --qualities 20,50,80 --json out.json\n"
        "  jaxlic eval kodak/ --models sain-x2,bicubic-x2 --border 2\n"
        "  jaxlic eval kodak/ --models base,mymodel --anchor base --metrics ms-ssim,jnd\n"
        "  jaxlic eval kodak/ --plot curves.png",
    )
    parser.add_argument("folder", type=pathlib.Path, help="a folder of images")
    parser.add_argument(
        "--models",
        default="base",
        help="ids or folders, bicubic-x2 and bicubic-x4, by comma; '' for none",
    )
    parser.add_argument(
        "--codecs", default="jpeg,webp", help="of jpeg, webp, avif, jxl, by comma; '' for none"
    )
    parser.add_argument("--qualities", type=options.qualities, help="for the models, by comma")
    parser.add_argument(
        "--border",
        type=options.natural,
        default=0,
        help="pixels left out of Y-PSNR and Y-SSIM, default 0",
    )
    parser.add_argument(
        "--metrics",
        default="",
        help="more measures, by comma: ms-ssim, gmsd, st-lpips, jnd (share of pixels beyond "
        "their just-noticeable difference, and mean excess); with a file each, for networks "
        "that do not ship: st-lpips-vgg=FILE, lpips-alex=FILE, lpips-vgg=FILE, dists=FILE, "
        "fd-effnetlite0=FILE (python -m jaxlic.metrics.convert --help)",
    )
    parser.add_argument(
        "--anchor", metavar="NAME", help="a model to give BD-rates against, beside the codecs"
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all records")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="draw the curves")
    options.add_code(parser)


def run(args: argparse.Namespace) -> int:
    """Measures, prints, writes."""
    from jaxlic.commands.code import builders_in
    from jaxlic.files import disk, images
    from jaxlic.report import evaluation, judges

    if not args.folder.is_dir():
        raise UsageError(f"{args.folder}: no such folder")
    files = images.find(args.folder)
    if not files:
        raise UsageError(f"{args.folder}: holds no image")
    codecs: dict[str, Any] = {}
    builders = builders_in(args.code)
    for name in filter(None, args.codecs.split(",")):
        if name not in evaluation.STANDARD:
            raise UsageError(f"codecs are {', '.join(evaluation.STANDARD)}, got {name!r}")
        codecs[name] = (evaluation.standard(name), evaluation.QUALITIES[name])
    for name in filter(None, args.models.split(",")):
        codecs |= evaluation.learned(name, args.qualities, builders=builders)
    if not codecs:
        raise UsageError("nothing to evaluate: no models and no codecs")
    wanted = judges.parse(args.metrics)
    if args.anchor and args.anchor not in codecs:
        raise UsageError(f"--anchor is one of {', '.join(codecs)}, got {args.anchor!r}")
    judge, together = judges.judge(wanted), judges.collector(wanted)
    total = len(files) * sum(len(qualities) for _, qualities in codecs.values())
    watch = together.add if together else None
    found = evaluation.evaluate(files, codecs, border=args.border, judge=judge, watch=watch)
    records = list(progress(quietly(found), total, "evaluating"))
    points = evaluation.curves(records)
    distances = together.distances() if together else {}
    columns = judges.columns(list(wanted))
    if args.json:
        summary = {"records": records, "curves": points}
        if together:
            keys = sorted(distances)
            summary[judges.SET] = [[*key, distances[key]] for key in keys]
        disk.write_bytes(args.json, (json.dumps(summary, indent=1) + "\n").encode())
    if args.plot:
        disk.write_bytes(args.plot, evaluation.plot(points, f"{len(files)} images"))
    print(f"{len(files)} images, averages; rate is bytes of the files")
    _table(records, columns, distances)
    anchors = [name for name in evaluation.STANDARD if name in points]
    anchors += [args.anchor] if args.anchor and args.anchor not in anchors else []
    if anchors:
        for column in ("psnr", *columns):
            _bd_rates(records, column, anchors)
    return 0


def _bd_rates(records: list[dict[str, Any]], column: str, anchors: list[str]) -> None:
    """A line a codec: how many bits more at equal values of a measure."""
    from jaxlic.report import evaluation

    points = evaluation.curves(records, column)
    low, high = evaluation.common_rates(points)
    print(
        f"\nBD-rate in % at equal {column}, {low:.2f} to {high:.2f} bpp\n{'codec':16} "
        + " ".join(f"{'vs ' + anchor:>9}" for anchor in anchors)
    )
    found = [evaluation.bd_rates(points, anchor, column) for anchor in anchors]
    for codec in points:
        cells = (rates[codec] for rates in found)
        print(
            f"{codec:16} "
            + " ".join(f"{'-':>9}" if cell is None else f"{cell:>+9.1f}" for cell in cells)
        )


def _table(records: list[dict[str, Any]], more: list[str], distances: dict[Any, float]) -> None:
    """A line a codec and quality; last, what JPEG and WebP reach with as many bytes."""
    from jaxlic.report import evaluation

    names = dict.fromkeys(r["codec"] for r in records)
    anchors = [name for name in ("jpeg", "webp") if name in names]
    metrics = {
        name: evaluation.averages(records, name) for name in ("bpp", "psnr", "psnr_y", "ssim_y")
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
        + " ".join([*heads, *(f"{name:>10}" for name in extra)])
    )
    for codec in names:
        for key in sorted(key for key in metrics["bpp"] if key[0] == codec):
            bpp, psnr, psnr_y, ssim_y = (metrics[name][key] for name in metrics)
            cells = (column[key] for column in equal)
            print(
                f"{codec:16} {key[1]:>7g} {bpp:>7.3f} {psnr:>6.2f} "
                f"{psnr_y:>6.2f} {ssim_y:>6.4f} "
                + " ".join(
                    [f"{'-':>7}" if cell is None else f"{cell:>7.2f}" for cell in cells]
                    + [f"{column[key]:>10.4f}" for column in extra.values()]
                )
            )
