"""Thumbnails beside each other, and what grows back from each, drawn pixel by pixel.

    python -m tests.benchmarks.grown grown.png kodim08.png:330,60 --models bicubic-x2,sain-x2

Each argument is a photograph and the left and top of the part of 224x160 pixels that is shown.
Left each model's thumbnail as it is in its file, every pixel drawn as many times as the scale;
then the original and what comes back.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterator

import numpy as np

from jaxlic.files import classic, images
from jaxlic.metrics.scores import psnr_luma
from tests.benchmarks.looks import HEIGHT, WIDTH, draw_sheet, part
from tests.benchmarks.thumbnails import Candidate, loaded


def row(
    photo: pathlib.Path,
    corner: tuple[int, int],
    models: dict[str, Candidate],
    format_: str,
    quality: int,
) -> Iterator[tuple[str, np.ndarray]]:
    """(label, part) of every thumbnail, of the original and of what comes back."""
    image, grown = images.read_rgb(photo), []
    left, top = corner
    shown = (slice(top, top + HEIGHT), slice(left, left + WIDTH))
    shape = (image.shape[0], image.shape[1])
    for name, (codec, params, comment) in models.items():
        small = codec.downscale(params, image)
        data = classic.encode(small, format_, quality, comment=comment(shape))
        small = classic.decode(data, format_)
        back = codec.upscale(params, small, shape, "mean", 0)
        large = small.repeat(codec.scale, 0).repeat(codec.scale, 1)
        yield f"{name} {len(data):,} B", large[shown]
        grown.append((f"{name} {psnr_luma(image, back, codec.scale):.1f} dB", back[shown]))
    yield f"original {photo.stem}", image[shown]
    yield from grown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("parts", nargs="+")
    parser.add_argument("--models", default="bicubic-x2,sain-x2")
    parser.add_argument("--format", default="jpeg", choices=("jpeg", "webp"))
    parser.add_argument("--quality", type=int, default=80)
    args = parser.parse_args()
    models = {pathlib.Path(name).name: loaded(name) for name in args.models.split(",")}
    rows = [list(row(*part(text), models, args.format, args.quality)) for text in args.parts]
    draw_sheet(rows, args.out)


if __name__ == "__main__":
    main()
