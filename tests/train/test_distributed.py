"""Two processes, as on two hosts of a TPU pod, train one model."""

import json
import os
import socket
import subprocess
import sys


def test_two_processes_train_one_model(tmp_path, photos):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "train", "configs/smoke.py", "--data", str(photos)]
    command += ["--workdir", str(tmp_path / "run"), "--distributed", "--set"]
    command += ["steps=4", "log_every=2", "eval_every=4", "save_minutes=0.0"]
    processes = [
        subprocess.Popen(
            command,
            env={
                **os.environ,
                "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": str(i),
                "JAX_PLATFORMS": "cpu",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    log = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in log]
    assert [r["step"] for r in records if r["kind"] == "train"] == [2, 4]
    assert [r["step"] for r in records if r["kind"] == "checkpoint"] == [2, 4]
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["devices"] == 2
