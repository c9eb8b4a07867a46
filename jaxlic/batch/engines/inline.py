"""No engine: shards are done in this process, one after the other.

For what starts many processes itself, as SLURM arrays and Kubernetes jobs do: each has a
share of the shards, and shares nothing else with the others.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxlic.batch.drive import Event, Finished, Raised, Ready
from jaxlic.batch.shard import Done


class Inline:
    """One worker, which is this process.

    Args:
        prepare: makes the function that does a shard.
    """

    workers = 1

    def __init__(self, prepare: Callable[[], Callable[[int], Done]]):
        self._prepare, self._work, self._events = prepare, None, []

    def start(self, worker: int) -> None:
        """Loads and compiles."""
        self._work = self._prepare()
        self._events.append((worker, Ready()))

    def send(self, worker: int, shard: int) -> None:
        """Does the shard."""
        assert self._work is not None
        try:
            self._events.append((worker, Finished(self._work(shard))))
        except Exception as error:
            self._events.append((worker, Raised(error)))

    def wait(self, seconds: float) -> list[tuple[int, Event]]:
        """What happened; does not wait."""
        events, self._events = self._events, []
        return events

    def stop(self) -> None:
        """Nothing is running."""
