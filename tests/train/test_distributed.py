"""Several processes, as on the hosts of a pod, train one model: that of one process."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.conftest import host_devices
from tests.train.cluster import digests, finish, free_port, start, start_hosts

TOY = "tests/train/toy.py"


def _records(workdir):
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _wait_for(condition, processes, seconds=600):
    deadline = time.monotonic() + seconds
    while not condition():
        assert all(p.poll() is None for p in processes), "\n".join(
            p.communicate()[0] for p in processes if p.poll() is not None
        )
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _saved(workdir):
    return max((r["step"] for r in _records(workdir) if r["kind"] == "checkpoint"), default=0)


def _alone(devices, *args):
    flags, out = host_devices(devices), args[1].parent / "alone.npz"
    return start(*args, environment={"XLA_FLAGS": flags}, out=out)


@pytest.mark.parametrize("count", [2, 4])
def test_processes_train_and_evaluate_the_model_of_one(tmp_path, photos, count):
    settings = ["steps=6", "log_every=2", "eval_every=6", "save_minutes=0.0", "accumulate=2"]
    hosts = start_hosts(count, TOY, tmp_path / "run", photos, *settings)
    alone = _alone(1, TOY, tmp_path / "alone", photos, *settings)
    outputs = finish([*hosts, alone])
    found = digests(outputs)
    assert len(set(found[:count])) == 1
    arrays = [np.load(tmp_path / name) for name in ("host0.npz", "alone.npz")]
    for name in arrays[0].files:
        np.testing.assert_allclose(arrays[0][name], arrays[1][name], rtol=1e-4, atol=1e-5)

    logs = [_records(tmp_path / name) for name in ("run", "alone")]
    for kind, steps in (("train", [2, 4, 6]), ("checkpoint", [2, 4, 6]), ("eval", [6])):
        assert [r["step"] for r in logs[0] if r["kind"] == kind] == steps
    evaluations = [next(r for r in log if r["kind"] == "eval") for log in logs]
    for name in ("bpp_20", "psnr_20", "bpp_80", "psnr_80"):
        assert evaluations[0][name] == pytest.approx(evaluations[1][name], rel=1e-4)
    provenance = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert provenance["devices"] == count


def test_whichever_host_is_killed_the_resumed_run_ends_the_same(tmp_path, photos):
    settings = ["steps=200", "log_every=4", "save_minutes=0.0", "accumulate=2"]
    (whole,) = set(digests(finish(start_hosts(2, TOY, tmp_path / "whole", photos, *settings))))
    run, before = tmp_path / "cut", 0
    for victim in (1, 0):
        hosts = start_hosts(2, TOY, run, photos, *settings)
        _wait_for(lambda before=before: _saved(run) > before, hosts)
        hosts[victim].kill()
        assert hosts[victim].wait() == -signal.SIGKILL
        # The other waits, until JAX misses the heartbeat; a scheduler would end it too.
        hosts[1 - victim].kill()
        for process in hosts:
            process.communicate()
        before = _saved(run)
        assert before < 200
    again = finish(start_hosts(2, TOY, run, photos, *settings))
    assert "resuming at step" in again[0]
    assert set(digests(again)) == {whole}


def test_sigterm_of_a_host_that_does_not_lead_stops_all_at_one_step(tmp_path, photos):
    """Long before the next line, at which hosts would ask each other anyway."""
    settings = ["steps=10000000", "log_every=10000000", "save_minutes=60.0"]
    hosts = start_hosts(2, TOY, tmp_path / "run", photos, *settings, more=["--stopped", "75"])
    _wait_for((tmp_path / "run" / "checkpoints").exists, hosts)
    hosts[1].send_signal(signal.SIGTERM)
    first, second = digests(finish(hosts, code=75))
    assert first == second
    assert _saved(tmp_path / "run") == int(first.split()[1]) > 0


_READING = """
import os
import jax, numpy as np
from jaxlic.errors import Error, ModelError
from train.hosts import everywhere, from_first

jax.distributed.initialize(
    num_processes=2, process_id=int(os.environ["JAX_PROCESS_ID"]), initialization_timeout=120
)

def read():
    assert jax.process_index() == 0
    return {"params": {"a": np.arange(5.0, dtype="f4"), "b": {"c": np.ones((2, 3), "f4")}}}

def fail():
    raise ModelError("no such weights")

found = from_first(read)
assert found["params"]["b"]["c"].shape == (2, 3) and found["params"]["a"].sum() == 10
try:
    from_first(fail)
except Error as error:
    print(type(error).__name__, error)
assert everywhere(True) and not everywhere(jax.process_index() == 0)
"""


def test_weights_to_start_from_are_read_by_the_first_process_alone():
    shared = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}",
    }
    hosts = [
        subprocess.Popen(
            [sys.executable, "-c", _READING],
            env={**shared, "JAX_PROCESS_ID": str(i)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]
    first, second = finish(hosts)
    assert "ModelError no such weights" in first
    assert "ConfigError the first process cannot read the weights" in second
