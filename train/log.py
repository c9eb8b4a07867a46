"""What a run says: `metrics.jsonl`, a progress bar with lines above it, TensorBoard, W&B."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from train.boards import Board
from train.experiment import Experiment

Log = Callable[[str, int, Mapping[str, Any]], None]


@contextlib.contextmanager
def reporting(
    e: Experiment, workdir: pathlib.Path, *, console: Console, boards: Sequence[Board] = ()
) -> Generator[Log]:
    """The `log` of `train.loop.run` for a run of `e` in `workdir`; numbers go to `boards` too.

    Raises:
        OSError: if `metrics.jsonl` cannot be written.
    """
    _whole_lines(workdir / "metrics.jsonl")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task, told = bar.add_task("training", total=e.steps), dict[str, Any]()

        def log(kind: str, step: int, metrics: Mapping[str, Any]) -> None:
            if kind == "pictures":
                for board in boards:
                    board(kind, step, {}, metrics)
                return
            record = {"kind": kind, "step": step, **metrics}
            if kind == "resume":
                console.print(f"resuming at step {step}", highlight=False)
            if kind == "note":
                # Names of files are not markup, whatever brackets they have.
                text = f"note: {metrics['text']}"
                console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)
            if kind in ("resume", "checkpoint") and "share" not in told:
                bar.update(task, completed=step)
            if kind == "train":
                told.update(metrics)
                if "share" in metrics:  # By the clock: per cent.
                    bar.update(task, total=100, completed=round(100 * metrics["share"]))
                else:
                    bar.update(task, completed=step)
            record["time"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            with open(workdir / "metrics.jsonl", "a") as out:
                out.write(json.dumps(record) + "\n")
            numbers = {n: value for n, value in record.items() if isinstance(value, float)}
            if numbers:
                text = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
                console.print(f"{kind} {step}  {text}", highlight=False, markup=False)
                for board in boards:
                    board(kind, step, numbers, {})

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
