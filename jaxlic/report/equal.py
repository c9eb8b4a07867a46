"""Pictures at equal bytes: of every codec the quality whose file is as large as others'."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxlic.files import images
from jaxlic.metrics import scores
from jaxlic.report.judges import Judge
from jaxlic.report.round_trip import RoundTrip

RATES = (0.25, 0.75)  # Bits a pixel.
MAX_SIDE = 1600
_CLOSE = 0.002
_ENCODES = 9  # Of a search, beside what is known.

Keep = Callable[[bytes], str]


class Choice(NamedTuple):
    """A quality and the file it gives."""

    quality: float
    data: bytes


def search(
    codec: RoundTrip,
    image: np.ndarray,
    budget: float,
    known: Iterable[tuple[float, int]] = (),
) -> Choice:
    """The quality whose file is nearest to `budget` in bytes, of those tried.

    By regula falsi over the logarithm of the size, until two parts in a thousand are left,
    neighbouring qualities have been tried, or ten files have been written. Sizes need not
    rise with quality everywhere: the nearest file seen is taken.

    Args:
        codec: there and back.
        image: uint8 `[H, W, 3]`.
        budget: bytes, positive.
        known: (quality, bytes) of files written before.
    """
    low, high = (float(q) for q in codec.span)
    sizes = {float(q): size for q, size in known if low <= q <= high}
    step = 1.0 if codec.whole else 0.01
    best: Choice | None = None
    quality = _next(sizes, budget, (low, high), step)
    for _ in range(_ENCODES):
        data = codec.encode(image, quality)
        sizes[quality] = len(data)
        if best is None or abs(len(data) - budget) < abs(len(best.data) - budget):
            best = Choice(quality, data)
        if abs(len(data) / budget - 1) < _CLOSE:
            break
        quality = _next(sizes, budget, (low, high), step)
        if quality in sizes:
            break
    nearest = min(sizes, key=lambda q: abs(sizes[q] - budget))
    if best is None or abs(sizes[nearest] - budget) < abs(len(best.data) - budget):
        best = Choice(nearest, codec.encode(image, nearest))
    return best


def _next(
    sizes: Mapping[float, int], budget: float, span: tuple[float, float], step: float
) -> float:
    """Where to try next: between the nearest files below and above the budget."""
    below = max((q for q in sizes if sizes[q] <= budget), default=None)
    above = min(
        (q for q in sizes if sizes[q] > budget and (below is None or q > below)), default=None
    )
    if below is None or above is None:  # One side is not known: try the end of the span.
        return span[0] if below is None else span[1]
    rise = np.log(sizes[above] / sizes[below])
    share = np.log(budget / sizes[below]) / rise if rise > 0 else 0.5
    # Not nearer to an end than a tenth, so that the bracket shrinks.
    between = below + (above - below) * min(max(share, 0.1), 0.9)
    between = round(between / step) * step
    if above - below <= 1.5 * step:
        return below if budget - sizes[below] <= sizes[above] - budget else above
    return float(round(min(max(between, below + step), above - step), 2))


def compare(
    files: Sequence[tuple[str, pathlib.Path]],
    codecs: Mapping[str, RoundTrip],
    records: Sequence[dict[str, Any]],
    keep: Keep,
    *,
    rates: Sequence[float] = RATES,
    judge: Judge | None = None,
    border: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yields for every image what all codecs make of it at equal bytes.

    The budget of an image is the size that the first codec whose qualities are whole numbers
    comes nearest to each rate with; the others, which are finer, are searched to meet it. A
    rate that one of them does not come down or up to is moved to where all do.

    Args:
        files: (name in the records, file).
        codecs: there and back.
        records: of an evaluation of the same files, from which searches start.
        keep: takes the bytes of a picture, lossless WebP, and says what it is called.
        rates: bits a pixel.
        judge: more measures.
        border: pixels left out of measures of luma.

    Yields:
        "name", "width", "height", "crop" (left, top, width, height of what pictures show, the
        middle of 1600 pixels a side at most), "original" (a picture) and "rates": for each of
        `rates` by codec "picture", "quality", "bytes", "bpp", "mismatch" (of the budget, in
        %), psnr, psnr_y, ssim_y of the whole image, and what `judge` says.

    Raises:
        images.ImageError: if a file is no image.
    """
    known: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for r in records:
        known.setdefault((r["codec"], r["image"]), []).append((r["quality"], r["bytes"]))
    lead = next((name for name, codec in codecs.items() if codec.whole), next(iter(codecs)))
    for called, file in files:
        image = images.read_rgb(file)
        height, width = image.shape[:2]
        crop = _middle(width, height)
        found = []
        for rate in rates:
            budget = rate * width * height / 8
            spans = [_reach(c, image, budget, known[n, called]) for n, c in codecs.items()]
            budget = min(max(budget, *(low for low, _ in spans)), *(high for _, high in spans))
            budget = len(search(codecs[lead], image, budget, known[lead, called]).data)
            at_rate = {}
            for name, codec in codecs.items():
                choice = search(codec, image, budget, known[name, called])
                back = codec.decode(choice.data, (height, width))
                at_rate[name] = {
                    "picture": keep(_picture(back, crop)),
                    "quality": choice.quality,
                    "bytes": len(choice.data),
                    "bpp": 8 * len(choice.data) / (width * height),
                    "mismatch": 100 * (len(choice.data) / budget - 1),
                    "psnr": scores.psnr(image, back),
                    "psnr_y": scores.psnr_luma(image, back, border),
                    "ssim_y": scores.ssim_luma(image, back, border),
                    **(judge(image, back) if judge else {}),
                    **({"generated": dict(codec.generated)} if codec.generated else {}),
                }
            found.append(at_rate)
        yield {
            "name": called,
            "width": width,
            "height": height,
            "crop": crop,
            "original": keep(_picture(image, crop)),
            "rates": found,
        }


def spread(records: Sequence[dict[str, Any]], count: int) -> list[str]:
    """Names of `count` images from the hardest (lowest mean PSNR) to the easiest, evenly."""
    values: dict[str, list[float]] = {}
    for r in records:
        values.setdefault(r["image"], []).append(r["psnr"])
    ordered = sorted(values, key=lambda name: np.mean(values[name]))
    if len(ordered) <= count:
        return list(values)
    places = np.unique(np.linspace(0, len(ordered) - 1, count).round().astype(int))
    return [ordered[i] for i in places]


def _reach(
    codec: RoundTrip, image: np.ndarray, budget: float, known: list[tuple[float, int]]
) -> tuple[int, int]:
    """The smallest and the largest file known; if need be, those at the ends of the span."""
    sizes = [size for _, size in known]
    beyond = (min(sizes) > budget, max(sizes) < budget)
    for end, wanted in zip(codec.span, beyond, strict=True):
        if wanted and all(quality != end for quality, _ in known):
            known.append((end, len(codec.encode(image, end))))
    return min(size for _, size in known), max(size for _, size in known)


def _middle(width: int, height: int) -> tuple[int, int, int, int]:
    w, h = min(width, MAX_SIDE), min(height, MAX_SIDE)
    return (width - w) // 2, (height - h) // 2, w, h


def _picture(image: np.ndarray, crop: tuple[int, int, int, int]) -> bytes:
    left, top, width, height = crop
    part = np.ascontiguousarray(image[top : top + height, left : left + width])
    return images.encoded(images.Picture(part), "WEBP")
