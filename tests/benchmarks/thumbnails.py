"""Rescalers beside each other: size and Y-PSNR of thumbnails' files, gains at equal bytes.

    python -m tests.benchmarks.thumbnails kodak/ --models bicubic-x2,sain-x2
    python -m tests.benchmarks.thumbnails kodak/ --models bicubic-x2,runs/irn-0,runs/irn-1 \
        --latents mean,zero,sample --json out.json

The paper's protocol: files by Pillow, luma (BT.601), as many pixels of border cropped as the
scale. The first model is what the others are compared with: the ratio of bytes and the gain at
equal quality of the file, and below, for every pair of models, the gain at equal bytes, a mean
over the logarithms of the rates that both reach, with a 95 % interval (bootstrap over images).
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

import jaxlic
from jaxlic.core import Rescaler
from jaxlic.files import classic, images
from jaxlic.metrics import scores
from jaxlic.report.learned import BICUBIC
from jaxlic.rescaling.bicubic import RestoredBicubic
from jaxlic.rescaling.rescaler import rescaler

REPLICATES = 200


def equal_bytes(a: np.ndarray, b: np.ndarray) -> float:
    """What `b` gains over `a` at equal bits, in dB; curves `[2, Q]` of bits and PSNR."""
    (bits_a, psnr_a), (bits_b, psnr_b) = a, b
    low, high = max(bits_a.min(), bits_b.min()), min(bits_a.max(), bits_b.max())
    if low >= high:
        return float("nan")
    at = np.linspace(np.log(low), np.log(high), 50)
    values = [np.interp(at, np.log(x), y) for x, y in ((bits_a, psnr_a), (bits_b, psnr_b))]
    return float(np.mean(values[1] - values[0]))


def interval(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Of `equal_bytes` for tables `[2, Q, N]`, over draws of images."""
    count = a.shape[-1]
    draws = np.random.default_rng(0).integers(count, size=(REPLICATES, count))
    found = [equal_bytes(a[..., draw].mean(-1), b[..., draw].mean(-1)) for draw in draws]
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)


class Candidate(NamedTuple):
    """A rescaler, its parameters, and what its files say of an image of a shape."""

    codec: Rescaler
    params: Any
    comment: Callable[[tuple[int, int]], str | None]


def loaded(name: str) -> Candidate:
    """`bicubic-x2`, `bicubic-x4`, or a model."""
    if name in BICUBIC:
        plain = rescaler(RestoredBicubic(BICUBIC[name], width=0))
        return Candidate(plain, {}, lambda shape: None)
    own = jaxlic.load(name)
    return Candidate(own.model.codec, own.model.params, lambda shape: own.note(shape).text())


def measure(
    model: Candidate,
    image: np.ndarray,
    format_: str,
    qualities: list[int],
    latents: list[str],
) -> np.ndarray:
    """Bits a pixel, and Y-PSNR for every latent, by quality: `[Q, 1 + latents]`."""
    own, params, comment = model
    small, shape = own.downscale(params, image), (image.shape[0], image.shape[1])
    rows = []
    for quality in qualities:
        data = classic.encode(small, format_, quality, comment=comment(shape))
        seen = classic.decode(data, format_)
        back = (own.upscale(params, seen, shape, latent, 0) for latent in latents)
        found = [scores.psnr_luma(image, picture, own.scale) for picture in back]
        rows.append([8 * len(data) / (shape[0] * shape[1]), *found])
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--models", default="bicubic-x2,sain-x2")
    parser.add_argument("--format", default="jpeg", choices=("jpeg", "webp"))
    parser.add_argument("--qualities", default="30,50,70,80,90")
    parser.add_argument("--latents", default="mean")
    parser.add_argument("--every", type=int, default=1, help="take every so many photographs")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    names, latents = args.models.split(","), args.latents.split(",")
    qualities = [int(q) for q in args.qualities.split(",")]
    models = [loaded(name) for name in names]
    found = images.find(args.folder)[:: args.every]
    table = np.zeros((len(names), len(qualities), 1 + len(latents), len(found)))
    for k, path in enumerate(found):
        image = images.read_rgb(path)
        for i, model in enumerate(models):
            table[i, :, :, k] = measure(model, image, args.format, qualities, latents)
        print(path.name, flush=True)
    print(f"{'':6}{'':24}{'bpp':>8}{'bytes':>8}{'gain':>8}", *(f"{n:>10}" for n in latents))
    for j, quality in enumerate(qualities):
        mean = table[:, j].mean(-1)
        for name, row in zip(names, mean, strict=True):
            ratio, gain = row[0] / mean[0, 0], row[1] - mean[0, 1]
            psnrs = (f"{value:10.3f}" for value in row[1:])
            called = pathlib.Path(name).name
            print(f"{quality:<6}{called:24}{row[0]:8.4f}{ratio:8.3f}{gain:8.2f}", *psnrs)
    curves = table[:, :, :2].swapaxes(1, 2)
    pairs = combinations(range(len(names)), 2) if len(qualities) > 1 else ()
    for a, b in pairs:
        gain = equal_bytes(curves[a].mean(-1), curves[b].mean(-1))
        low, high = interval(curves[a], curves[b])
        pair = f"{pathlib.Path(names[b]).name} over {pathlib.Path(names[a]).name}"
        print(f"{pair:48}{gain:8.3f} dB at equal bytes [{low:.3f}, {high:.3f}]")
    if args.json:
        kept = dict(models=names, qualities=qualities, latents=latents, table=table.tolist())
        args.json.write_text(json.dumps(kept))


if __name__ == "__main__":
    main()
