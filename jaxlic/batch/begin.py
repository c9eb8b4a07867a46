"""Begins a job, or goes on with one: the same command does both."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from jaxlic.batch import job as jobs
from jaxlic.batch import shard
from jaxlic.batch.job import Job
from jaxlic.batch.plan import plan, sources
from jaxlic.batch.shard import Done
from jaxlic.batch.store import Store
from jaxlic.batch.tasks import task
from jaxlic.core import Builder

_POLL = 5.0


def begin(
    store: Store,
    command: str,
    arguments: dict[str, Any],
    *,
    builders: Sequence[Builder] = (),
    size: int | None = None,
    look: bool = True,
    other_versions: bool = False,
    watch: Callable[[int], None] = lambda count: None,
) -> Job:
    """The job in a folder, which is planned if there is none.

    Args:
        store: the folder.
        command, arguments: of the task; `arguments["input"]` is what is done.
        builders: architectures of the caller's.
        size, look, watch: of `plan`.
        other_versions: of `job.check`.

    Raises:
        UsageError: if there is another job, or nothing to do.
        FileError: if the folder or the input cannot be read or written.
    """
    found = task(command, arguments, builders=builders)
    wanted = jobs.new(command, arguments, found)
    job = jobs.load(store)
    if job is not None:
        jobs.check(store, job, wanted, other_versions=other_versions)
        return job
    images = sources(store, arguments["input"])
    job = plan(store, wanted, found, images, size=size, look=look, watch=watch)
    jobs.save(store, job)
    return job


def awaited(store: Store, told: Callable[[], None]) -> None:
    """Returns when another process has planned the job; `told` is called if that takes long."""
    if jobs.load(store) is None:
        told()
    while jobs.load(store) is None:
        time.sleep(_POLL)


def so_far(store: Store, job: Job, among: Sequence[int]) -> tuple[list[int], Done]:
    """Which of some shards are left, and the sums of those that are not."""
    there = shard.finished(store) & set(among)
    done = Done()
    for found in shard.each(store, sorted(there)):
        done.add(shard.summary(found, _qualities(job)))
    return [number for number in among if number not in there], done


def with_failures(store: Store, job: Job) -> tuple[list[int], Done]:
    """Finished shards in which an image failed, and the sums of what is done without those."""
    there = sorted(shard.finished(store) & set(range(job.shards)))
    numbers, done = [], Done()
    for number, found in zip(there, shard.each(store, there), strict=True):
        part = shard.summary(found, _qualities(job))
        if part.failed:
            numbers.append(number)
            part = Done()
        done.add(part)
    return numbers, done


def _qualities(job: Job) -> int:
    return len(job.arguments["qualities"])
