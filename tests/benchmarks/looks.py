"""The picture of the README: parts of photographs at equal bytes, drawn pixel by pixel.

    python -m tests.benchmarks.looks docs/looks.png kodim08.png:330,60 kodim21.png:440,210

Each argument is a photograph and the left and top of the part of 224x160 pixels that is shown;
whole photographs are coded. The budget is what `--like` takes; of a model in levels, such as
`--like sic/drawn:3`, the quality is a level.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from jaxlic.files import images
from jaxlic.metrics.scores import psnr
from jaxlic.report.anchors import standard
from jaxlic.report.equal import search
from jaxlic.report.learned import learned
from jaxlic.report.round_trip import RoundTrip

WIDTH, HEIGHT, LINE = 224, 160, 16


def row(
    photo: pathlib.Path, corner: tuple[int, int], codecs: dict[str, RoundTrip], like: str
) -> Iterator[tuple[str, np.ndarray]]:
    """(label, part) of the original and of every codec."""
    image = images.read(photo).rgb
    left, top = corner
    shown = (slice(top, top + HEIGHT), slice(left, left + WIDTH))
    name, _, quality = like.rpartition(":")
    budget = len(codecs[name].encode(image, float(quality)))
    yield f"original {photo.stem}", image[shown]
    for name, codec in codecs.items():
        data = search(codec, image, budget).data
        decoded = codec.decode(data, (image.shape[0], image.shape[1]))
        yield f"{name} {len(data):,} B {psnr(image, decoded):.1f} dB", decoded[shown]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("parts", nargs="+")
    parser.add_argument("--models", default="pyramid-3")
    parser.add_argument("--codecs", default="jpeg,webp,avif")
    parser.add_argument("--like", default="webp:20", help="CODEC:QUALITY")
    args = parser.parse_args()
    codecs = {name: standard(name) for name in args.codecs.split(",")}
    for model in args.models.split(","):
        codecs |= {name: codec for name, (codec, _) in learned(model).items()}
    rows = [list(row(*part(text), codecs, args.like)) for text in args.parts]
    draw_sheet(rows, args.out)


def part(text: str) -> tuple[pathlib.Path, tuple[int, int]]:
    """What PHOTO:LEFT,TOP says."""
    path, _, corner = text.rpartition(":")
    left, top = map(int, corner.split(","))
    return pathlib.Path(path), (left, top)


def draw_sheet(rows: list[list[tuple[str, np.ndarray]]], out: pathlib.Path) -> None:
    """Writes a PNG of cells of 224x160 pixels, each with its label above."""
    sheet = Image.new("RGB", (len(rows[0]) * WIDTH, len(rows) * (HEIGHT + LINE)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, cells in enumerate(rows):
        for j, (label, pixels) in enumerate(cells):
            place = (j * WIDTH, i * (HEIGHT + LINE))
            draw.text((place[0] + 2, place[1] + 2), label, "black")
            sheet.paste(
                Image.fromarray(np.ascontiguousarray(pixels)), (place[0], place[1] + LINE)
            )
    sheet.save(out, optimize=True)


if __name__ == "__main__":
    main()
