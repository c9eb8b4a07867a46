"""What `--effort` buys: BD-rate against the plain encoder, seconds, memory; real files.

    python -m tests.benchmarks.effort FOLDER [--model dkic] [--efforts 1,2,3] [--crop 256]

Every image of FOLDER, or with `--crop` its middle, is compressed and decompressed at each
quality and effort. BD-rate is of the mean curves (bytes of files, PSNR of RGB), over the rates
that effort 0 covers. "bytes" and "PSNR" are the mean changes at equal quality: how far the
labels shift. Seconds are wall time of one compression, the median, and the first with what has
to compile or, in a second run, to be read from disk. Peak memory is of the process so far.
"""

from __future__ import annotations

import argparse
import pathlib
import resource
import statistics
import time

import numpy as np

import jaxlic
from jaxlic.api import load_codec
from jaxlic.effort import STEPS
from jaxlic.files import images
from jaxlic.metrics.scores import bd_rate, psnr


def curve(codec, pictures, qualities, effort):
    """Bits a pixel and PSNR by quality, means over pictures; seconds of every compression."""
    points, seconds = [], []
    for quality in qualities:
        found = []
        for picture in pictures:
            began = time.perf_counter()
            data = codec.compress(picture, quality, effort=effort)
            seconds.append(time.perf_counter() - began)
            pixels = picture.shape[0] * picture.shape[1]
            found.append((8 * len(data) / pixels, psnr(codec.decompress(data), picture)))
        points.append(tuple(float(mean) for mean in np.mean(found, axis=0)))
    return points, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--model", default="dkic")
    parser.add_argument("--efforts", default="1,2,3")
    parser.add_argument("--qualities", default="20,35,50,65,80")
    parser.add_argument("--crop", type=int, default=0, help="edge, in pixels")
    parser.add_argument("--images", type=int, default=0, help="how many, the first by name")
    args = parser.parse_args()
    if args.qualities.count(",") < 3:
        parser.error("BD-rates take four qualities or more")
    jaxlic.keep_compiled()
    codec = load_codec(args.model)
    files = images.find(args.folder)[: args.images or None]
    pictures = [_middle(images.read(file).rgb, args.crop) for file in files]
    qualities = [float(q) for q in args.qualities.split(",")]
    print(f"{args.model}, {len(pictures)} pictures, quality {args.qualities}")
    print("effort  steps  BD-rate    bytes   PSNR   seconds  (first)  peak MB")
    plain: list[tuple[float, float]] = []
    for effort in (0, *map(int, args.efforts.split(","))):
        points, seconds = curve(codec, pictures, qualities, effort)
        plain = plain or points
        rates = plain[0][0], plain[-1][0]
        gain = bd_rate(plain, points, rates=rates) if effort else 0.0
        (bits, dB), (before, level) = np.mean(points, axis=0), np.mean(plain, axis=0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        shift = 100 * (bits / before - 1)
        print(
            f"{effort:6}  {STEPS[effort]:5}  {gain:+6.1f} %  {shift:+5.1f} %"
            f"  {dB - level:+.2f}  {statistics.median(seconds):8.2f} {seconds[0]:8.1f}"
            f" {peak:8,.0f}",
            flush=True,
        )


def _middle(image, edge):
    if not edge:
        return image
    top, left = (max(0, (n - edge) // 2) for n in image.shape[:2])
    return np.ascontiguousarray(image[top : top + edge, left : left + edge])


if __name__ == "__main__":
    main()
