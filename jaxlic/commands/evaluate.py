"""eval."""

from __future__ import annotations

import argparse
import json
from typing import Any

from jaxlic.commands.files import UsageError, progress


def evaluate(args: argparse.Namespace) -> int:
    """Measures, prints, writes."""
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
        codecs |= evaluation.learned(name, args.qualities)
    if not codecs:
        raise UsageError("nothing to evaluate: no models and no codecs")
    wanted = [name for name in args.metrics.split(",") if name]
    for name in wanted:
        if name not in evaluation.JUDGES:
            raise UsageError(f"metrics are {', '.join(evaluation.JUDGES)}, got {name!r}")
    judge = evaluation.judge(wanted) if wanted else None
    total = len(files) * sum(len(qualities) for _, qualities in codecs.values())
    records = list(
        progress(evaluation.evaluate(files, codecs, args.border, judge), total, "evaluating")
    )
    points = evaluation.curves(records)
    if args.json:
        summary = {"records": records, "curves": points}
        images.write_bytes(args.json, (json.dumps(summary, indent=1) + "\n").encode())
    if args.plot:
        images.write_bytes(args.plot, evaluation.plot(points, f"{len(files)} images"))
    print(f"{len(files)} images, averages; rate is bytes of the files")
    _table(records, [key for name in wanted for key in evaluation.JUDGES[name]])
    anchors = [name for name in evaluation.STANDARD if name in points]
    if anchors:
        print(
            f"\nBD-rate in %, 0.2 to 1.0 bpp\n{'codec':16} "
            + " ".join(f"{'vs ' + anchor:>9}" for anchor in anchors)
        )
        columns = [evaluation.bd_rates(points, anchor) for anchor in anchors]
        for codec in points:
            cells = (column[codec] for column in columns)
            print(
                f"{codec:16} "
                + " ".join(f"{'-':>9}" if cell is None else f"{cell:>+9.1f}" for cell in cells)
            )
    return 0


def _table(records: list[dict[str, Any]], more: list[str]) -> None:
    """A line a codec and quality; last, what JPEG and WebP reach with as many bytes."""
    from jaxlic import evaluation

    names = dict.fromkeys(r["codec"] for r in records)
    anchors = [name for name in ("jpeg", "webp") if name in names]
    metrics = {
        name: evaluation.averages(records, name) for name in ("bpp", "psnr", "psnr_y", "ssim_y")
    }
    extra = [evaluation.averages(records, name) for name in more]
    equal = [evaluation.at_equal_bytes(records, anchor) for anchor in anchors]
    heads = [f"{anchor + ' Y':>7}" for anchor in anchors]
    note = " (... Y: luma PSNR of the whole image in that format at equal bytes)"
    print(f"luma is Y{note if anchors else ''}\n")
    print(
        f"{'codec':16} {'quality':>7} {'bpp':>7} {'PSNR':>6} {'Y-PSNR':>6} {'Y-SSIM':>6} "
        + " ".join([*heads, *(f"{name:>10}" for name in more)])
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
                    + [f"{column[key]:>10.4f}" for column in extra]
                )
            )
