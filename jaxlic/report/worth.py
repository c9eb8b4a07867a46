"""The tables of `jaxlic kpi`, as text and as a section of a page."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxlic.report import chart, sections
from jaxlic.report.kpi import Account, Point, worst

_WORDS = {
    "images": "images stored",
    "views": "views of an image a month",
    "megapixels": "megapixels of an image",
    "storage": "price of storage",
    "egress": "price of egress",
    "cpu": "price of a processor's second",
    "decoded": "share decoded on paid machines",
    "new_images": "new images a month",
    "one_off": "costs of the change",
}


class Table(NamedTuple):
    """A title, headings, rows of text, and what has to be known to read it."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def tables(found: Account) -> list[Table]:
    """All that is said of an account: what is gained first, then what it does not hold."""
    return [_money(found), _bytes(found), _latency(found), _sensitivity(found), *_risk(found)]


def text(found: Account) -> str:
    """For a terminal."""
    parts = [headline(found)]
    for table in tables(found):
        cells = [list(table.heads), *map(list, table.rows)] if table.rows else []
        wide = [max(len(row[i]) for row in cells) for i in range(len(table.heads))]
        parts += ["", table.title]
        for row in cells:
            rest = (cell.rjust(w) for cell, w in zip(row[1:], wide[1:], strict=True))
            parts.append("  ".join(["  " + row[0].ljust(wide[0]), *rest]).rstrip())
        if table.note:
            parts.append(f"  ({table.note})")
    return "\n".join(parts)


def section(found: Account) -> str:
    """For a page."""
    parts = [
        '<section id="worth" aria-labelledby="h-worth"><h2 id="h-worth">What it is worth</h2>',
        f"<p>{html.escape(headline(found))}</p>",
    ]
    for table in tables(found):
        parts.append(f"<h3>{html.escape(table.title)}</h3>")
        if table.rows:
            content = sections.table(table.heads, table.rows)
            parts.append(sections.scrolled(table.title, content))
        if table.note:
            parts.append(f'<p class="small">{html.escape(table.note)}</p>')
    return "\n".join([*parts, "</section>"])


def headline(found: Account) -> str:
    """The account in two sentences, the second of which is what it does not hold."""
    old, new, p = found.before, found.after, found.prices
    verb = "saves" if found.saving >= 0 else "costs"
    spread = ""
    if found.interval is not None:
        low, high = (_money_text(v, p.currency) for v in found.interval)
        spread = f" ({low} to {high} in 95 % of draws of the images)"
    even = "it never pays for itself"
    if found.break_even is not None:
        even = f"the change has paid for itself after {found.break_even:.1f} months"
    return (
        f"{new.codec} at quality {new.quality:.1f} instead of {old.codec} at {old.quality:g} "
        f"{verb} {_money_text(abs(found.saving), p.currency)} a month{spread}, with "
        f"{100 * abs(found.bytes_saved):.1f} % {'fewer' if found.bytes_saved >= 0 else 'more'} "
        f"bytes at equal mean {chart.name(p.metric)}; {even}. Equal means are not equal "
        "pictures: what the figure does not hold stands below it."
    )


def as_json(found: Account) -> dict[str, Any]:
    """The account as an object for a JSON file."""

    def point(p: Point) -> dict[str, Any]:
        return {
            "codec": p.codec,
            "quality": p.quality,
            "bytes_per_pixel": p.bytes,
            "encode_seconds_per_pixel": p.encode,
            "decode_seconds_per_pixel": p.decode,
            "metric_dB": p.value,
            "jnd_share": p.seen,
        }

    return {
        "currency": found.prices.currency,
        "metric": found.prices.metric,
        "before": point(found.before) | found.bills[0]._asdict(),
        "after": point(found.after) | found.bills[1]._asdict(),
        "saving_month": found.saving,
        "saving_interval": found.interval,
        "bytes_saved_share": found.bytes_saved,
        "break_even_months": found.break_even,
        "sensitivity": found.sensitivity,
        "worst": worst(found),
        "tasks": found.tasks,
    }


