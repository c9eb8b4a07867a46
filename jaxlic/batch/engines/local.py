"""Processes of this machine: one for every GPU, one for its TPUs, else one for every core."""

from __future__ import annotations

import contextlib
import glob
import importlib.util
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from jaxlic.batch.drive import Died, Event, Finished, Raised, Ready
from jaxlic.batch.shard import Done
from jaxlic.errors import Error

Prepare = Callable[..., Callable[[int], Done]]

_PATIENCE = 30.0  # Seconds in which workers may end the window that they are at.


class Placement(NamedTuple):
    """Where a worker runs.

    Attributes:
        environment: variables for its process, set before it uses a device.
        cores: of its own.
    """

    environment: dict[str, str]
    cores: int


def placements(workers: int | None = None) -> list[Placement]:
    """One for every GPU that JAX can use, one for all TPUs, or else one for every core.

    Where there are as many workers as cores, each computes with one: several that all want
    every core are in each other's way.

    Args:
        workers: how many instead.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpus, cores = _gpus(), cores or 1
    if not workers and not gpus and _tpus():
        return [Placement({}, cores)]
    count = workers or len(gpus) or cores
    each = max(1, cores // count)
    found = []
    for i in range(count):
        environment = {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {}
        if len(gpus) < count and gpus:
            environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        if not gpus and "NPROC" not in os.environ:
            environment["NPROC"] = str(each)  # Threads of XLA's CPU client.
        found.append(Placement(environment, each))
    return found


class Local:
    """Processes with a pipe each.

    Args:
        prepare: what a process does first, given `threads`: makes the function that does a
            shard. It is pickled.
        workers: how many; None for as many as `placements` finds.
    """

    def __init__(self, prepare: Prepare, workers: int | None = None):
        self._prepare, self._placements = prepare, placements(workers)
        self.workers = len(self._placements)
        self._context = multiprocessing.get_context("spawn")
        self._running: dict[int, tuple[Any, Connection]] = {}

    def start(self, worker: int) -> None:
        """Starts a process."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_main, args=(self._prepare, self._placements[worker], theirs), daemon=True
        )
        process.start()
        theirs.close()
        self._running[worker] = process, ours

    def send(self, worker: int, shard: int) -> None:
        """Gives a shard to a process; if it is gone, `wait` tells."""
        with contextlib.suppress(OSError):
            self._running[worker][1].send(shard)

    def wait(self, seconds: float) -> list[tuple[int, Event]]:
        """Messages, and deaths: a pipe at its end."""
        ready = wait([pipe for _, pipe in self._running.values()], seconds)
        events: list[tuple[int, Event]] = []
        for worker, (process, pipe) in list(self._running.items()):
            if pipe not in ready:
                continue
            try:
                events.append((worker, pipe.recv()))
            except (EOFError, OSError):
                process.join()
                pipe.close()
                del self._running[worker]
                events.append((worker, Died(_exit(process.exitcode))))
        return events

    def stop(self) -> None:
        """Asks processes to end, and kills those that do not."""
        for process, _ in self._running.values():
            process.terminate()
        for process, pipe in self._running.values():
            process.join(_PATIENCE)
            process.kill()
            pipe.close()
        self._running.clear()


def stop_on_signal() -> None:
    """SIGTERM ends the process as an exception does: what was begun is taken back."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _main(prepare: Prepare, placement: Placement, pipe: Connection) -> None:
    """A worker: shards come through the pipe until it is closed."""
    os.environ.update(placement.environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The driver's to handle.
    stop_on_signal()
    try:
        work = prepare(threads=max(2, placement.cores))
        pipe.send(Ready())
        while True:
            pipe.send(Finished(work(pipe.recv())))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # The driver is gone.
    except Exception as error:
        with contextlib.suppress(OSError):
            pipe.send(Raised(portable(error)))


def portable(error: Exception) -> Exception:
    """What can go to another process: our errors as they are, others with their traceback."""
    if isinstance(error, Error):
        return error
    return RuntimeError("in a worker:\n" + "".join(traceback.format_exception(error)))


def _exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _gpus() -> list[str]:
    """NVIDIA GPUs that JAX can use, as CUDA_VISIBLE_DEVICES names them."""
    if os.environ.get("JAX_PLATFORMS", "cuda").split(",")[0] not in ("cuda", "gpu"):
        return []
    if not any(importlib.util.find_spec(f"jax_cuda{n}_plugin") for n in (12, 13)):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    return [str(i) for i in range(len(glob.glob("/dev/nvidia[0-9]*")))]


def _tpus() -> bool:
    return importlib.util.find_spec("libtpu") is not None and bool(
        glob.glob("/dev/accel*") or glob.glob("/dev/vfio/[0-9]*")
    )
