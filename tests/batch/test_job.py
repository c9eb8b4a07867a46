"""What a folder says of its job, and what it refuses."""

import pytest

from jaxlic.batch import job as jobs
from jaxlic.errors import FileError, UsageError
from tests.batch.conftest import counting

JOB = jobs.new("compress", {"input": "photos", "qualities": [40.0]}, counting())


def test_jobs_come_back_as_they_were(store):
    assert jobs.load(store) is None
    with pytest.raises(UsageError, match=r"holds no job \(job.json"):
        jobs.existing(store)
    job = JOB._replace(shards=3, images=5, bytes=7, kinds=[((128, 256), (1152, 1152))])
    jobs.save(store, job)
    assert jobs.existing(store) == job
    jobs.check(store, job, JOB)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "kinds": 3}', b"\xff"]
)
def test_damaged_jobs_are_told_with_their_name(store, data):
    store.write(jobs.JOB, data)
    with pytest.raises(FileError, match=r"job/job.json: (damaged|written by another)"):
        jobs.load(store)


@pytest.mark.parametrize(
    "change",
    [
        {"command": "eval"},
        {"stream": "01"},
        {"pixels": "01"},
        {"arguments": JOB.arguments | {"qualities": [41.0]}},
        {"arguments": JOB.arguments | {"input": "others"}},
        {"versions": JOB.versions | {"pillow": "0"}},
    ],
)
def test_what_would_give_other_bytes_does_not_go_on(store, change):
    with pytest.raises(UsageError, match=r"job.json: begun with .* not .*another folder"):
        jobs.check(store, JOB._replace(**change), JOB)
    if "versions" in change:
        jobs.check(store, JOB._replace(**change), JOB, other_versions=True)
    else:
        with pytest.raises(UsageError):
            jobs.check(store, JOB._replace(**change), JOB, other_versions=True)
