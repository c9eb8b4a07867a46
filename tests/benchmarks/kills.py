"""A run on two hosts, one of which is killed again and again, against an undisturbed one.

    python -m tests.benchmarks.kills [--config configs/smoke.py] [--kills 10] [--hosts 2]

Processes on this machine stand for hosts. Each time a host is drawn and killed with SIGKILL
once a new checkpoint is there, at a random moment of the second after that; the others are
then ended likewise, as a scheduler would, and the same command is started again. At the end
the state (parameters, optimiser, average) is compared with the undisturbed run's, to the bit.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random
import signal
import tempfile
import time

from tests.train.cluster import digests, finish, start_hosts
from tests.train.conftest import make_photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="tests/train/toy.py")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0, help="of who is killed, and when")
    args = parser.parse_args()
    drawn = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        photos = make_photos(folder / "photos")
        settings = [f"steps={args.steps}", "log_every=5", "eval_every=0", "save_minutes=0.0"]

        def begin(name):
            return start_hosts(args.hosts, args.config, folder / name, photos, *settings)

        whole = set(digests(finish(begin("whole"), timeout=3600)))
        print(f"undisturbed, {args.hosts} hosts: {', '.join(sorted(whole))}", flush=True)
        for k in range(args.kills):
            victim = drawn.randrange(args.hosts)
            _kill(begin("cut"), victim, folder / "cut", drawn.random())
            step = _saved(folder / "cut")
            print(f"kill {k + 1}: host {victim}, last checkpoint at step {step}", flush=True)
        cut = set(digests(finish(begin("cut"), timeout=3600)))
        print(f"killed {args.kills} times: {', '.join(sorted(cut))}")
        print("the same to the bit" if cut == whole and len(whole) == 1 else "DIFFERENT")


def _kill(hosts, victim, workdir, delay):
    """Kills a host after a new checkpoint and `delay` seconds, then the others."""
    before = _saved(workdir)
    while _saved(workdir) <= before:
        if any(process.poll() is not None for process in hosts):
            raise SystemExit("\n".join(process.communicate()[0] for process in hosts))
        time.sleep(0.01)
    time.sleep(delay)
    hosts[victim].kill()
    killed = hosts[victim].wait() == -signal.SIGKILL
    for process in hosts:
        process.kill()
        process.communicate()
    if not killed:
        raise SystemExit("the run ended before it could be killed: more --steps")


def _saved(workdir):
    """The step of the last checkpoint that the log speaks of."""
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    records = [json.loads(line) for line in lines if line.endswith("}\n")]
    return max((r["step"] for r in records if r["kind"] == "checkpoint"), default=0)


if __name__ == "__main__":
    main()
