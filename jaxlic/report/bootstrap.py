"""How far a BD-rate depends on which images were chosen: the bootstrap over images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxlic.metrics import scores
from jaxlic.report import evaluation
from jaxlic.report.judges import scaled

Record = dict[str, Any]
REPLICATES = 200
FEWEST = 4  # Images: of fewer, draws repeat too often to say anything.


class Rate(NamedTuple):
    """A BD-rate in %, and its 95 % interval, or None where there is none."""

    value: float
    interval: tuple[float, float] | None


def bd_rates(
    records: Sequence[Record],
    metric: str,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Iterator[tuple[tuple[str, str], Rate | None]]:
    """Yields ((anchor, codec), BD-rate) of every two codecs, each pair both ways.

    Values are those of `evaluation.bd_rates`. Intervals: images are drawn with replacement,
    the same for both codecs, curves are averaged over the draw and compared anew; between the
    2.5th and the 97.5th percentile lies the interval. It knows the spread of the images, and
    nothing of how they were chosen. None for fewer than four images, or where one draw in
    twenty cannot be compared.

    Raises:
        ImportError: without the extra `jaxlic[eval]`.
    """
    points = evaluation.curves(records, metric)
    rates = evaluation.common_rates(points)
    images = list(dict.fromkeys(r["image"] for r in records))
    tables = {codec: _table(records, codec, images, metric) for codec in points}
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(images), size=(replicates, len(images)))
    codecs = list(points)
    for i, anchor in enumerate(codecs):
        values = evaluation.bd_rates(points, anchor, metric)
        for codec in codecs[i + 1 :]:
            value, interval = values[codec], None
            if value is None:
                yield (anchor, codec), None
                yield (codec, anchor), None
                continue
            if len(images) >= FEWEST:
                pair = tables[anchor], tables[codec]
                interval = _interval([_rate(*pair, draw, metric, rates) for draw in draws])
            yield (anchor, codec), Rate(value, interval)
            # Both ways are the same integral, with the other sign.
            turned = None if interval is None else (_turned(interval[1]), _turned(interval[0]))
            yield (codec, anchor), Rate(_turned(value), turned)


def _table(
    records: Sequence[Record], codec: str, images: Sequence[str], metric: str
) -> np.ndarray:
    """Rate and metric `[2, Q, N]` of a codec, by quality and image; NaN if not measured."""
    qualities = sorted({r["quality"] for r in records if r["codec"] == codec})
    table = np.full((2, len(qualities), len(images)), np.nan)
    rows = {quality: i for i, quality in enumerate(qualities)}
    columns = {image: i for i, image in enumerate(images)}
    for r in records:
        if r["codec"] == codec:
            place = rows[r["quality"]], columns[r["image"]]
            table[0][place], table[1][place] = r["bpp"], r[metric]
    return table


def _rate(
    anchor: np.ndarray,
    codec: np.ndarray,
    draw: np.ndarray,
    metric: str,
    rates: tuple[float, float],
) -> float:
    curves = []
    for table in (anchor, codec):
        rate, value = table[:, :, draw].mean(axis=-1)
        curves.append(list(zip(rate.tolist(), scaled(metric, value).tolist(), strict=True)))
    try:
        return scores.bd_rate(*curves, rates=rates)
    except ValueError:
        return float("nan")


def _interval(found: Sequence[float]) -> tuple[float, float] | None:
    values = np.array(found)
    values = values[np.isfinite(values)]
    if len(values) < 0.95 * len(found):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _turned(rate: float) -> float:
    return 100 * (1 / (1 + rate / 100) - 1)
