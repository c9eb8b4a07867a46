"""Real bytes, real decoding: one record an image, codec and quality."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from jaxlic import api, images, metrics

STANDARD = ("jpeg", "webp", "avif", "jxl")
QUALITIES = {
    "jpeg": (5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90),
    "webp": (0, 5, 15, 30, 45, 60, 70, 80, 85, 90, 95),
    "avif": (15, 25, 35, 45, 55, 65, 75, 80, 85),
    "jxl": (20, 35, 50, 60, 70, 80, 85, 90),
}
MODEL_QUALITIES = (5, 15, 25, 35, 45, 55, 65, 75, 85, 95)

Record = dict[str, Any]
RoundTrip = Callable[[np.ndarray, float], tuple[int, np.ndarray]]


def standard(codec: str) -> RoundTrip:
    """A codec of `images.encode` as (image, quality) -> (bytes of the file, image)."""

    def round_trip(image: np.ndarray, quality: float) -> tuple[int, np.ndarray]:
        data = images.encode(image, codec, int(quality))
        return len(data), images.decode(data, codec)

    return round_trip


def learned(model: str | pathlib.Path) -> RoundTrip:
    """A model of ours, likewise; the file is complete, header and checksums included."""
    codec = api.load(model)

    def round_trip(image: np.ndarray, quality: float) -> tuple[int, np.ndarray]:
        data = codec.compress(image, quality)
        return len(data), codec.decompress(data)

    return round_trip


def evaluate(
    files: Iterable[pathlib.Path], codecs: dict[str, tuple[RoundTrip, Sequence[float]]]
) -> Iterable[Record]:
    """Yields a record for each file, codec and quality.

    A record holds codec, image, quality, bytes, bpp, psnr and seconds (there and back).

    Raises:
        images.ImageError: if a file is no image.
    """
    for file in files:
        image = images.read(file).rgb
        for name, (round_trip, qualities) in codecs.items():
            for quality in qualities:
                began = time.perf_counter()
                size, back = round_trip(image, quality)
                yield {
                    "codec": name,
                    "image": file.name,
                    "quality": quality,
                    "bytes": size,
                    "bpp": 8 * size / (image.shape[0] * image.shape[1]),
                    "psnr": metrics.psnr(image, back),
                    "seconds": time.perf_counter() - began,
                }


def curves(records: Sequence[Record]) -> dict[str, list[tuple[float, float, float]]]:
    """By codec the points (quality, mean bpp, mean PSNR), averaged over images."""
    result: dict[str, list[tuple[float, float, float]]] = {}
    for codec in dict.fromkeys(r["codec"] for r in records):
        mine = [r for r in records if r["codec"] == codec]
        for quality in sorted({r["quality"] for r in mine}):
            at = [r for r in mine if r["quality"] == quality]
            point = (np.mean([r["bpp"] for r in at]), np.mean([r["psnr"] for r in at]))
            result.setdefault(codec, []).append((quality, *map(float, point)))
    return result


def bd_rates(
    points: dict[str, list[tuple[float, float, float]]], anchor: str
) -> dict[str, float | None]:
    """By codec the BD-rate against `anchor` over 0.2 to 1.0 bpp, in per cent.

    None where a curve does not cover enough of that range.
    """
    result: dict[str, float | None] = {}
    for codec, curve in points.items():
        try:
            result[codec] = metrics.bd_rate(
                [p[1:] for p in points[anchor]], [p[1:] for p in curve]
            )
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
