"""Actors of Ray: one for every GPU, one for a host of TPUs, or else one for every core.

Ray hands out numbers of shards, and no more. Its own bookkeeping of data and of retries is
not used: what is finished stands in the job's folder.
"""

from __future__ import annotations

import os
import warnings
from typing import Any, NamedTuple

from jaxlic.batch.drive import Died, Event, Finished, Raised, Ready
from jaxlic.batch.engines.local import Prepare, portable
from jaxlic.errors import Error, UsageError


class Actor(NamedTuple):
    """What an actor reserves.

    Attributes:
        resources: for Ray: "num_cpus", "num_gpus", "resources".
        threads: that code beside the device.
    """

    resources: dict[str, Any]
    threads: int


def actors(nodes: list[dict[str, Any]], workers: int | None = None) -> list[Actor]:
    """One actor for every GPU, for every host of TPUs, and for every core of other hosts.

    Args:
        nodes: as `ray.nodes()` tells.
        workers: at most so many.
    """
    found = []
    for node in nodes:
        if not node["Alive"]:
            continue
        has = node["Resources"]
        cores, gpus, tpus = (int(has.get(name, 0)) for name in ("CPU", "GPU", "TPU"))
        if tpus:
            found.append(Actor({"num_cpus": 1, "resources": {"TPU": tpus}}, max(2, cores)))
        elif gpus:
            each = Actor({"num_cpus": 1, "num_gpus": 1}, max(2, cores // gpus))
            found += [each] * gpus
        else:
            found += [Actor({"num_cpus": 1}, 2)] * cores
    return found[:workers]


class OnRay:
    """Actors, on the cluster of `RAY_ADDRESS`, or on this machine if there is none.

    Args:
        prepare: of `Local`.
        workers: at most so many; None for all that the cluster has room for.

    Raises:
        UsageError: if Ray is not installed.
        Error: if its cluster has no room.
    """

    def __init__(self, prepare: Prepare, workers: int | None = None):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        alone = "RAY_ADDRESS" not in os.environ
        if alone:  # Its name is of another time: Ray then listens on the loopback alone.
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        try:
            import ray
        except ImportError as error:
            raise UsageError('--engine ray needs Ray: pip install "jaxlic[ray]"') from error
        self._ray, self._prepare = ray, prepare
        self._began = not ray.is_initialized()
        if self._began:
            with warnings.catch_warnings():
                # The driver has begun JAX, and Ray starts programs: that is no fork to fear.
                warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
                here = _alone() if alone else {}
                ray.init(log_to_driver=False, logging_level="error", **here)
        self._actors = actors(ray.nodes(), workers)
        if not self._actors:
            raise Error("the Ray cluster has neither CPUs nor GPUs to give")
        self.workers = len(self._actors)
        self._running: dict[int, Any] = {}
        self._waiting: dict[Any, int] = {}

    def start(self, worker: int) -> None:
        """Creates an actor."""
        wanted = self._actors[worker]
        remote = self._ray.remote(max_restarts=0, max_task_retries=0, **wanted.resources)
        actor = remote(_Worker).remote()
        self._running[worker] = actor
        self._waiting[actor.prepare.remote(self._prepare, wanted.threads)] = worker

    def send(self, worker: int, shard: int) -> None:
        """Gives a shard to an actor."""
        self._waiting[self._running[worker].do.remote(shard)] = worker

    def wait(self, seconds: float) -> list[tuple[int, Event]]:
        """What actors returned, and which of them died."""
        ready, _ = self._ray.wait(list(self._waiting), num_returns=1, timeout=seconds)
        events: list[tuple[int, Event]] = []
        for reference in ready:
            worker = self._waiting.pop(reference)
            try:
                events.append((worker, self._ray.get(reference)))
            except self._ray.exceptions.RayError as error:
                self._ray.kill(self._running.pop(worker))
                events.append((worker, Died(str(error).splitlines()[0])))
        return events

    def stop(self) -> None:
        """Ends the actors; and Ray, if it was begun for this job."""
        for actor in self._running.values():
            self._ray.kill(actor)
        self._running.clear()
        self._waiting.clear()
        if self._began:
            self._ray.shutdown()


def _alone() -> dict[str, Any]:
    """A cluster of this machine that no other sees."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "address": "local",
        "include_dashboard": False,
        "num_cpus": cores,
    }


class _Worker:
    """The actor. What is raised is returned: Ray need not know of it."""

    def prepare(self, prepare: Prepare, threads: int) -> Event:
        os.environ.setdefault("NPROC", "1")
        try:
            self._work = prepare(threads=threads)
            return Ready()
        except Exception as error:
            return Raised(portable(error))

    def do(self, shard: int) -> Event:
        try:
            return Finished(self._work(shard))
        except Exception as error:
            return Raised(portable(error))
