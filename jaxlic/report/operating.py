"""A codec at a quality: means over images of what was measured, and between qualities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxlic.errors import UsageError
from jaxlic.report.judges import scaled


class Point(NamedTuple):
    """A codec at a quality.

    Attributes:
        codec, quality: which.
        bytes, encode, decode: bytes and seconds a pixel, means over images.
        value: the mean of the metric.
        values: the metric by image.
        seconds: of the nearest measured quality, by image, `[2, N]`: encode and decode.
        nearest: that quality.
        seen: share of pixels beyond their just-noticeable difference; None if not measured.
    """

    codec: str
    quality: float
    bytes: float
    encode: float
    decode: float
    value: float
    values: np.ndarray
    seconds: np.ndarray
    nearest: float
    seen: float | None


class Measured(NamedTuple):
    codec: str
    name: str
    images: list[str]
    qualities: np.ndarray
    rate: np.ndarray  # All `[Q, N]`: bytes a pixel, ...
    metric: np.ndarray  # ... as measured; dB come after averaging, as in BD-rates.
    encode: np.ndarray
    decode: np.ndarray
    seconds: np.ndarray  # `[2, Q, N]`
    seen: np.ndarray


def measured(records: Sequence[dict[str, Any]], codec: str, metric: str) -> Measured:
    ours = [r for r in records if r["codec"] == codec]
    if not ours:
        known = ", ".join(dict.fromkeys(r["codec"] for r in records))
        raise UsageError(f"there are records of {known}, not of {codec!r}")
    for name in (metric, "encode_seconds", "decode_seconds"):
        finite = (isinstance(r.get(name), int | float) and np.isfinite(r[name]) for r in ours)
        if not all(finite):
            raise UsageError(f"the records of {codec} have no {name}")
    images = sorted({r["image"] for r in ours})
    qualities = sorted({r["quality"] for r in ours})
    shape = len(qualities), len(images)
    fields = {
        n: np.full(shape, np.nan) for n in ("rate", "metric", "e", "d", "es", "ds", "seen")
    }
    for r in ours:
        at = qualities.index(r["quality"]), images.index(r["image"])
        rate, seconds = r["bpp"] / 8, (r["encode_seconds"], r["decode_seconds"])
        fields["rate"][at], fields["metric"][at] = rate, r[metric]
        for name, value in zip(("e", "d"), seconds, strict=True):
            fields[name][at] = value * rate / max(r["bytes"], 1)
            fields[name + "s"][at] = value
        fields["seen"][at] = r.get("jnd_share", np.nan)
    if not np.isfinite(fields["metric"]).all() or not np.isfinite(fields["rate"]).all():
        raise UsageError(f"{codec} lacks {metric} of an image at one of its qualities")
    return Measured(
        codec,
        metric,
        images,
        np.array(qualities, float),
        fields["rate"],
        fields["metric"],
        fields["e"],
        fields["d"],
        np.stack([fields["es"], fields["ds"]]),
        fields["seen"],
    )


def quality_of(table: Measured, value: float, draw: np.ndarray) -> float | None:
    """The quality at which the mean of the metric, in dB, is `value`."""
    means = scaled(table.name, table.metric[:, draw].mean(axis=1))
    order = np.argsort(means, kind="stable")
    if not means[order[0]] <= value <= means[order[-1]]:
        return None
    return float(np.interp(value, means[order], table.qualities[order]))


def point(table: Measured, quality: float, draw: np.ndarray) -> Point:
    def at(values: np.ndarray) -> float:
        return float(np.interp(quality, table.qualities, values))

    nearest = int(np.argmin(abs(table.qualities - quality)))
    by_image = scaled(table.name, table.metric[:, draw])
    mean = scaled(table.name, table.metric[:, draw].mean(axis=1))
    seen = at(table.seen[:, draw].mean(axis=1))
    return Point(
        table.codec,
        quality,
        math.exp(at(np.log(table.rate[:, draw].mean(axis=1)))),
        at(table.encode[:, draw].mean(axis=1)),
        at(table.decode[:, draw].mean(axis=1)),
        at(mean),
        np.array([at(by_image[:, i]) for i in range(by_image.shape[1])]),
        table.seconds[:, nearest, draw],
        float(table.qualities[nearest]),
        seen if math.isfinite(seen) else None,
    )
