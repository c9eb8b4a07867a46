"""A shard, the unit of work: all that matters of it stands in the job's folder.

Outputs are put first, the report last. Whoever is killed in between leaves a mark behind and
outputs that the next one writes again, to the same bytes: at least once, not exactly once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from jaxlic.batch import pieces, rows, window
from jaxlic.batch.job import plan_of, report_of
from jaxlic.batch.pieces import Fate
from jaxlic.batch.rows import Row, Source
from jaxlic.batch.store import Store
from jaxlic.batch.tasks import Task
from jaxlic.batch.window import Stamp
from jaxlic.errors import Error

_READERS, _AHEAD = 16, 256


class WorkerDied(Error):
    """What a row says of an image that killed whoever did it."""


@dataclasses.dataclass
class Done:
    """What was done: sums over images, a failed one counted once."""

    images: int = 0
    failed: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, other: Done) -> None:
        """Adds what else was done."""
        for field in dataclasses.fields(self):
            name = field.name
            setattr(self, name, getattr(self, name) + getattr(other, name))


def summary(report: Sequence[Row], qualities: int) -> Done:
    """The sums of a report."""
    return Done(
        images=len(report) // qualities,
        failed=sum(row.error is not None for row in report[::qualities]),
        bytes_in=sum(row.bytes for row in report[::qualities]),
        bytes_out=sum(row.output_bytes or 0 for row in report if row.error is None),
    )


def finished(store: Store) -> set[int]:
    """The shards that have a report."""
    names = store.names("report")
    stems = (name.removesuffix(".parquet") for name in names if name.endswith(".parquet"))
    return {int(stem) for stem in stems if stem.isdigit()}


def report(store: Store, number: int) -> list[Row]:
    """The rows of a finished shard. Raises FileError."""
    url = store.at(report_of(number))
    return rows.reports(store.read(url), url)


def each(store: Store, numbers: Sequence[int]) -> Iterator[list[Row]]:
    """The reports of many shards, several read at once."""
    with ThreadPoolExecutor(_READERS) as pool:
        for i in range(0, len(numbers), _AHEAD):
            yield from pool.map(lambda n: report(store, n), numbers[i : i + _AHEAD])


def planned(store: Store, number: int) -> list[Source]:
    """The images of a shard. Raises FileError."""
    url = store.at(plan_of(number))
    return rows.plans(store.read(url), url)


def do(store: Store, task: Task, number: int) -> Done:
    """Does a shard and puts its report; one that has a report is left alone.

    Raises:
        FileError: if its plan cannot be read, or its report not be written.
        StorageError: if the store gives no answer.
    """
    seen = store.names(_folder(number))
    if seen and number in finished(store):
        store.remove(_folder(number))
        return summary(report(store, number), len(task.qualities))
    found = _do(store, task, number, planned(store, number), seen, 0)
    return _end(store, task, number, found)


def again(store: Store, task: Task, number: int) -> Done:
    """Does once more what failed of a shard, and replaces its report. Raises as `do`."""
    old, each = report(store, number), len(task.qualities)
    images = planned(store, number)
    places = [i for i in range(len(images)) if old[i * each].error is not None]
    turn = max((row.attempt for row in old), default=0)
    seen = store.names(_folder(number))
    found = _do(store, task, number, [images[i] for i in places], seen, turn)
    for k, i in enumerate(places):
        old[i * each : (i + 1) * each] = found[k * each : (k + 1) * each]
    return _end(store, task, number, old)


def _do(
    store: Store, task: Task, number: int, todo: Sequence[Source], seen: list[str], turn: int
) -> list[Row]:
    """The rows of some images of a shard; `turn` is how often it was begun before them."""
    known, found = pieces.attempts(seen, turn), []
    name = f"{socket.gethostname()}/{os.getpid()}"
    stamp = Stamp(turn + known.begun.total() + 1, name, number)
    for fate, low, high in pieces.pieces(len(todo), known) if todo else ():
        part = f"{_folder(number)}/{pieces.part(turn, low, high)}"
        if fate is Fate.DONE:
            found += rows.reports(store.read(store.at(part)), store.at(part))
            continue
        if fate is Fate.GIVE_UP:
            error = WorkerDied(f"{pieces.DEATHS} workers died while they did it")
            found += window.failed(task, todo[low], error, stamp)
            continue
        with _marked(store, f"{_folder(number)}/{pieces.marker(turn, low, high)}", name):
            done = window.process(store, task, todo[low:high], stamp)
        if high - low < len(todo):
            store.write(part, rows.packed(done, Row))
        found += done
    return found


@contextlib.contextmanager
def _marked(store: Store, marker: str, text: str) -> Generator[None]:
    """A mark that stays if the process dies inside; leaving it by an exception is no death."""
    store.write(marker, text.encode())
    try:
        yield
    except BaseException:
        with contextlib.suppress(Error):
            store._replace(patience=1).remove(marker)
        raise


def _end(store: Store, task: Task, number: int, found: list[Row]) -> Done:
    store.write(report_of(number), rows.packed(found, Row))
    store.remove(_folder(number))
    return summary(found, len(task.qualities))


def _folder(number: int) -> str:
    return f"attempt/{number:05}"
