"""Handing out shards, whatever runs the workers."""

import random

import pytest

from jaxlic.batch.drive import Died, EngineError, Finished, Raised, Ready, drive
from jaxlic.batch.shard import Done


class Scripted:
    """Workers that die as a function of the shard says."""

    def __init__(self, workers, fate, stillborn=0):
        self.workers, self._fate, self._stillborn = workers, fate, stillborn
        self._events, self.started, self.stopped = [], 0, False

    def start(self, worker):
        self.started += 1
        dead = self.started <= self._stillborn
        self._events.append((worker, Died("signal SIGKILL") if dead else Ready()))

    def send(self, worker, shard):
        self._events.append((worker, self._fate(shard)))

    def wait(self, seconds):
        random.Random(len(self._events)).shuffle(self._events)
        event, self._events = self._events[:1], self._events[1:]
        return event

    def stop(self):
        self.stopped = True


def _count(totals, seen):
    def watch(done):
        if done is not None:
            seen.append(done.images)
            totals.add(done)

    return watch


@pytest.mark.parametrize("workers", [1, 3, 20])
def test_all_shards_are_done_though_workers_die(workers):
    deaths = {}

    def fate(shard):
        deaths[shard] = deaths.get(shard, 0) + 1
        if shard % 3 == 0 and deaths[shard] < 3:
            return Died("signal SIGSEGV")
        return Finished(Done(images=10**shard))

    engine, totals, seen = Scripted(workers, fate), Done(), []
    drive(engine, range(8), _count(totals, seen))
    assert totals.images == 11_111_111 and len(seen) == 8
    assert engine.stopped and engine.started == min(workers, 8) + 6


def test_workers_that_die_as_they_start_are_not_started_for_ever():
    engine = Scripted(2, lambda shard: Finished(Done()), stillborn=100)
    with pytest.raises(EngineError, match=r"die as they start \(signal SIGKILL\)"):
        drive(engine, range(8), lambda done: None)
    assert engine.started <= 5 and engine.stopped
    drive(Scripted(2, lambda shard: Finished(Done()), stillborn=2), range(8), lambda done: None)


def test_what_a_worker_raises_ends_the_job():
    engine = Scripted(2, lambda shard: Raised(KeyError("a bug")))
    with pytest.raises(KeyError):
        drive(engine, range(8), lambda done: None)
    assert engine.stopped


def test_too_many_errors_end_the_job():
    totals, seen = Done(), []
    engine = Scripted(2, lambda shard: Finished(Done(images=1, failed=1)))
    drive(engine, range(100), _count(totals, seen), enough=lambda: totals.failed > 5)
    assert totals.failed == 6 and engine.stopped


def test_nothing_to_do_is_done():
    engine = Scripted(2, lambda shard: Finished(Done()))
    drive(engine, [], lambda done: None)
    assert engine.started == 0 and engine.stopped
