"""Processes of one run on one machine, as on the hosts of a pod: CPU devices, gloo."""

import os
import socket
import subprocess
import sys

from tests.conftest import host_devices

PROGRAM = """
import hashlib, sys
import jax, numpy as np
from train import __main__ as command, loop

run = loop.run
def watched(*args, **kwargs):
    state = run(*args, **kwargs)
    leaves = [np.asarray(a.addressable_data(0)) for a in jax.tree.leaves(state)]
    total = hashlib.sha256(b"".join(a.tobytes() for a in leaves))
    print("digest", int(state.step), total.hexdigest(), flush=True)
    np.savez(sys.argv[1], *leaves)
    return state
loop.run = watched
sys.exit(command.main(sys.argv[2:]))
"""


def free_port():
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(config, workdir, photos, *settings, environment=None, more=(), out="state.npz"):
    """One process of `python -m train`, which also says the digest of its last state.

    Its state goes to `out`, its words to its stdout. Compiled programs are kept beside the
    workdir: what is compiled is the same, kills or not.
    """
    command = [sys.executable, "-c", PROGRAM, str(out), config, "--data", str(photos)]
    command += ["--workdir", str(workdir), *more, "--set", *settings]
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(workdir.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.Popen(
        command,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **cache, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_hosts(count, config, workdir, photos, *settings, more=()):
    """`count` processes of one run; their states go to `host<i>.npz` beside the workdir."""
    cluster = {
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}",
        "JAX_NUM_PROCESSES": str(count),
        "XLA_FLAGS": host_devices(1),
    }
    return [
        start(
            config,
            workdir,
            photos,
            *settings,
            environment={**cluster, "JAX_PROCESS_ID": str(i)},
            more=["--distributed", *more],
            out=workdir.parent / f"host{i}.npz",
        )
        for i in range(count)
    ]


def finish(processes, timeout=600, code=0):
    """Waits for all; their outputs. Raises AssertionError if one ends with another code."""
    try:
        outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [p.returncode for p in processes] == [code] * len(processes), "\n".join(outputs)
    return outputs


def digests(outputs):
    """The lines about the last state, one a process."""
    return [
        next(line for line in output.splitlines() if line.startswith("digest"))
        for output in outputs
    ]
