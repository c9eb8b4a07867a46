"""How fast a run goes, and how much of the device it uses."""

from __future__ import annotations

import contextlib
import pathlib
import time
from collections.abc import Callable, Generator
from typing import Any

import jax

from train.chips import CHIPS

# Dense bfloat16 operations a second of one device, by the beginning of its `device_kind`; the
# first that fits counts. NVIDIA: data sheets of A100 and H100, which for H100 give twice this,
# with sparsity.
PEAKS = {
    "TPU v4": CHIPS["v4"].flops,
    "TPU v5 lite": CHIPS["v5e"].flops,
    "TPU v5e": CHIPS["v5e"].flops,
    "TPU v5": CHIPS["v5p"].flops,
    "TPU v6 lite": CHIPS["v6e"].flops,
    "TPU v6e": CHIPS["v6e"].flops,
    "NVIDIA A100": 312e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100": 989e12,
    "NVIDIA H200": 989e12,
}
_WARM = 10


def peak(kind: str) -> float | None:
    """Dense bfloat16 operations a second of a device, None if they are not known here.

    >>> peak("NVIDIA H100 80GB HBM3")
    989000000000000.0
    """
    return next((value for name, value in PEAKS.items() if kind.startswith(name)), None)


def operations(compiled: Any, accumulate: int = 1) -> float | None:
    """Floating-point operations of a compiled step on one device, as XLA counts them.

    XLA counts the body of a loop once; the loop over `accumulate` parts is all but the
    optimiser. None where XLA does not say.
    """
    found = compiled.cost_analysis() or {}
    flops = found.get("flops", 0.0)
    return accumulate * flops if flops > 0 else None


class Pace:
    """Measures the steps between two lines; not the first, which compiles."""

    def __init__(self, images: int):
        """`images` a step."""
        self.operations: float | None = None
        self._images, self._peak = images, peak(jax.local_devices()[0].device_kind)
        self._last: float | None = None
        self._steps, self._seconds, self._waited = 0, 0.0, 0.0

    def step(self, waited: float) -> None:
        """Ends a step that waited so many seconds for its batch."""
        if self._last is not None:
            self._steps += 1
            self._waited += waited
        self._tick()

    def pause(self) -> None:
        """The time until the end of the next step, and that step, do not count."""
        self._last = None

    def line(self) -> dict[str, float]:
        """What to say of the steps since the last line; nothing if there were none.

        `images_per_second`, `step_seconds`, `waiting` (the share of the time that went by
        waiting for data) and, where operations and the peak of the device are known, `mfu`:
        operations of the step, those that `remat` repeats too, over what the device could do.
        """
        if not self._steps:
            return {}
        self._tick()
        seconds = self._seconds / self._steps
        found = {
            "images_per_second": self._images / seconds,
            "step_seconds": seconds,
            "waiting": self._waited / self._seconds,
        }
        if self.operations and self._peak:
            found["mfu"] = self.operations / seconds / self._peak
        self._steps, self._seconds, self._waited = 0, 0.0, 0.0
        return found

    def _tick(self) -> None:
        now = time.monotonic()
        if self._last is not None:
            self._seconds += now - self._last
        self._last = now


@contextlib.contextmanager
def tracing(workdir: pathlib.Path, steps: int) -> Generator[Callable[[int, Any], None]]:
    """A function to call before each step: with how many were done, and their result.

    The profiler of JAX writes what happens in `steps` steps, after the first ten, to
    `profile/`, for xprof, TensorBoard's profile plugin and Perfetto.
    """
    running = False

    def trace(done: int, result: Any) -> None:
        nonlocal running
        if steps and done == _WARM:
            jax.block_until_ready(result)
            jax.profiler.start_trace(str(workdir / "profile"))
            running = True
        if running and done == _WARM + steps:
            jax.block_until_ready(result)
            jax.profiler.stop_trace()
            running = False

    try:
        yield trace
    finally:
        if running:
            jax.profiler.stop_trace()
