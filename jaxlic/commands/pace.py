"""The line that a long job shows: how far it is, how fast, what failed, what is left."""

from __future__ import annotations

import math
import sys
import time

from jaxlic.commands.messages import remark

_EVERY = 30.0  # Seconds between two lines where no terminal redraws one.


def line(images: int, total: int, *, rate: float, read: int, written: int, failed: int) -> str:
    """The line.

    >>> line(1200, 5000, rate=40.0, read=3_600_000_000, written=90_000_000, failed=1)
    '1,200 of 5,000 images, 40.0/s, 3.6 GB in, 90.0 MB out, 1 failed, 95 s left'
    """
    left = f", {duration((total - images) / rate)} left" if rate and images < total else ""
    return (
        f"{images:,} of {total:,} images, {rate:.1f}/s, {amount(read)} in, "
        f"{amount(written)} out, {failed:,} failed{left}"
    )


def amount(size: float) -> str:
    """A number of bytes in words.

    >>> amount(999), amount(1_230_000)
    ('999 B', '1.2 MB')
    """
    power = min(int(math.log10(max(size, 1)) + 1e-9) // 3, 5)
    return (
        f"{size / 1000**power:.{min(power, 1)}f} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"
    )


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(95), duration(5400), duration(400_000)
    ('95 s', '90 min', '4.6 days')
    """
    for limit, unit, length in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.1f} days"


class Pace:
    """Shows the line on stderr: redrawn on a terminal, else every half minute.

    Args:
        total: how many images there are.
        before: how many of them were done before now.
    """

    def __init__(self, total: int, before: int):
        self._total, self._before = total, before
        self._began = self._shown = time.monotonic()
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._drawn = False

    def rate(self, images: int) -> float:
        """Images a second since the job was begun or gone on with."""
        return (images - self._before) / max(time.monotonic() - self._began, 1e-9)

    def show(self, images: int, *, read: int, written: int, failed: int) -> None:
        """Shows how far it is, where it is time."""
        now = time.monotonic()
        if not self._terminal and now - self._shown < _EVERY:
            return
        text = line(
            images,
            self._total,
            rate=self.rate(images),
            read=read,
            written=written,
            failed=failed,
        )
        self._shown = now
        if self._terminal:
            print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        else:
            remark(text)

    def clear(self) -> None:
        """Takes the line away."""
        if self._drawn:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
            self._drawn = False
