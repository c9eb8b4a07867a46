"""Real bytes, real decoding: one record an image, codec and quality."""

from __future__ import annotations

import math
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from jaxlic.files import images
from jaxlic.metrics import scores
from jaxlic.report.anchors import STANDARD
from jaxlic.report.judges import Judge, scaled
from jaxlic.report.round_trip import RoundTrip, names

BD_RATES = (0.2, 1.0)  # Bits a pixel.

Record = dict[str, Any]
Watch = Callable[[tuple[str, float], np.ndarray, np.ndarray], None]


def evaluate(
    files: Iterable[pathlib.Path],
    codecs: dict[str, tuple[RoundTrip, Sequence[float]]],
    *,
    border: int = 0,
    judge: Judge | None = None,
    watch: Watch | None = None,
) -> Iterable[Record]:
    """Yields a record for each file, codec and quality.

    A record holds codec, image, quality, bytes, bpp, psnr (RGB), psnr_y and ssim_y (luma,
    `border` pixels cropped), border, seconds (there and back; making a thumbnail counts for
    the first of its files alone) and of these encode_seconds (NaN where files may have been
    kept from another run) and decode_seconds, and what
    `judge` says of image and decoded image; where there is something to say, also note (what
    was lost when the image was read) and generated (see `RoundTrip`). `watch` is shown every
    (codec, quality), image and decoded image.

    Raises:
        images.ImageError: if a file is no image.
    """
    files = list(files)
    for file, called in zip(files, names(files), strict=True):
        picture = images.read(file)
        image, extra = picture.rgb, {"note": "; ".join(picture.notes)} if picture.notes else {}
        for name, (round_trip, qualities) in codecs.items():
            for quality in qualities:
                began = time.perf_counter()
                data = round_trip.encode(image, quality)
                middle = time.perf_counter()
                back = round_trip.decode(data, (image.shape[0], image.shape[1]))
                ended = time.perf_counter()
                if watch is not None:
                    watch((name, quality), image, back)
                generated = round_trip.generated
                yield {
                    "codec": name,
                    "image": called,
                    "quality": quality,
                    "bytes": len(data),
                    "bpp": 8 * len(data) / (image.shape[0] * image.shape[1]),
                    "psnr": scores.psnr(image, back),
                    "psnr_y": scores.psnr_luma(image, back, border),
                    "ssim_y": scores.ssim_luma(image, back, border),
                    "border": border,
                    "seconds": ended - began,
                    "encode_seconds": middle - began if round_trip.timed else math.nan,
                    "decode_seconds": ended - middle,
                    **(judge(image, back) if judge else {}),
                    **extra,
                    **({"generated": dict(generated)} if generated else {}),
                }


def curves(
    records: Sequence[Record], metric: str = "psnr"
) -> dict[str, list[tuple[float, float, float]]]:
    """By codec the points (quality, mean bpp, mean of the metric), averaged over images."""
    rate, value = averages(records, "bpp"), averages(records, metric)
    result: dict[str, list[tuple[float, float, float]]] = {}
    for codec in dict.fromkeys(r["codec"] for r in records):
        keys = sorted(key for key in rate if key[0] == codec)
        result[codec] = [(key[1], rate[key], value[key]) for key in keys]
    return result


def averages(records: Sequence[Record], metric: str) -> dict[tuple[str, float], float]:
    """The mean of a metric over images, by (codec, quality)."""
    values: dict[tuple[str, float], list[float]] = {}
    for r in records:
        values.setdefault((r["codec"], r["quality"]), []).append(r[metric])
    return {key: float(np.mean(v)) for key, v in values.items()}


def at_equal_bytes(
    records: Sequence[Record], anchor: str, metric: str = "psnr_y"
) -> dict[tuple[str, float], float | None]:
    """What `anchor` reaches at the rate of every (codec, quality), by its own curve.

    Interpolated between the anchor's mean points over the logarithm of the rate; None
    outside of them.

    Raises:
        ValueError: if there is no record of `anchor`.
    """
    rate, value = averages(records, "bpp"), averages(records, metric)
    curve = sorted((rate[key], value[key]) for key in rate if key[0] == anchor)
    if not curve:
        raise ValueError(f"{anchor} was not evaluated")
    x, y = np.log([p[0] for p in curve]), [p[1] for p in curve]
    return {
        key: float(np.interp(np.log(bpp), x, y)) if x[0] <= np.log(bpp) <= x[-1] else None
        for key, bpp in rate.items()
    }


def common_rates(
    points: dict[str, list[tuple[float, float, float]]],
) -> tuple[float, float]:
    """The part of 0.2 to 1.0 bits a pixel where all curves have points.

    A curve that covers less than half of it (of the logarithm) does not count.
    """
    low, high = BD_RATES
    spans = [(min(p[1] for p in curve), max(p[1] for p in curve)) for curve in points.values()]
    wide = 0.5 * np.log(high / low)
    kept = [
        (first, last)
        for first, last in spans
        if np.log(max(min(last, high), 1e-9) / max(first, low)) >= wide
    ]
    if not kept:
        return BD_RATES
    return max(low, *(first for first, _ in kept)), min(high, *(last for _, last in kept))


def bd_rates(
    points: dict[str, list[tuple[float, float, float]]], anchor: str, metric: str = "psnr"
) -> dict[str, float | None]:
    """By codec the BD-rate against `anchor`, in per cent, all over `common_rates`.

    At equal `metric`, of which `points` are. None where a curve does not cover enough of that
    range, or the two have no value of the metric in common.
    """
    rates = common_rates(points)
    curve = {
        codec: [(rate, float(scaled(metric, np.array(value)))) for _, rate, value in found]
        for codec, found in points.items()
    }
    result: dict[str, float | None] = {}
    for codec in curve:
        try:
            result[codec] = scores.bd_rate(curve[anchor], curve[codec], rates=rates)
        except ValueError:
            result[codec] = None
    return result


def plot(points: dict[str, list[tuple[float, float, float]]], title: str) -> bytes:
    """The curves as a PNG. Needs the extra `jaxlic[eval]`."""
    import io

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 5), dpi=120)
    for codec, curve in points.items():
        axes.plot(
            [p[1] for p in curve],
            [p[2] for p in curve],
            marker="o",
            markersize=3,
            linestyle="--" if codec in STANDARD else "-",
            label=codec,
        )
    axes.set(xlabel="bits per pixel (bytes of the file)", ylabel="PSNR (RGB), dB", title=title)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.legend()
    out = io.BytesIO()
    figure.tight_layout()
    figure.savefig(out, format="png")
    pyplot.close(figure)
    return out.getvalue()
