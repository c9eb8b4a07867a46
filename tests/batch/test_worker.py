"""What a worker does before its first shard."""

import pytest

from jaxlic.batch import job as jobs
from jaxlic.batch import shard, worker
from jaxlic.batch.plan import plan, sources
from jaxlic.batch.worker import Setting, none, prepare
from jaxlic.errors import UsageError
from tests.batch.conftest import ARGUMENTS, counting


@pytest.fixture
def warmed(monkeypatch):
    """What was compiled."""
    kinds = []
    task = counting()._replace(warm=kinds.extend)
    monkeypatch.setattr(worker, "task", lambda command, arguments, builders, threads: task)
    monkeypatch.setattr(worker, "keep_compiled", lambda: None)
    return kinds


def _job(store, photos):
    task = counting()
    job = jobs.new("compress", ARGUMENTS | {"input": photos}, task)
    job = plan(store, job, task, sources(store, photos), size=8)
    jobs.save(store, job)
    return job


def test_all_is_compiled_before_the_first_shard(store, photos, warmed):
    job = _job(store, photos)
    work = prepare(Setting(store))
    assert warmed == job.kinds and len(warmed) == 2
    assert work(0).images == 5 and len(warmed) == 2
    assert prepare(Setting(store, again=True))(0).failed == 1
    assert none() == ()


def test_of_very_many_kinds_a_shards_are_compiled_before_it(store, photos, warmed, monkeypatch):
    monkeypatch.setattr(worker, "MANY", 1)
    job = _job(store, photos)
    work = prepare(Setting(store))
    assert warmed == job.kinds[:1]
    assert work(0).images == 5 and warmed[1:] == job.kinds


def test_another_model_than_the_jobs_is_refused(store, photos, warmed):
    jobs.save(store, _job(store, photos)._replace(stream="ff"))
    with pytest.raises(UsageError, match="begun with stream ff"):
        prepare(Setting(store))
    older = _job(store, photos)._replace(versions={"jaxlic": "0"})
    jobs.save(store, older)
    with pytest.raises(UsageError, match="--other-versions"):
        prepare(Setting(store))
    prepare(Setting(store, other_versions=True))
    assert shard.finished(store) == set()
