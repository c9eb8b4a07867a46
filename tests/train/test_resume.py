"""A run killed with SIGKILL and started again ends where an uninterrupted one does."""

import json
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import orbax.checkpoint as ocp

from tests.conftest import host_devices
from train.experiment import load_experiment
from train.step import init_state

SETTINGS = ["steps=24", "save_minutes=0.0005", "log_every=4", "eval_every=0"]


def _command(workdir, photos, *extra, config="configs/smoke.py"):
    command = [sys.executable, "-m", "train", config, "--data", str(photos)]
    return [*command, "--workdir", str(workdir), "--set", *SETTINGS, *extra]


def _environment(devices=1):
    return {**os.environ, "XLA_FLAGS": host_devices(devices)}


def _final(workdir):
    settings = json.loads((workdir / "settings.json").read_text())
    e = load_experiment(workdir / "config.py", settings)
    state = jax.jit(lambda: init_state(e))()
    with ocp.CheckpointManager((workdir / "checkpoints").absolute()) as manager:
        assert manager.latest_step() == e.steps
        args = ocp.args.Composite(state=ocp.args.StandardRestore(state))
        return manager.restore(e.steps, args=args).state


def _logged_step(workdir):
    log = workdir / "metrics.jsonl"
    records = (
        [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    )
    return max((r["step"] for r in records if r["kind"] == "checkpoint"), default=0)


def test_killed_and_resumed_equals_uninterrupted(tmp_path, photos):
    command, extra = _command, ("accumulate=2",)
    done = subprocess.run(
        command(tmp_path / "whole", photos, *extra),
        env=_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr

    process = subprocess.Popen(
        command(tmp_path / "cut", photos, *extra),
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while _logged_step(tmp_path / "cut") < 4 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, "the run ended before it could be killed"

    done = subprocess.run(
        command(tmp_path / "cut", photos, *extra),
        env=_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "resuming at step" in done.stderr
    whole, cut = _final(tmp_path / "whole"), _final(tmp_path / "cut")
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(cut), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sigterm_saves_and_two_devices_share_the_batch(tmp_path, photos):
    with open(tmp_path / "told", "w") as err:
        process = subprocess.Popen(
            _command(
                *(tmp_path / "run", photos, "steps=10000000", "save_minutes=60.0"),
                config="tests/train/toy.py",
            ),
            env=_environment(devices=2),
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    log = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 240
    # The first line but "start" is of step 4.
    while not (log.exists() and log.read_text().count("\n") > 1) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0
    told = (tmp_path / "told").read_text()
    assert "stopping after the step under way" in told and "stopped at step" in told
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["devices"] == 2
    steps = [int(p.name) for p in (tmp_path / "run" / "checkpoints").iterdir()]
    assert max(steps) >= 4
