"""A worker: loads the model, compiles, then does one shard after another."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxlic.batch import job as jobs
from jaxlic.batch import shard
from jaxlic.batch.shard import Done
from jaxlic.batch.store import Store
from jaxlic.batch.tasks import Kind, Task, task
from jaxlic.core import Builder
from jaxlic.files.cache import keep_compiled

MANY = 64  # Kinds that are compiled before the first shard; of others each before its own.


def none() -> Sequence[Builder]:
    """No architectures beside the library's."""
    return ()


class Setting(NamedTuple):
    """What a worker is told; it goes from process to process.

    Attributes:
        store: of the job.
        builders: makes the architectures of the user's own.
        again: whether finished shards are done again, as far as they failed.
        other_versions: whether other versions of packages than the job's will do.
    """

    store: Store
    builders: Callable[[], Sequence[Builder]] = none
    again: bool = False
    other_versions: bool = False


def prepare(setting: Setting, *, threads: int = 2) -> Callable[[int], Done]:
    """A function that does a shard, by its number; all that it needs is compiled.

    Args:
        setting: of the job.
        threads: how many code beside the device.

    Raises:
        Error: if there is no such job, or it was begun with another model.
    """
    keep_compiled()
    store = setting.store
    job = jobs.existing(store)
    found = task(job.command, job.arguments, builders=setting.builders(), threads=threads)
    wanted = jobs.new(job.command, job.arguments, found)
    jobs.check(store, job, wanted, other_versions=setting.other_versions)
    found.warm(job.kinds[:MANY])
    work = shard.again if setting.again else shard.do
    if len(job.kinds) <= MANY:
        return functools.partial(work, store, found)
    return functools.partial(_warmed, work, store, found)


def _warmed(work: Callable[..., Done], store: Store, found: Task, number: int) -> Done:
    """As `work`; what the shard needs is compiled before it begins."""
    kinds: set[Kind] = set()
    for source in shard.planned(store, number):
        if 0 < source.height * source.width <= found.max_pixels:
            kinds.add(found.kind(source.height, source.width))
    found.warm(sorted(kinds))
    return work(store, found, number)
