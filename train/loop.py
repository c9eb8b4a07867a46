"""The loop: parameters born sharded, data by step, checkpoints, a clean stop.

Resuming needs no more than the last checkpoint: batch k and every key are functions of the
seed and k. So a run killed at any moment and started again gives the same parameters, bit
for bit, as one that was left alone (same devices, same versions).
"""

from __future__ import annotations

import pathlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grain
import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxlic import models
from train.data import Packed, crops, paired
from train.evaluate import evaluate
from train.experiment import ConfigError, Experiment
from train.log import Log
from train.saving import restore, saver, set_aside
from train.step import TrainState, adopt, init_state, make_step


def run(
    e: Experiment,
    workdir: pathlib.Path,
    packed: Packed,
    *,
    log: Log,
    max_minutes: float = float("inf"),
    workers: int = 2,
    targets: Packed | None = None,
) -> TrainState:
    """Trains `e` in `workdir`, resuming from the last sound checkpoint there.

    Args:
        e: what to train.
        workdir: receives `checkpoints/`.
        packed: the images.
        log: called with a kind ("init", "train", "eval", "checkpoint", "resume", "note"), the
            step and metrics; those of a note are a `"text"`.
        max_minutes: stops, with a checkpoint, after this long.
        workers: threads that prepare batches; does not change them.
        targets: images to train towards, for losses that have a `"target"`.

    Returns:
        The state when the loop ended: after `e.steps`, `max_minutes` or SIGTERM.

    Raises:
        FloatingPointError: if loss or parameters are not finite; such a state is not saved.
        OSError: if a checkpoint cannot be written.
        train.data.DataError: if no image can be cropped.
        ConfigError: if the batch does not divide by the number of devices.
        train.saving.CheckpointError: if there are checkpoints, but none can be read.
    """
    if e.batch % jax.device_count():
        raise ConfigError(
            f"a batch of {e.batch} cannot be split on {jax.device_count()} devices"
        )
    training, held_out = packed.split(e.held_out)
    data = _data(e, packed, training, targets)
    mesh = Mesh(np.array(jax.devices()), ("data",))
    replicated = NamedSharding(mesh, PartitionSpec())
    sharded = NamedSharding(mesh, PartitionSpec("data"))
    step_fn = jax.jit(make_step(e), donate_argnums=0, out_shardings=replicated)
    stopped = _stop_on_signal()
    began = saved = time.monotonic()
    step, state = _start(e, workdir, replicated, log)
    history: list[Mapping[str, jax.Array]] = []

    with saver(workdir, e.seed) as checkpoints:
        batches = _batches(data, step, sharded, workers)
        while step < e.steps:
            state, metrics = step_fn(state, next(batches))
            history.append(metrics)
            step += 1
            if step % e.log_every == 0 or step == e.steps:
                log("train", step, _means(history))
                _check(history, step)
                history.clear()
            if e.eval_every and held_out and (step % e.eval_every == 0 or step == e.steps):
                log("eval", step, evaluate(e, state.ema, packed, held_out))
            if jax.process_count() > 1 and step % e.log_every:
                continue  # Hosts agree on the clock, and on signals, at these steps only.
            now = time.monotonic()
            stopping = _agreed(stopped() or now - began > 60 * max_minutes)
            if _agreed(stopping or now - saved > 60 * e.save_minutes):
                _check(history, step)
                if checkpoints.save(step, state):
                    log("checkpoint", step, {})
                saved = now
            if stopping:
                break
        if checkpoints.save(step, state):
            log("checkpoint", step, {})
    return state


def _data(
    e: Experiment, packed: Packed, training: list[int], targets: Packed | None
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


def _batches(
    data: grain.MapDataset, first: int, sharding: NamedSharding, workers: int
) -> Iterator[Any]:
    """All processes' batches from step `first` on, on the devices."""
    for batch in data[first:].to_iter_dataset(grain.ReadOptions(num_threads=workers)):
        yield jax.tree.map(lambda a: jax.make_array_from_process_local_data(sharding, a), batch)


def _start(
    e: Experiment, workdir: pathlib.Path, sharding: NamedSharding, log: Log
) -> tuple[int, TrainState]:
    """The step and state to begin with: of a checkpoint, of `e.init_from`, or fresh."""
    start = (
        None if e.init_from is None else models.load_params(e.init_from, builders=e.builders)
    )
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


def _means(history: list[Mapping[str, jax.Array]]) -> dict[str, float]:
    return {name: float(np.mean([float(m[name]) for m in history])) for name in history[0]}


def _check(history: list[Mapping[str, jax.Array]], step: int) -> None:
    """Raises FloatingPointError if a loss of the steps that end at `step` is not finite."""
    first = step - len(history) + 1
    for i, metrics in enumerate(history):
        if not np.isfinite(loss := float(metrics["loss"])):
            raise FloatingPointError(f"the loss is {loss} at step {first + i}")


def _stop_on_signal() -> Callable[[], bool]:
    """Makes SIGTERM and SIGINT end the loop after the step under way."""
    seen: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: seen.append(received))
    return lambda: bool(seen)


def _agreed(decision: bool) -> bool:
    """The first process's decision, on all of them."""
    if jax.process_count() == 1:
        return decision
    return bool(multihost_utils.broadcast_one_to_all(np.array(decision)))
