"""What changing a codec is worth: bytes, money a month, break-even, latency, and the risk.

From records of an evaluation, and a price list. All follows from four means for each of two
codecs: bytes and seconds a pixel, at the quality in use and at the quality of equal mean
fidelity.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxlic.errors import UsageError
from jaxlic.report.judges import scaled
from jaxlic.report.operating import Measured, Point, measured, point, quality_of
from jaxlic.report.prices import Prices
from jaxlic.report.prices import read as read_prices  # noqa: F401

DRAWS, WORST = 1000, 10
_JOULES = 3.6e6  # Of a kWh.
_VARIED = (
    "images",
    "views",
    "megapixels",
    "storage",
    "egress",
    "cpu",
    "decoded",
    "new_images",
    "one_off",
)


class Bill(NamedTuple):
    """Money a month, `coding` for once."""

    storage: float
    egress: float
    compute: float
    refining: float
    energy: float
    coding: float

    @property
    def month(self) -> float:
        """All that comes back every month."""
        return self.storage + self.egress + self.compute + self.refining + self.energy


class Account(NamedTuple):
    """What `account` found.

    Attributes:
        prices: the price list.
        before, after: the two codecs.
        bills: of the two.
        saving: money a month.
        interval: of it in 95 % of draws of the images; None for fewer than four images.
        bytes_saved: share of the bytes.
        break_even: months until the change has paid for itself; None if it never does.
        sensitivity: by name of a price the saving with half of it and with twice.
        images: names, as in `Point.values`.
        tasks: (column, codec, quality, bits a pixel, mean) of agreement columns.
    """

    prices: Prices
    before: Point
    after: Point
    bills: tuple[Bill, Bill]
    saving: float
    interval: tuple[float, float] | None
    bytes_saved: float
    break_even: float | None
    sensitivity: dict[str, tuple[float, float]]
    images: list[str]
    tasks: list[tuple[str, str, float, float, float]]


def account(records: Sequence[dict[str, Any]], prices: Prices, *, seed: int = 0) -> Account:
    """Compares two codecs at equal mean fidelity, in bytes, money and time.

    The quality of the new codec is where its mean of the metric is that of the old one at its
    quality: between measured qualities straight lines are drawn, of the logarithm of the size
    and of the metric in dB.

    Args:
        records: of `jaxlic eval`, of both codecs on the same images.
        prices: what things cost.
        seed: of the draws.

    Raises:
        UsageError: if the records lack a codec, quality, metric or image, or the new codec
            does not reach that fidelity.
    """
    before = measured(records, prices.before, prices.metric)
    after = measured(records, prices.after, prices.metric)
    if before.images != after.images:
        raise UsageError(f"{prices.before} and {prices.after} were measured on other images")
    if prices.quality not in before.qualities:
        known = ", ".join(f"{q:g}" for q in before.qualities)
        raise UsageError(f"{prices.before} was measured at {known}, not {prices.quality:g}")
    everything = np.arange(len(before.images))
    old = point(before, prices.quality, everything)
    quality = quality_of(after, old.value, everything)
    if quality is None:
        span = [scaled(prices.metric, np.array(v)) for v in after.metric.mean(axis=1)]
        raise UsageError(
            f"{prices.after} was measured from {min(span):.2f} to {max(span):.2f} dB of "
            f"{prices.metric}, not at the {old.value:.2f} dB of {prices.before} at "
            f"{prices.quality:g}: evaluate more qualities"
        )
    new = point(after, quality, everything)
    bills = bill(prices, old), bill(prices, new, refined=True)
    saving = bills[0].month - bills[1].month
    costs = bills[1].coding + prices.one_off
    break_even = costs / saving if saving > 0 else (0.0 if costs == 0 == saving else None)
    return Account(
        prices,
        old,
        new,
        bills,
        saving,
        _interval(prices, before, after, seed),
        1 - new.bytes / old.bytes,
        break_even,
        {name: _varied(prices, name, old, new) for name in _VARIED if getattr(prices, name)},
        before.images,
        _tasks(records, (prices.before, prices.after)),
    )


def bill(prices: Prices, point: Point, *, refined: bool = False) -> Bill:
    """What a codec costs, all of whose files are at one quality."""
    pixels = prices.megapixels * 1e6
    stored = prices.images * pixels * point.bytes / 1e9
    views = prices.images * prices.views
    decoding = views * prices.decoded * pixels * point.decode
    encoding = prices.new_images * pixels * point.encode
    busy = (decoding + encoding) * prices.processors
    refining = 0.0
    if refined:
        share = prices.decoded * prices.refined
        refining = views * share * prices.megapixels * prices.refine_seconds
    joules = busy * prices.cpu_watts + refining * prices.gpu_watts
    coding = prices.images * pixels * point.encode * prices.processors
    return Bill(
        storage=stored * prices.storage,
        egress=stored * prices.views * prices.egress,
        compute=busy * prices.cpu,
        refining=refining * prices.gpu,
        energy=joules / _JOULES * prices.energy,
        coding=coding * (prices.cpu + prices.cpu_watts / _JOULES * prices.energy),
    )


def worst(found: Account) -> list[tuple[str, float, float]]:
    """(image, before, after) where the metric falls most, in dB, up to ten."""
    change = found.after.values - found.before.values
    order = np.argsort(change, kind="stable")[:WORST]
    pairs = [(found.before.values[i], found.after.values[i]) for i in order]
    return [
        (found.images[i], float(a), float(b)) for i, (a, b) in zip(order, pairs, strict=True)
    ]


def _interval(
    prices: Prices, before: Measured, after: Measured, seed: int
) -> tuple[float, float] | None:
    count, found = len(before.images), []
    if count < 4:
        return None
    for draw in np.random.default_rng(seed).integers(count, size=(DRAWS, count)):
        old = point(before, prices.quality, draw)
        quality = quality_of(after, old.value, draw)
        if quality is not None:
            new = point(after, quality, draw)
            found.append(bill(prices, old).month - bill(prices, new, refined=True).month)
    if len(found) < 0.95 * DRAWS:
        return None
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def _varied(prices: Prices, name: str, old: Point, new: Point) -> tuple[float, float]:
    saved = []
    for factor in (0.5, 2.0):
        value = getattr(prices, name) * factor
        value = min(value, 1.0) if name == "decoded" else value
        other = dataclasses.replace(prices, **{name: value})
        saved.append(bill(other, old).month - bill(other, new, refined=True).month)
    return saved[0], saved[1]


def _tasks(records: Sequence[dict[str, Any]], codecs: Sequence[str]):
    columns = dict.fromkeys(k for r in records for k in r if k.startswith("agreement"))
    found = []
    for column in columns:
        for codec in codecs:
            ours = [r for r in records if r["codec"] == codec and column in r]
            for quality in sorted({r["quality"] for r in ours}):
                at = [r for r in ours if r["quality"] == quality]
                rate, mean = (float(np.mean([r[n] for r in at])) for n in ("bpp", column))
                found.append((column, codec, float(quality), rate, mean))
    return found
