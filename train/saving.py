"""Checkpoints: saved only if sound, read only if they are what was saved.

A checkpoint carries the SHA-256 of its arrays. One that cannot be read, or reads as something
else, is passed over for the one before it.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import pathlib
import sys
import time
from collections.abc import Generator
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from jaxlic.errors import Error, one_line
from train.hosts import everywhere
from train.step import TrainState

_FOLDER, _DAMAGED = "checkpoints", "damaged"
_KEPT = 2
_BEFORE_DIGESTS = {"step", "seed", "data_position"}


class CheckpointError(Error):
    """Checkpoints none of which can be read, or that a run would write over."""


class Restored(NamedTuple):
    """What was found in a workdir.

    Attributes:
        step, state: of the newest checkpoint that is sound.
        damaged: the steps of newer ones, which are not.
        notes: what a user should know, a line each.
    """

    step: int
    state: TrainState
    damaged: tuple[int, ...]
    notes: tuple[str, ...]


def digest(state: TrainState) -> str:
    """The SHA-256, in hexadecimal, of the arrays of a state, their shapes and types."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(state):
        a = np.asarray(leaf)
        found.update(f"{a.dtype.str} {list(a.shape)}\0".encode())
        # As bytes, since bfloat16 has no buffer of its own type.
        found.update(np.ascontiguousarray(a).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def is_sound(state: TrainState) -> bool:
    """Whether parameters and averages are finite, and nothing of the optimiser is NaN."""
    finite = all(np.isfinite(a).all() for a in jax.tree.leaves((state.params, state.ema)))
    return finite and not any(np.isnan(a).any() for a in jax.tree.leaves(state.opt_state))


def restore(workdir: pathlib.Path, template: TrainState) -> Restored | None:
    """The newest sound checkpoint of a run; None if there is none at all. Changes nothing.

    Args:
        workdir: of the run.
        template: a state of the shapes, types and places to restore to.

    Raises:
        CheckpointError: if there are checkpoints, but all are damaged or some hosts see none.
    """
    folder = workdir / _FOLDER
    seen = folder.is_dir()
    if not everywhere(seen):
        if not everywhere(not seen):
            raise CheckpointError(f"{folder}: is not visible to every host")
        return None
    damaged: list[int] = []
    notes: list[str] = []
    with _quiet(), ocp.CheckpointManager(folder.absolute()) as manager:
        for step in sorted(manager.all_steps(), reverse=True):
            reason = "another host cannot read it"
            try:
                state, has_digest = _read(manager, step, template)
                sound = True
            except Exception as error:  # Neither Orbax nor TensorStore says what it raises.
                sound, reason = False, _line(error)
            if not everywhere(sound):
                damaged.append(step)
                notes.append(f"{folder / str(step)}: damaged ({reason})")
                continue
            if damaged:
                notes.append(f"{folder / str(step)}: used instead")
            if not has_digest:
                notes.append(f"{folder / str(step)}: has no digest, taken as it is")
            return Restored(step, state, tuple(damaged), tuple(notes))
    if damaged:
        raise CheckpointError(f"no checkpoint can be read; {notes[0]}")
    return None


def has_checkpoint(workdir: pathlib.Path) -> bool:
    """Whether a run has saved anything, sound or not."""
    folder = workdir / _FOLDER
    return folder.is_dir() and any(path.name.isdigit() for path in folder.iterdir())


def set_aside(workdir: pathlib.Path, steps: tuple[int, ...]) -> None:
    """Moves checkpoints out of the way of those to come, into `damaged/`."""
    if steps and jax.process_index() == 0:
        (workdir / _DAMAGED).mkdir(exist_ok=True)
        for step in steps:
            place, again = workdir / _DAMAGED / str(step), 1
            while place.exists():
                again += 1
                place = place.with_name(f"{step}-{again}")
            (workdir / _FOLDER / str(step)).rename(place)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("damaged checkpoints are set aside")


class Saver:
    """Writes checkpoints, in the background, and keeps the last two."""

    def __init__(self, manager: ocp.CheckpointManager, folder: pathlib.Path, seed: int):
        self._manager, self._folder, self._seed = manager, folder, seed

    def save(self, step: int, state: TrainState) -> bool:
        """Saves the state after `step` steps; False if it was saved already.

        Raises:
            FloatingPointError: if it is not finite; nothing is written.
            OSError: if this or the last checkpoint could not be written.
        """
        if self._manager.latest_step() == step:
            return False
        on_host = jax.device_get(state)
        if not is_sound(on_host):
            raise FloatingPointError(f"the parameters are not finite at step {step}")
        # The data position and the keys are functions of these two numbers.
        meta = {"step": step, "seed": self._seed, "data_position": step}
        meta["digest"] = digest(on_host)
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta)
        )
        with _one_line(self._folder):
            self._manager.save(step, args=args, force=True)
        return True


