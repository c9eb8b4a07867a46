"""A shard: outputs first, the report last; killed at any moment, begun again."""

import pytest

from jaxlic.batch import job as jobs
from jaxlic.batch import shard
from jaxlic.batch.pieces import DEATHS
from jaxlic.batch.plan import plan, sources
from jaxlic.batch.store import Store
from tests.batch.conftest import counting


class Killed(BaseException):
    """Stands for the end of a process: nobody cleans up after it."""


def _job(store, photos, task):
    job = jobs.new("compress", {"input": photos, "qualities": list(task.qualities)}, task)
    job = plan(store, job, task, sources(store, photos), size=8)
    jobs.save(store, job)
    return job


def _killing(task, monkeypatch, *, width):
    """The task whose process dies at images that are so wide."""
    monkeypatch.setattr(shard, "_marked", _unprotected)

    def run(pictures):
        if any(picture.rgb.shape[1] == width for picture in pictures):
            raise Killed
        return task.run(pictures)

    return task._replace(run=run)


class _unprotected:
    """As `_marked`, in a process that is gone before it can take the mark back."""

    def __init__(self, store, marker, text):
        store.write(marker, text.encode())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


def _all(store, job):
    return [row for number in range(job.shards) for row in shard.report(store, number)]


def test_a_shard_is_done_once_and_then_left_alone(store, photos):
    task = counting()
    job = _job(store, photos, task)
    assert job.shards == 1 and shard.finished(store) == set()
    done = shard.do(store, task, 0)
    assert done == shard.Done(5, 1, sum(r.bytes for r in _all(store, job)), 16)
    assert shard.finished(store) == {0} and store.names("attempt/00000") == []
    assert sorted(store.names("out")) == [f"{i}.png.bin" for i in range(4)]
    before = _all(store, job)
    store.write("attempt/00000/0-0-5-ab", b"left behind by one that died after its report")
    assert shard.do(store, task, 0) == done and _all(store, job) == before
    assert store.names("attempt/00000") == []
    assert list(shard.each(store, [0])) == [before]


@pytest.mark.parametrize("moment", ["out/", "report/", "attempt/"])
def test_killed_between_any_two_steps_it_is_begun_again(store, photos, monkeypatch, moment):
    task = counting()
    job = _job(store, photos, task)
    whole, mortal = Store.write, [True]

    def write(self, name, data):
        if name.startswith(moment) and mortal[0]:
            raise Killed
        whole(self, name, data)

    monkeypatch.setattr(shard, "_marked", _unprotected)
    monkeypatch.setattr(Store, "write", write)
    for _ in range(2):
        with pytest.raises(Killed):
            shard.do(store, task, 0)
        assert shard.finished(store) == set()
    mortal[0] = False
    shard.do(store, task, 0)
    rows = _all(store, job)
    assert len({row.source for row in rows}) == len(rows) == 5
    begun = 1 if moment == "attempt/" else 3  # Killed before the mark, nobody knows of it.
    assert {row.attempt for row in rows} == {begun}


def test_what_kills_its_worker_is_found_and_the_others_are_done(store, photos, monkeypatch):
    task = counting()
    job = _job(store, photos, task)
    killing = _killing(task, monkeypatch, width=90)
    deaths = 0
    while not shard.finished(store):
        try:
            shard.do(store, killing, 0)
        except Killed:
            deaths += 1
    rows = {row.source[-7:]: row for row in _all(store, job)}
    assert len(rows) == 5 and deaths <= DEATHS + 2 * (3 + DEATHS)
    assert {name for name, row in rows.items() if row.error_type == "WorkerDied"} == {
        "s/1.png",
        "s/3.png",
    }
    assert rows["s/1.png"].error.endswith("1.png: 3 workers died while they did it")
    assert sorted(store.names("out")) == ["0.png.bin", "2.png.bin"]


def test_leaving_by_an_exception_is_no_death(store, photos):
    task = counting()
    job = _job(store, photos, task)

    def stop(pictures):
        raise SystemExit(143)

    for _ in range(5):
        with pytest.raises(SystemExit):
            shard.do(store, task._replace(run=stop), 0)
        assert store.names("attempt/00000") == []
    shard.do(store, task, 0)
    assert {row.attempt for row in _all(store, job)} == {1}


def test_a_retry_does_what_failed_and_nothing_else(store, photos, monkeypatch):
    task = counting()
    job = _job(store, photos, task)
    shard.do(store, task, 0)
    before = _all(store, job)
    fixed = Store(photos)
    fixed.write("bad.png", fixed.read(fixed.at("0.png")))
    assert shard.again(store, task, 0).failed == 0
    after = _all(store, job)
    assert [row.attempt for row in after] == [1 + (row.error is not None) for row in before]
    assert [row for row in after if row.attempt == 1] == [r for r in before if r.error is None]
    assert "bad.png.bin" in store.names("out")
    assert shard.again(store, task, 0).failed == 0 and _all(store, job) == after


def test_a_retry_that_kills_its_worker_ends_too(store, photos, monkeypatch):
    task = counting()
    job = _job(store, photos, task)
    shard.do(store, task, 0)
    fixed = Store(photos)
    fixed.write("bad.png", fixed.read(fixed.at("1.png")))
    killing = _killing(task, monkeypatch, width=90)
    for _ in range(DEATHS):
        with pytest.raises(Killed):
            shard.again(store, killing, 0)
    assert shard.again(store, killing, 0).failed == 1
    (row,) = [row for row in _all(store, job) if row.error]
    assert row.error_type == "WorkerDied" and row.attempt == 2 + DEATHS
