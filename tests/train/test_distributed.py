"""Two processes, as on two hosts of a TPU pod, train one model: that of one process."""

import json
import os
import socket
import subprocess
import sys

import numpy as np

SETTINGS = ["steps=4", "log_every=2", "eval_every=4", "save_minutes=0.0"]
PROGRAM = """
import hashlib, sys
import jax, numpy as np
from train import __main__ as command, loop

run = loop.run
def watched(*args, **kwargs):
    state = run(*args, **kwargs)
    leaves = [np.asarray(a.addressable_data(0)) for a in jax.tree.leaves(state.params)]
    print("digest", hashlib.sha256(b"".join(a.tobytes() for a in leaves)).hexdigest())
    np.savez(sys.argv[1], *leaves)
    return state
loop.run = watched
sys.exit(command.main(sys.argv[2:]))
"""


def _start(workdir, photos, out, environment, *more):
    command = [sys.executable, "-c", PROGRAM, str(out), "configs/smoke.py"]
    command += ["--data", str(photos), "--workdir", str(workdir), *more, "--set", *SETTINGS]
    return subprocess.Popen(
        command,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _digest(output):
    return [line for line in output.splitlines() if line.startswith("digest")]


def test_two_processes_train_the_model_of_one(tmp_path, photos):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cluster = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": "2"}
    hosts = [
        _start(
            tmp_path / "run",
            photos,
            tmp_path / f"host{i}.npz",
            {**cluster, "JAX_PROCESS_ID": str(i)},
            "--distributed",
        )
        for i in range(2)
    ]
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    alone = _start(tmp_path / "alone", photos, tmp_path / "alone.npz", flags)
    outputs = [process.communicate(timeout=300)[0] for process in (*hosts, alone)]
    assert [p.returncode for p in (*hosts, alone)] == [0, 0, 0], "\n".join(outputs)

    assert _digest(outputs[0]) and _digest(outputs[0]) == _digest(outputs[1])
    arrays = [np.load(tmp_path / name) for name in ("host0.npz", "alone.npz")]
    for name in arrays[0].files:
        np.testing.assert_allclose(arrays[0][name], arrays[1][name], rtol=1e-4, atol=1e-5)

    log = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in log]
    assert [r["step"] for r in records if r["kind"] == "train"] == [2, 4]
    assert [r["step"] for r in records if r["kind"] == "checkpoint"] == [2, 4]
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["devices"] == 2