def _money(found: Account) -> Table:
    currency, rows = found.prices.currency, []
    for name in ("storage", "egress", "compute", "refining", "energy"):
        a, b = (getattr(bill, name) for bill in found.bills)
        if a or b:
            rows.append([name, *(_money_text(v, "") for v in (a, b, a - b))])
    totals = [bill.month for bill in found.bills]
    rows.append(["a month", *(_money_text(v, "") for v in (*totals, found.saving))])
    once = found.bills[1].coding + found.prices.one_off
    rows.append(
        ["once, for the change", sections.NONE, _money_text(once, ""), _money_text(-once, "")]
    )
    note = (
        f"{currency}. Compute is the measured seconds times "
        f"{found.prices.processors:g} processors, as if all had been busy all the time: an "
        "upper bound. Coding anew what is stored is counted once."
    )
    return Table("Money", ["", found.before.codec, found.after.codec, "saved"], rows, note)


def _bytes(found: Account) -> Table:
    pixels = found.prices.megapixels * 1e6
    rows = []
    for p in (found.before, found.after):
        whole = p.bytes * pixels
        stored = whole * found.prices.images / 1e9
        sent = stored * found.prices.views
        cells = [f"{p.quality:.1f}", f"{whole:,.0f}", f"{stored:,.1f}", f"{sent:,.1f}"]
        rows.append([p.codec, *cells, f"{p.value:.2f}"])
    heads = ["", "quality", "bytes an image", "GB stored", "GB sent a month"]
    metric = f"{chart.name(found.prices.metric)}, dB"
    note = f"A GB is 10^9 bytes. Bytes a pixel are means of {len(found.images)} images."
    return Table("Bytes", [*heads, metric], rows, note)


def _latency(found: Account) -> Table:
    rows, count = [], len(found.images)
    for p in (found.before, found.after):
        for name, seconds in zip(("encode", "decode"), p.seconds, strict=True):
            cells = [f"{v:.3f}" for v in np.percentile(seconds, [50, 95, 99])]
            rows.append([f"{p.codec}, {name}", f"{p.nearest:g}", *cells])
    few = ""
    if count < 100:
        few = f" Of {count} images p95 and p99 lean on the slowest one or two."
    note = "Wall clock of single images as measured, of their own sizes; one run." + few
    return Table("Latency, seconds", ["", "quality", "p50", "p95", "p99"], rows, note)


def _sensitivity(found: Account) -> Table:
    rows = []
    for name, values in found.sensitivity.items():
        if any(not math.isclose(v, found.saving, rel_tol=1e-12) for v in values):
            rows.append([_WORDS[name], *(_money_text(v, "") for v in values)])
    rows.sort(key=lambda row: -abs(_number(row[2]) - _number(row[1])))
    heads = ["", "with half of it", "with twice"]
    now = _money_text(found.saving, found.prices.currency)
    return Table("Saving a month, if one thing were otherwise", heads, rows, f"Now {now}.")


def _risk(found: Account) -> list[Table]:
    metric = chart.name(found.prices.metric)
    rows = [[image, f"{a:.2f}", f"{b:.2f}", f"{b - a:+.2f}"] for image, a, b in worst(found)]
    heads = [f"{metric}, dB", found.before.codec, found.after.codec, "change"]
    result = [
        Table(
            "What it does not hold: the worst images",
            heads,
            rows,
            "The two are equal in the mean; these images lose most. No people were asked.",
        )
    ]
    seen = [(p.codec, p.seen) for p in (found.before, found.after)]
    title = "What it does not hold: pixels beyond their just-noticeable difference"
    if all(value is not None for _, value in seen):
        cells = [[codec, f"{100 * (value or 0):.2f} %"] for codec, value in seen]
        result.append(Table(title, ["", "share"], cells, "By a model, not by people."))
    else:
        result.append(Table(title, [], [], "Not measured: jaxlic eval ... --metrics jnd"))
    title = "What it does not hold: what a program sees"
    if found.tasks:
        cells = [
            [f"{codec} at {quality:g}", column, f"{rate:.3f}", f"{100 * mean:.1f} %"]
            for column, codec, quality, rate, mean in found.tasks
        ]
        note = f"Share of {len(found.images)} images whose answer is that of the original."
        result.append(Table(title, ["", "task", "bits a pixel", "agreement"], cells, note))
    else:
        note = "Not measured: jaxlic eval ... --metrics agreement-effnetlite0=FILE"
        result.append(Table(title, [], [], note))
    return result


def _money_text(value: float, currency: str) -> str:
    digits = 2 if abs(value) < 1000 else 0
    shown = f"{value:,.{digits}f}".replace("-0.00", "0.00")
    return f"{shown} {currency}".strip()


def _number(text: str) -> float:
    return float(text.replace(",", ""))
