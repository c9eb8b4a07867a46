"""Writes a model's card from measurements: `python -m train.card MODEL RESULTS.json ...`.

RESULTS.json is what `jaxlic eval kodak/ --models MODEL --codecs jpeg,webp,avif --json` wrote
(for a rescaler `--models MODEL,bicubic-x2 --codecs jpeg,webp --border 2`); models and standard
codecs may be in files of their own.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence

from jaxlic import models
from jaxlic.commands.code import builders_in
from jaxlic.core import Builder, Rescaler
from jaxlic.files import disk
from jaxlic.report import anchors, complexity, evaluation, learned


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m train.card", description=__doc__)
    parser.add_argument("model", type=pathlib.Path, help="a folder with model.json")
    parser.add_argument(
        "results", type=pathlib.Path, nargs="+", help="JSON of `jaxlic eval` on Kodak"
    )
    parser.add_argument("--notes", type=pathlib.Path, help="text to put first in the card")
    parser.add_argument(
        "--code", type=pathlib.Path, help="a Python file with BUILDERS of your own; executed"
    )
    args = parser.parse_args(argv)
    try:
        write_card(args.model, args.results, args.notes, builders_in(args.code))
    except (OSError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


# What a card of a model in levels tells, if it was measured.
_MEASURES = {
    "psnr": "PSNR, dB",
    "ms_ssim": "MS-SSIM",
    "st_lpips": "ST-LPIPS (AlexNet)",
    "st_lpips_vgg": "ST-LPIPS (VGG)",
}


def write_card(
    folder: pathlib.Path,
    results: list[pathlib.Path],
    notes: pathlib.Path | None,
    builders: Sequence[Builder] = (),
) -> None:
    """Puts cost and Kodak figures into `model.json` and writes `card.md` beside it.

    Raises:
        ValueError: if the results do not hold the model's, or those of several.
    """
    model = models.load_model(folder, builders=builders)
    build = models.build(model.spec, builders)
    records = [r for path in results for r in json.loads(path.read_text())["records"]]
    if isinstance(model.codec, Rescaler):
        cost = complexity.rescaling_kmacs_per_pixel(build, model.params)
        figures = _thumbnail_figures(records, model.codec.scale)
        figures["scale"] = model.codec.scale
    else:
        cost = complexity.kmacs_per_pixel(build, model.params)
        levels = model.codec.geometry.levels > 1
        figures = (
            _level_figures(records)
            if levels
            else _codec_figures(evaluation.curves(records), folder)
        )
    card = {
        **model.card,
        "kmacs_per_pixel": {way: round(value, 2) for way, value in cost.items()},
        **figures,
    }
    text = json.dumps(card, indent=2, sort_keys=True) + "\n"
    disk.write_bytes(folder / "model.json", text.encode())
    (folder / "card.md").write_text(_card(card, notes.read_text() if notes else ""))


def _codec_figures(points: dict, folder: pathlib.Path) -> dict:
    learned_ones = [codec for codec in points if codec not in anchors.STANDARD]
    ours = [
        codec for codec in learned_ones if pathlib.Path(codec).name == folder.resolve().name
    ]
    if len(ours) != 1:
        there = ", ".join(learned_ones) or "no model"
        called = folder.resolve().name
        raise ValueError(f"the results must hold one model called {called}, not {there}")
    (name,) = ours
    points = {codec: points[codec] for codec in points if codec in (name, *anchors.STANDARD)}
    found = [codec for codec in anchors.STANDARD if codec in points]
    rates = {anchor: evaluation.bd_rates(points, anchor)[name] for anchor in found}
    return {
        "kodak": {f"vs {anchor}": f"{rate:+.1f} %" for anchor, rate in rates.items() if rate},
        "kodak_range": "{:.2f} to {:.2f}".format(*evaluation.common_rates(points)),
        "kodak_points": [[q, round(bpp, 4), round(psnr, 3)] for q, bpp, psnr in points[name]],
    }


def _level_figures(records: list) -> dict:
    """By level bits a pixel, and of pictures with mean and with drawn detail every measure."""
    ends = "/mean", "/drawn"
    pairs = [
        tuple(sorted({r["codec"] for r in records if r["codec"].endswith(e)})) for e in ends
    ]
    if any(len(names) != 1 for names in pairs):
        raise ValueError(f"the results must hold the levels of one model, not {pairs}")
    mean, drawn = (names[0] for names in pairs)
    measures = [name for name in _MEASURES if all(name in r for r in records)]
    found = {name: evaluation.averages(records, name) for name in ("bpp", *measures)}
    rows = []
    for codec, level in sorted(key for key in found["bpp"] if key[0] == mean):
        row = [level, round(found["bpp"][codec, level], 4)]
        for name in measures:
            row += [round(found[name][which, level], 4) for which in (mean, drawn)]
        rows.append(row)
    span = f"{rows[0][1]:.2f} to {rows[-1][1]:.2f} bits a pixel"
    return {
        "kodak": {f"{len(rows)} levels,": span},
        "kodak_measures": measures,
        "kodak_points": rows,
    }


def _thumbnail_figures(records: list, scale: int) -> dict:
    """Y-PSNR beside bicubic thumbnails of the same quality and whole files of equal bytes."""
    bpp, psnr, ssim = (
        evaluation.averages(records, metric) for metric in ("bpp", "psnr_y", "ssim_y")
    )
    bicubic, rows, gains = f"bicubic-x{scale}", [], {}
    names = dict.fromkeys(r["codec"].rpartition("/")[0] for r in records)
    ours = [name for name in names if name and name not in learned.BICUBIC]
    if len(ours) != 1 or bicubic not in names:
        raise ValueError(f"the results must hold one rescaler and {bicubic}, not {list(names)}")
    if any(r["border"] != scale for r in records if r["codec"].startswith(ours[0])):
        raise ValueError(f"the results must be of jaxlic eval --border {scale}")
    for codec, quality in bpp:
        name, _, format_ = codec.rpartition("/")
        if name != ours[0]:
            continue
        key, plain = (codec, quality), (f"{bicubic}/{format_}", quality)
        whole = evaluation.at_equal_bytes(records, format_)[key]
        gains.setdefault(format_, []).append(psnr[key] - psnr[plain])
        row = [bpp[key], psnr[key], ssim[key], bpp[plain], psnr[plain], whole]
        rows.append([format_, quality, *(None if v is None else round(v, 4) for v in row)])
    means = {f: f"{sum(g) / len(g):+.2f} dB" for f, g in gains.items()}
    return {
        "kodak": {f"Y-PSNR vs {bicubic} at equal {f} quality": g for f, g in means.items()},
        "kodak_points": rows,
    }


def _card(card: dict, notes: str) -> str:
    training, cost = card["training"], card["kmacs_per_pixel"]
    versions = ", ".join(f"{k} {v}" for k, v in training["versions"].items())
    settings = " ".join(f"{k}={v}" for k, v in training["settings"].items()) or "defaults"
    exact = ""
    if "largest_sum" in card:
        exact = (
            f" No partial sum of the integer layers exceeds {card['largest_sum']:,} "
            "(2^24 = 16,777,216 is the limit)."
        )
    lines = [
        f"# {card['id']}",
        "",
        notes.strip(),
        "",
        "## Model",
        "",
        f"`{card['builder']}` with {json.dumps(card['settings'])}: {card['parameters']:,} "
        f"parameters; {cost['encode']:.1f} kMAC a pixel to encode, {cost['decode']:.1f} to "
        f"decode.{exact}",
        "",
        "## Last stage of training",
        "",
        f"{training['steps']:,} steps of {training['batch']} crops of "
        f"{training['crop']}x{training['crop']} from {training['images']} photographs, seed "
        f"{training['seed']}, {training['minutes']:.0f} minutes on {training['devices']} x "
        f"{training['device']}; settings: {settings}; {versions}.",
        "",
        *_figure_lines(card),
    ]
    return "\n".join(lines) + "\n"


def _figure_lines(card: dict) -> list[str]:
    if "kodak_measures" in card:
        return _level_lines(card)
    return _codec_lines(card) if "largest_sum" in card else _thumbnail_lines(card)


def _level_lines(card: dict) -> list[str]:
    heads = [
        f"{_MEASURES[name]}{how}" for name in card["kodak_measures"] for how in ("", ", drawn")
    ]
    return [
        "## Kodak, 24 images, bytes of the files, by level",
        "",
        "Detail that a level does not hold is its mean, or drawn.",
        "",
        f"| level | bits per pixel | {' | '.join(heads)} |",
        "| --- " * (2 + len(heads)) + "|",
        *(
            f"| {level:g} | {bpp:.3f} | {' | '.join(f'{value:.4g}' for value in values)} |"
            for level, bpp, *values in card["kodak_points"]
        ),
    ]


def _codec_lines(card: dict) -> list[str]:
    return [
        "## Kodak, 24 images, bytes of the files, PSNR of RGB",
        "",
        "| quality | bits per pixel | PSNR, dB |",
        "| --- | --- | --- |",
        *(f"| {q:g} | {bpp:.3f} | {psnr:.2f} |" for q, bpp, psnr in card["kodak_points"]),
        "",
        f"BD-rate over {card['kodak_range']} bits a pixel: "
        + ", ".join(f"{value} {anchor}" for anchor, value in card["kodak"].items())
        + ".",
    ]


def _thumbnail_lines(card: dict) -> list[str]:
    def line(format_, quality, bpp, psnr, ssim, plain_bpp, plain, whole) -> str:
        direct = "-" if whole is None else f"{whole:.2f}"
        return (
            f"| {format_} {quality:g} | {bpp:.3f} | {psnr:.2f} | {ssim:.4f} "
            f"| {plain_bpp:.3f} | {plain:.2f} | {direct} |"
        )

    return [
        "## Kodak, 24 images",
        "",
        f"Luma PSNR and SSIM, {card['scale']} pixels of border cropped; bits of the file a "
        "pixel of the image. Beside it bicubic both ways at the same quality of the same "
        "format, and the whole image in that format at the thumbnail's number of bytes.",
        "",
        "| thumbnail | bpp | Y-PSNR | Y-SSIM | bicubic: bpp | Y-PSNR | whole image: Y-PSNR |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(line(*row) for row in card["kodak_points"]),
    ]


if __name__ == "__main__":
    sys.exit(main())