@contextlib.contextmanager
def saver(workdir: pathlib.Path, seed: int, *, first: int | None = None) -> Generator[Saver]:
    """A `Saver` for a run. Removes what a killed run left half written; waits at the end.

    Args:
        workdir: of the run.
        seed: of the run.
        first: the step it begins at; None to save after whatever is there.

    Raises:
        CheckpointError: if there is one of a later step than `first`: those to come would
            push it out.
        OSError: if a checkpoint could not be written.
    """
    folder = workdir / _FOLDER
    options = ocp.CheckpointManagerOptions(max_to_keep=_KEPT, cleanup_tmp_directories=True)
    with _quiet():
        with _one_line(folder):
            manager = ocp.CheckpointManager(folder.absolute(), options=options)
        try:
            newest = manager.latest_step() or 0
            if not everywhere(first is None or newest <= first):
                raise CheckpointError(
                    f"{folder}: holds step {newest}, but the run began at step {first}"
                )
            yield Saver(manager, folder, seed)
        except BaseException:
            with contextlib.suppress(Exception):  # What stopped the run matters more.
                manager.close()
            raise
        with _one_line(folder):
            manager.close()


def _read(
    manager: ocp.CheckpointManager, step: int, template: TrainState
) -> tuple[TrainState, bool]:
    """A checkpoint's state, and whether it had a digest. Raises ValueError if it is damaged."""
    args = ocp.args.Composite(
        state=ocp.args.StandardRestore(template), meta=ocp.args.JsonRestore()
    )
    found: Any = manager.restore(step, args=args)
    meta: dict[str, Any] = found.meta
    on_host = jax.device_get(found.state)
    has_digest = set(meta) != _BEFORE_DIGESTS
    if has_digest and meta.get("digest") != digest(on_host):
        raise ValueError("its digest does not match")
    if meta["step"] != step or int(on_host.step) != step:
        raise ValueError("it is of another step")
    if not is_sound(on_host):
        raise ValueError("it is not finite")
    return found.state, has_digest


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Without what Orbax's coroutines and TensorStore's threads say after one of them failed.

    What is wrong was raised; they find their event loop closed, and nobody can catch that.
    """
    before, said = sys.unraisablehook, []

    def hook(unraisable: Any) -> None:
        error = unraisable.exc_value
        if "Event loop is closed" in str(error) or isinstance(error.__cause__, GeneratorExit):
            said.append(str(error))
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        gc.collect()
        if said:
            time.sleep(0.5)  # For the threads to end.
            gc.collect()
        sys.unraisablehook = before


@contextlib.contextmanager
def _one_line(folder: pathlib.Path) -> Generator[None]:
    try:
        yield
    except Exception as error:  # As in `restore`.
        raise OSError(f"{folder}: a checkpoint cannot be written ({_line(error)})") from error


def _line(error: Exception) -> str:
    text = one_line(error)
    for known in ("No space left on device", "File too large", "Read-only file system"):
        if known in str(error):
            return known
    return text
