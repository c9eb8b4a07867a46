"""What a run says: `metrics.jsonl`, a progress bar with lines above it, TensorBoard events."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from train.experiment import Experiment

Log = Callable[[str, int, Mapping[str, Any]], None]


@contextlib.contextmanager
def reporting(
    e: Experiment, workdir: pathlib.Path, *, console: Console, tensorboard: bool = False
) -> Generator[Log]:
    """The `log` of `train.loop.run` for a run of `e` in `workdir`.

    Raises:
        OSError: if `metrics.jsonl` cannot be written.
    """
    board = None
    if tensorboard:
        from tensorboardX import SummaryWriter

        board = SummaryWriter(str(workdir / "tensorboard"))
    _whole_lines(workdir / "metrics.jsonl")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("training", total=e.steps)
        last: dict[str, Any] = {"time": time.monotonic(), "step": None}

        def log(kind: str, step: int, metrics: Mapping[str, Any]) -> None:
            now = time.monotonic()
            record = {"kind": kind, "step": step, **metrics}
            if kind == "resume":
                last["step"] = step
                console.print(f"resuming at step {step}", highlight=False)
            if kind == "note":
                console.print(f"note: {metrics['text']}", highlight=False, soft_wrap=True)
            if kind == "train":
                if last["step"] is not None and step > last["step"]:
                    rate = (step - last["step"]) * e.batch / (now - last["time"])
                    record["images_per_second"] = round(rate, 2)
                last.update(time=now, step=step)
                bar.update(task, completed=step)
            record["time"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            with open(workdir / "metrics.jsonl", "a") as out:
                out.write(json.dumps(record) + "\n")
            numbers = {n: value for n, value in record.items() if isinstance(value, float)}
            if numbers:
                text = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
                console.print(f"{kind} {step}  {text}", highlight=False)
                if board is not None:
                    for name in (n for n in numbers if n in metrics):
                        board.add_scalar(f"{kind}/{name}", numbers[name], step)

        yield log


def silent(kind: str, step: int, metrics: Mapping[str, Any]) -> None:
    """The log of every process but the first."""


def _whole_lines(path: pathlib.Path) -> None:
    """Ends the line that a killed run left half written, so that the next is one of its own."""
    if not path.exists():
        return
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
