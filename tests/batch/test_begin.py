"""Beginning a job, and going on with it."""

import threading

import pytest

from jaxlic.batch import begin, shard
from jaxlic.batch import job as jobs
from jaxlic.errors import UsageError
from tests.batch.conftest import ARGUMENTS, counting


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    monkeypatch.setattr(begin, "task", lambda command, arguments, builders: counting())


def _begin(store, photos, **changes):
    return begin.begin(store, "compress", ARGUMENTS | {"input": photos} | changes, size=2)


def test_the_same_command_goes_on_and_another_is_refused(store, photos):
    job = _begin(store, photos)
    assert job.images == 5 and _begin(store, photos) == job
    with pytest.raises(UsageError, match="qualities"):
        _begin(store, photos, qualities=[50.0])


def test_a_plan_that_was_not_finished_is_made_anew(store, photos):
    store.write("plan/00000.parquet", b"half of it")
    job = _begin(store, photos)
    assert len(shard.planned(store, 0)) == 2 and jobs.existing(store) == job


def test_what_is_done_is_counted_and_what_is_left_is_told(store, photos):
    job = _begin(store, photos)
    assert job.shards == 3
    everything = range(job.shards)
    assert begin.so_far(store, job, everything) == ([0, 1, 2], shard.Done())
    for number in (0, 2):
        shard.do(store, counting(), number)
    left, done = begin.so_far(store, job, everything)
    assert left == [1] and done.images == 3 and done.failed == 1
    assert begin.so_far(store, job, [1]) == ([1], shard.Done())
    numbers, rest = begin.with_failures(store, job)
    assert numbers == [2] and rest.images == 2


def test_others_wait_for_the_plan(store, photos, monkeypatch):
    monkeypatch.setattr(begin, "_POLL", 0.01)
    told = threading.Event()
    waiting = threading.Thread(target=begin.awaited, args=(store, told.set))
    waiting.start()
    assert told.wait(10)
    job = _begin(store, photos)
    waiting.join(10)
    assert not waiting.is_alive() and jobs.existing(store) == job
    begin.awaited(store, lambda: pytest.fail("it is there"))
