"""Which images are done together: listing, sizes, shards.

Shards are made by padded size, so that all of a shard, and nearly all of a job, is done by
few compiled programs, which workers know before they begin. The plan is written as images
are seen: only shards that are not full are in memory.
"""

from __future__ import annotations

import collections
import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from jaxlic.batch import rows
from jaxlic.batch.job import Job, plan_of
from jaxlic.batch.rows import Source
from jaxlic.batch.store import Store, absolute, below
from jaxlic.batch.tasks import Kind, Task
from jaxlic.errors import FileError, StorageError, UsageError
from jaxlic.files import head
from jaxlic.files.images import SUFFIXES

LARGEST, SMALLEST = 256, 8  # Images of a shard where nobody says how many.
_SHARDS = 64  # So many there are of a small job.
_PIXELS = 256_000_000  # Of a shard.
_UNKNOWN = 1_000_000  # Pixels of an image whose size nobody knows.
_LOOKING, _AHEAD = 32, 256


class Found(NamedTuple):
    """What a job is about: how many images, the images, whether to look for their sizes."""

    images: int
    sources: Iterable[Source]


def sources(store: Store, url: str) -> Found:
    """The images of a folder, sorted by name, or of a manifest, in its order.

    Args:
        store: of the job, whose own files are left out.
        url: a folder in any store, one image, or a manifest, `.parquet`.

    Raises:
        FileError: if there is nothing, or it cannot be read.
    """
    if url.endswith(".parquet"):
        count, found = rows.manifest(store.read(url), url)
        return Found(count, (_named(s._replace(source=absolute(s.source))) for s in found))
    own = store.at("")
    listed = [
        Source(entry.url, entry.etag, entry.size, output=_relative(entry.url, url))
        for entry in store.find(url)
        if pathlib.PurePosixPath(entry.url).suffix.lower() in SUFFIXES
        and not entry.url.startswith(own)
    ]
    if not listed:
        raise UsageError(f"{url}: holds no image")
    return Found(len(listed), listed)


def plan(
    store: Store,
    job: Job,
    task: Task,
    found: Found,
    *,
    size: int | None = None,
    look: bool = True,
    watch: Callable[[int], None] = lambda count: None,
) -> Job:
    """Writes the plan, and says what `job.json` should; its own writing is for the caller.

    Args:
        store, job, task, found: what is planned.
        size: images of a shard; None for one that suits their number.
        look: whether sizes that are not known are read from the images' first bytes. Without
            them shards are as listed, and programs are compiled when a size turns up.
        watch: is told how many images have been seen.
    """
    size = size or min(LARGEST, max(SMALLEST, found.images // _SHARDS))
    waiting: dict[Kind, list[Source]] = {}
    kinds: dict[Kind, None] = {}
    shards = images = total = 0

    def write(members: list[Source]) -> None:
        nonlocal shards
        store.write(plan_of(shards), rows.packed(members, Source))
        shards += 1

    with ThreadPoolExecutor(_LOOKING, "looking") as pool:
        for source in _in_order(pool, lambda s: _looked(store, s, look), found.sources):
            kind = _kind(task, source)
            kinds.setdefault(kind)
            members = waiting.setdefault(kind, [])
            members.append(_output(source, task))
            images, total = images + 1, total + max(source.bytes, 0)
            if len(members) == size or sum(map(_pixels, members)) >= _PIXELS:
                write(waiting.pop(kind))
            watch(images)
    # What is left of all kinds, similar ones side by side.
    rest = [source for _, members in sorted(waiting.items()) for source in members]
    members: list[Source] = []
    for source in rest:
        members.append(source)
        if len(members) == size or sum(map(_pixels, members)) >= _PIXELS:
            write(members)
            members = []
    if members:
        write(members)
    if not images:
        raise UsageError(f"{job.arguments['input']}: holds no image")
    known = sorted(kind for kind in kinds if kind)
    return job._replace(shards=shards, images=images, bytes=total, kinds=known)


def _looked(store: Store, source: Source, look: bool) -> Source:
    """The same, with what its store and its first bytes say."""
    try:
        if source.bytes < 0:
            _, etag, size = store.info(source.source)
            source = source._replace(etag=etag, bytes=size)
        if look and not (source.height and source.width):
            for enough in head.ENOUGH:
                data = store.read(source.source, enough) if source.bytes else b""
                found = head.size(data)
                if found is not None:
                    return source._replace(height=found[0], width=found[1])
                if len(data) < enough:
                    break
    except StorageError:
        raise
    except FileError:  # What is wrong with an image is for its row.
        pass
    return source


def _kind(task: Task, source: Source) -> Kind:
    pixels = source.height * source.width
    return task.kind(source.height, source.width) if 0 < pixels <= task.max_pixels else ()


def _pixels(source: Source) -> int:
    return source.height * source.width or _UNKNOWN


def _output(source: Source, task: Task) -> Source:
    if not task.suffix:
        return source._replace(output="")
    return source._replace(output=below(source.output) + task.suffix)


def _named(source: Source) -> Source:
    """Of a manifest: named as its source is, without the protocol."""
    return source._replace(output=source.source.split("://", 1)[-1].lstrip("/\\"))


def _relative(url: str, base: str) -> str:
    prefix = base.rstrip("/") + "/"
    tail = url.split("://", 1)[-1].lstrip("/")
    prefix = prefix.split("://", 1)[-1].lstrip("/")
    return tail.removeprefix(prefix) if tail.startswith(prefix) else tail.rsplit("/", 1)[-1]


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[Source], Source], items: Iterable[Source]
) -> Iterator[Source]:
    """`work` of all items, in their order, a few of which are begun at a time."""
    remaining = iter(items)
    begun: collections.deque[Future[Source]] = collections.deque(
        pool.submit(work, item) for item in itertools.islice(remaining, _AHEAD)
    )
    while begun:
        yield begun.popleft().result()
        begun.extend(pool.submit(work, item) for item in itertools.islice(remaining, 1))
