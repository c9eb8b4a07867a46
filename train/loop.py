"""The loop: parameters born sharded, data by step, checkpoints, a clean stop.

Resuming needs no more than the last checkpoint: batch k and every key are functions of the
seed and k. So a run killed at any moment and started again gives the same parameters, bit
for bit, as one that was left alone (same devices, same versions). Not by the clock.
"""

from __future__ import annotations

import contextlib
import pathlib
import time
from collections.abc import Generator, Iterator
from typing import Any

import grain
import jax
from jax.sharding import NamedSharding

from jaxlic import models
from jaxlic.errors import Error
from train import feed
from train.clock import Clock
from train.compile import jit_step, placement
from train.crops import Source, crops, paired, readable, split
from train.evaluate import compare, evaluate
from train.experiment import Experiment
from train.history import History
from train.hosts import agreed, from_first, stop_on_signal
from train.log import Log
from train.pace import Pace, operations, tracing
from train.saving import has_checkpoint, restore, saver, set_aside
from train.step import TrainState, adopt, init_state


def run(
    e: Experiment,
    workdir: pathlib.Path,
    packed: Source,
    *,
    log: Log,
    max_minutes: float = float("inf"),
    minutes: float | None = None,
    workers: int = 2,
    processes: int = 0,
    prefetch: int = feed.PREFETCH,
    targets: Source | None = None,
    pictures: int = 0,
    profile: int = 0,
) -> TrainState:
    """Trains `e` in `workdir`, resuming from the last sound checkpoint there.

    Args:
        e: what to train.
        workdir: receives `checkpoints/`.
        packed: the images.
        log: called with a kind ("start", "init", "train", "eval", "checkpoint", "resume",
            "note", "pictures"), the step and metrics; those of a note are a `"text"`.
        max_minutes: stops, with a checkpoint, after this long.
        minutes: the run ends, its schedules at their end, after this long instead of after
            `e.steps` (`train.clock`).
        workers, processes, prefetch: who prepares batches, and how much memory those prepared
            ahead may take (see `feed.batches`); does not change them.
        targets: images to train towards, for losses that have a `"target"`.
        pictures: how many held-out images are logged at every evaluation (`evaluate.compare`).
        profile: how many steps are traced into `profile/`, after the first ten.

    Returns:
        The state when the loop ended: after `e.steps` or `minutes`, `max_minutes` or SIGTERM.

    Raises:
        FloatingPointError: if more than `e.max_skipped` steps on end had to be skipped.
        OSError: if a checkpoint cannot be written.
        train.data.DataError: if no image can be cropped.
        ConfigError: if the batch cannot be split, or the first process cannot read
            `e.init_from`.
        train.saving.CheckpointError: if there are checkpoints, but none can be read.
    """
    log("start", 0, {})  # What lies before it in the log, another process did.
    clock, jitted = Clock(e, minutes), jit_step(e, jax.devices())
    replicated, sharded = placement(jax.devices())
    training, held_out = split(packed, e.held_out)
    held_out = readable(packed, held_out, lambda text: log("note", 0, {"text": text}))
    data = _data(e, packed, training, targets)
    stopped = stop_on_signal()
    began = saved = time.monotonic()
    first, state = _start(e, workdir, replicated, log)
    step, history, pace = first, History(e.max_skipped), Pace(e.batch)
    last = clock.over(state, step)

    with (
        saver(workdir, e.seed, first=first) as checkpoints,
        tracing(workdir, profile) as trace,
    ):
        host = feed.batches(
            data,
            step,
            names=packed.names,
            tell=lambda text: log("note", step, {"text": text}),
            workers=workers,
            processes=processes,
            prefetch=prefetch,
        )
        batches = _on_devices(host, sharded)

        def keep(state: TrainState) -> None:
            history.check()
            if checkpoints.save(step, state):
                log("checkpoint", step, {})

        while not last:
            asked = time.monotonic()
            batch = next(batches)
            waited = time.monotonic() - asked
            if step == first:
                step_fn = jitted.lower(state, batch).compile()
                pace.operations = operations(step_fn, e.accumulate)
            trace(step - first, state)
            state, metrics = step_fn(clock.wind(state), batch)
            step += 1
            last = clock.over(state, step)
            history.add(step, metrics)
            pace.step(waited)
            if step % e.log_every == 0 or last:
                log("train", step, {**history.means(), **pace.line(), **clock.told()})
                history.check()
            if e.eval_every and held_out and (step % e.eval_every == 0 or last):
                with clock.stopped():
                    log("eval", step, evaluate(e, state.ema, packed, held_out))
                    if shown := held_out[:pictures]:
                        log("pictures", step, compare(e, state.ema, packed, shown))
                pace.pause()
            stopping, due, now = stopped(step), False, time.monotonic()
            # Clocks differ: hosts ask the first, at these steps only.
            if jax.process_count() == 1 or step % e.log_every == 0:
                stopping |= agreed(now - began > 60 * max_minutes)
                due = agreed(now - saved > 60 * e.save_minutes)
            if (last := last or stopping) or due:
                keep(state := clock.wind(state))
                saved = now
        keep(state)
    return state


def _data(
    e: Experiment, packed: Source, training: list[int], targets: Source | None
) -> grain.MapDataset:
    """This process's part of the batches, by step."""
    return crops(
        packed,
        training,
        size=e.crop,
        batch=e.batch,
        seed=e.seed,
        margin=e.margin,
        targets=None if targets is None else paired(packed, targets),
        part=(jax.process_index(), jax.process_count()),
    )


def _on_devices(batches: Generator[Any], sharding: NamedSharding) -> Iterator[Any]:
    """All processes' batches, of which each has its part, on the devices."""
    with contextlib.closing(batches):
        for batch in batches:
            yield jax.tree.map(
                lambda a: jax.make_array_from_process_local_data(sharding, a), batch
            )


def _start(
    e: Experiment, workdir: pathlib.Path, sharding: NamedSharding, log: Log
) -> tuple[int, TrainState]:
    """The step and state to begin with: of a checkpoint, of `e.init_from`, or fresh."""
    name, start = e.init_from, None
    if name is not None:
        try:
            start = from_first(lambda: models.load_params(name, builders=e.builders))
        except Error:
            if not has_checkpoint(workdir):  # Else all is there.
                raise
    state = jax.jit(lambda params: init_state(e, params), out_shardings=sharding)(start)
    found = restore(workdir, state)
    if found is not None:
        for text in found.notes:
            log("note", found.step, {"text": text})
        set_aside(workdir, found.damaged)
        log("resume", found.step, {})
        return found.step, found.state
    if start is not None:
        _, fresh = adopt(state.params, start)
        arrays = len(jax.tree.leaves(state.params))
        taken = {"arrays_taken": arrays - len(fresh), "arrays_fresh": len(fresh)}
        log("init", 0, {name: float(count) for name, count in taken.items()})
    return 0, state
