"""Hands out shards to workers, whatever runs them, and replaces those that die.

Nothing here matters after a crash: what is finished stands in the job's folder.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from jaxlic.batch.shard import Done
from jaxlic.errors import Error

_STILLBORN = 3  # Workers in a row that die before they are ready: then it is not the images.


class Ready(NamedTuple):
    """A worker has loaded and compiled all that it needs."""


class Finished(NamedTuple):
    """A worker has done its shard."""

    done: Done


class Died(NamedTuple):
    """A worker is gone; `text` says how."""

    text: str


class Raised(NamedTuple):
    """A worker cannot go on."""

    error: Exception


Event = Ready | Finished | Died | Raised


class Engine(Protocol):
    """Runs workers, which it calls by numbers."""

    workers: int

    def start(self, worker: int) -> None:
        """Starts a worker, or another in place of one that died."""
        ...

    def send(self, worker: int, shard: int) -> None:
        """Gives a worker that is ready a shard to do."""
        ...

    def wait(self, seconds: float) -> list[tuple[int, Event]]:
        """What happened; returns after `seconds` if nothing does."""
        ...

    def stop(self) -> None:
        """Ends all workers."""
        ...


class EngineError(Error):
    """Workers that do not work."""


def drive(
    engine: Engine,
    shards: Iterable[int],
    watch: Callable[[Done | None], None],
    *,
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """Has all shards done.

    Args:
        engine: runs the workers.
        shards: numbers.
        watch: is told of every shard that is done, and with None that time passes.
        enough: whether there are too many errors to go on.

    Raises:
        EngineError: if workers die before they are ready, three in a row.
        Exception: what a worker raised.
    """
    waiting = collections.deque(shards)
    busy: dict[int, int] = {}
    stillborn = 0
    try:
        for worker in range(min(engine.workers, len(waiting))):
            engine.start(worker)
        while (waiting or busy) and not enough():
            events = engine.wait(1.0)
            for worker, event in events:
                if isinstance(event, Raised):
                    raise event.error
                if isinstance(event, Died):
                    number = busy.pop(worker, None)
                    if number is not None:
                        waiting.appendleft(number)
                    stillborn += number is None
                    if stillborn >= _STILLBORN:
                        raise EngineError(f"workers die as they start ({event.text})")
                    engine.start(worker)
                    continue
                stillborn = 0
                if isinstance(event, Finished):
                    busy.pop(worker, None)
                    watch(event.done)
                if waiting and not enough():
                    busy[worker] = waiting.popleft()
                    engine.send(worker, busy[worker])
            watch(None)
    finally:
        engine.stop()
