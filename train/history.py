"""The metrics of the steps since the last line, and how many steps on end were skipped."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np

_AHEAD = 2


class History:
    """Leaves metrics on the device until they are asked for: steps do not wait for them."""

    def __init__(self, max_skipped: int):
        """At most `max_skipped` steps on end may be skipped; see `check`."""
        self._most, self._on_end, self._failure = max_skipped, 0, ""
        self._new: list[tuple[int, Mapping[str, jax.Array]]] = []
        self._read: list[dict[str, float]] = []

    def add(self, step: int, metrics: Mapping[str, jax.Array]) -> None:
        """Takes the metrics of a step; waits until but a few steps are under way.

        Else there may be as many as lie between two lines, all to be done before a stop.
        """
        self._new.append((step, metrics))
        if len(self._new) > _AHEAD:
            jax.block_until_ready(self._new[-1 - _AHEAD])

    def means(self) -> dict[str, float]:
        """Means over the steps that were not skipped; how many were `skipped`. Forgets them."""
        self._take()
        good = [m for m in self._read if not m["skipped"]] or self._read
        found = {name: float(np.mean([m[name] for m in good])) for name in good[0]}
        found["skipped"] = float(sum(m["skipped"] for m in self._read))
        self._read.clear()
        return found

    def check(self) -> None:
        """Raises FloatingPointError if too many steps on end were skipped, ever."""
        self._take()
        if self._failure:
            raise FloatingPointError(self._failure)

    def _take(self) -> None:
        for step, metrics in self._new:
            self._read.append({name: float(a) for name, a in metrics.items()})
            self._on_end = self._on_end + 1 if self._read[-1]["skipped"] else 0
            if self._on_end > self._most and not self._failure:
                before = f", nor at the {self._most} before it" if self._most else ""
                self._failure = f"loss or update is not finite at step {step}{before}"
        self._new.clear()
