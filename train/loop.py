"""The loop: parameters born sharded, data by step, checkpoints, a clean stop.

Resuming needs no more than the last checkpoint: batch k and every key are functions of the
seed and k. So a run killed at any moment and started again gives the same parameters, bit
for bit, as one that was left alone (same devices, same versions).
"""

from __future__ import annotations

import pathlib
import signal
import time
from collections.abc import Callable, Mapping

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxlic import models
from train.data import Packed, crops, paired
from train.evaluate import evaluate
from train.experiment import ConfigError, Experiment
from train.step import TrainState, adopt, init_state, make_step

Log = Callable[[str, int, Mapping[str, float]], None]


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
    """Trains `e` in `workdir`, resuming from the last checkpoint there.

    Args:
        e: what to train.
        workdir: receives `checkpoints/`.
        packed: the images.
        log: called with a kind ("init", "train", "eval", "checkpoint", "resume"), the step and
            metrics.
        max_minutes: stops, with a checkpoint, after this long.
        workers: threads that prepare batches; does not change them.
        targets: images to train towards, for losses that have a `"target"`.

    Returns:
        The state when the loop ended: after `e.steps`, `max_minutes` or SIGTERM.

    Raises:
        FloatingPointError: if the loss is not finite.
        train.data.DataError: if no image can be cropped.
        ConfigError: if the batch does not divide by the number of devices.
    """
    if e.batch % jax.device_count():
        raise ConfigError(
            f"a batch of {e.batch} cannot be split on {jax.device_count()} devices"
        )
    training, held_out = packed.split(e.held_out)
    data = crops(
        packed,
        training,
        size=e.crop,
        batch=e.batch // jax.process_count(),
        seed=e.seed + jax.process_index(),
        margin=e.margin,
        targets=None if targets is None else paired(packed, targets),
    )
    mesh = Mesh(np.array(jax.devices()), ("data",))
    replicated = NamedSharding(mesh, PartitionSpec())
    sharded = NamedSharding(mesh, PartitionSpec("data"))

    start = (
        None if e.init_from is None else models.load_params(e.init_from, builders=e.builders)
    )
    init = jax.jit(lambda params: init_state(e, params), out_shardings=replicated)
    step_fn = jax.jit(make_step(e), donate_argnums=0, out_shardings=replicated)
    stopped = _stop_on_signal()
    began = saved = time.monotonic()

    options = ocp.CheckpointManagerOptions(max_to_keep=2)
    with ocp.CheckpointManager(
        (workdir / "checkpoints").absolute(), options=options
    ) as manager:
        state = init(start)
        if (latest := manager.latest_step()) is not None:
            restored = manager.restore(
                latest,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(state), meta=ocp.args.JsonRestore()
                ),
            )
            state = restored.state
            log("resume", latest, {})
        elif start is not None:
            _, fresh = adopt(state.params, start)
            arrays = len(jax.tree.leaves(state.params))
            log(
                "init",
                0,
                {"arrays_taken": float(arrays - len(fresh)), "arrays_fresh": float(len(fresh))},
            )
        step = latest or 0

        def save() -> None:
            # The data position and the keys are functions of these two numbers.
            meta = {"step": step, "seed": e.seed, "data_position": step}
            args = ocp.args.Composite(
                state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta)
            )
            if manager.latest_step() != step:
                manager.save(step, args=args, force=True)
                log("checkpoint", step, {})

        batches = iter(data[step:].to_iter_dataset(grain.ReadOptions(num_threads=workers)))
        history: list[Mapping[str, jax.Array]] = []
        while step < e.steps:
            batch = jax.tree.map(
                lambda a: jax.make_array_from_process_local_data(sharded, a), next(batches)
            )
            state, metrics = step_fn(state, batch)
            history.append(metrics)
            step += 1
            if step % e.log_every == 0 or step == e.steps:
                means = {
                    name: float(np.mean([float(m[name]) for m in history])) for name in metrics
                }
                history.clear()
                log("train", step, means)
                if not np.isfinite(means["loss"]):
                    raise FloatingPointError(f"the loss is {means['loss']} at step {step}")
            if e.eval_every and held_out and (step % e.eval_every == 0 or step == e.steps):
                log("eval", step, evaluate(e, state.ema, packed, held_out))
            if jax.process_count() > 1 and step % e.log_every:
                continue  # Hosts agree on the clock, and on signals, at these steps only.
            now = time.monotonic()
            stopping = _agreed(stopped() or now - began > 60 * max_minutes)
            if _agreed(stopping or now - saved > 60 * e.save_minutes):
                save()
                saved = now
            if stopping:
                break
        save()
        manager.wait_until_finished()
    return state


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
