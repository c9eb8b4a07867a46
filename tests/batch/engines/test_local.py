"""Processes of this machine, real ones."""

import functools
import os
import signal
import sys

import pytest

from jaxlic.batch.drive import EngineError, drive
from jaxlic.batch.engines import local
from jaxlic.batch.engines.local import Local, placements, portable
from jaxlic.batch.shard import Done
from jaxlic.errors import UsageError


def _prepare(setting, *, threads):
    """Stands for the worker's: a shard whose file is there kills its process."""
    if setting == "stillborn":
        os._exit(7)
    if setting == "refuses":
        raise UsageError("no such job")

    def do(number):
        mark = os.path.join(setting, str(number))
        if os.path.exists(mark):
            os.remove(mark)
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 99:
            raise KeyError("a bug")
        return Done(images=1, failed=os.getpid())

    return do


def _local(setting, workers):
    return Local(functools.partial(_prepare, setting), workers)


def test_workers_that_are_killed_are_replaced(tmp_path):
    for number in (0, 3):
        (tmp_path / str(number)).touch()
    totals, workers = Done(), set()

    def watch(done):
        if done is not None:
            totals.images += done.images
            workers.add(done.failed)

    drive(_local(str(tmp_path), 2), range(6), watch)
    assert totals.images == 6 and len(workers) >= 2 and os.getpid() not in workers


def test_errors_come_from_processes_as_they_are(tmp_path):
    with pytest.raises(UsageError, match="no such job"):
        drive(_local("refuses", 1), range(6), lambda done: None)
    with pytest.raises(RuntimeError, match="KeyError: 'a bug'"):
        drive(_local(str(tmp_path), 1), [99], lambda done: None)
    with pytest.raises(EngineError, match="exit code 7"):
        drive(_local("stillborn", 1), [1], lambda done: None)
    assert isinstance(portable(UsageError("x")), UsageError)


def test_one_worker_a_gpu_or_a_core(monkeypatch):
    monkeypatch.delenv("NPROC", raising=False)
    monkeypatch.setattr(local, "_gpus", list)
    monkeypatch.setattr(local, "_tpus", lambda: False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    if sys.platform == "linux":
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8))
    assert placements() == [local.Placement({"NPROC": "1"}, 1)] * 8
    assert placements(2) == [local.Placement({"NPROC": "4"}, 4)] * 2
    monkeypatch.setattr(local, "_gpus", lambda: ["2", "3"])
    found = placements()
    assert [p.environment for p in found] == [{"CUDA_VISIBLE_DEVICES": n} for n in "23"]
    assert [p.cores for p in found] == [4, 4]
    shared = placements(4)
    assert shared[2].environment["CUDA_VISIBLE_DEVICES"] == "2"
    assert shared[0].environment["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    monkeypatch.setattr(local, "_gpus", list)
    monkeypatch.setattr(local, "_tpus", lambda: True)
    assert placements() == [local.Placement({}, 8)]


def test_gpus_are_those_that_the_process_may_see(monkeypatch):
    monkeypatch.setattr(local.importlib.util, "find_spec", lambda name: name)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-5")
    assert local._gpus() == ["4", "GPU-5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert local._gpus() == []
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    assert local._gpus() == []
