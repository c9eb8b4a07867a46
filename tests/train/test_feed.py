import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from train import data, feed
from train.crops import crops
from train.pack import pack
from train.sources import images_at

SIZE, BATCH = 32, 4
BYTES = BATCH * SIZE * SIZE * 3


class Counting:
    """A source that knows how many of its images were read."""

    def __init__(self, source, slow=0.0):
        self.source, self.read, self.slow = source, 0, slow
        self.names, self.sizes, self.skipped = source.names, source.sizes, ()

    def __getitem__(self, i):
        self.read += 1
        time.sleep(self.slow)
        return self.source[i]


def _batches(source, first=0, **options):
    dataset = crops(source, range(12), size=SIZE, batch=BATCH, seed=0)
    options = {"names": source.names, "tell": pytest.fail, **options}
    return feed.batches(dataset, first, **options)


def _read(source, expected):
    """How many images were read some time after as many were as should be."""
    deadline = time.monotonic() + 120  # The machine may be busy.
    while source.read < expected and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    return source.read


@pytest.mark.parametrize("workers", [1, 4])
def test_no_more_is_made_ahead_than_memory_is_given(folder, monkeypatch, workers):
    monkeypatch.setattr(feed, "_MOST", 1000)
    source = Counting(data.pack(folder))
    batches = _batches(source, workers=workers, prefetch=1)
    ahead = 2**20 // BYTES
    assert ahead == 85
    for taken in (1, 2, 3):
        next(batches)
        # One more was made to see how large they are.
        expected = (1 + taken + ahead) * BATCH
        assert _read(source, expected) == expected
    batches.close()


def test_batches_larger_than_the_memory_come_one_by_one(folder):
    source = Counting(data.pack(folder))
    batches = _batches(source, prefetch=0)
    next(batches)
    assert _read(source, 3 * BATCH) == 3 * BATCH
    batches.close()
    assert feed._ahead(1 << 20, 256) == feed._MOST and feed._ahead(1 << 25, 256) == 8


def test_a_feed_that_is_closed_reads_no_more(folder):
    source = Counting(data.pack(folder), slow=0.01)
    batches = _batches(source, workers=1)
    next(batches)
    batches.close()
    assert _read(source, 0) < 10 * BATCH


def test_shards_go_on_at_any_batch(folder, tmp_path, format_):
    pack(folder, tmp_path / "shards", format_=format_, shards=3)
    batches = _batches(images_at(tmp_path / "shards"))
    whole = [next(batches)["image"] for _ in range(9)]
    batches.close()
    for first in (1, 5):
        batches = _batches(images_at(tmp_path / "shards"), first, workers=3)
        for k in range(first, 9):
            np.testing.assert_array_equal(next(batches)["image"], whole[k])
        batches.close()


def test_processes_make_the_same_batches_and_say_what_is_broken(folder, tmp_path):
    pack(folder, tmp_path / "shards", format_="webdataset", shards=2)
    source = images_at(tmp_path / "shards")
    shard, offset, size, _ = source.index.places[3]
    path = tmp_path / "shards" / source.index.shards[shard][0]
    content = bytearray(path.read_bytes())
    content[offset + size // 2] ^= 1
    path.write_bytes(content)
    told, there = [], []
    alone = _batches(source, tell=told.append)
    beside = _batches(source, tell=there.append, processes=2, workers=1)
    for _ in range(8):
        first, second = next(alone), next(beside)
        assert first.keys() == {"image"}
        np.testing.assert_array_equal(first["image"], second["image"])
    alone.close()
    beside.close()
    name = source.names[3]
    assert told == there == [f"{name}: is broken; the next image is used instead (1 by now)"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_processes_are_ended_by_the_run_alone(folder, number):
    batches = _batches(images_at(folder), processes=1, workers=1)
    next(batches)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, number)
    for _ in range(20):
        next(batches)
    batches.close()


def test_a_process_that_was_killed_is_one_line(folder):
    batches = _batches(images_at(folder), processes=1, workers=1)
    next(batches)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="process"):
        for _ in range(200):
            next(batches)


_ORPHAN = """
import multiprocessing, os, sys
from tests.train.test_feed import _batches, images_at
batches = _batches(images_at(sys.argv[1]), processes=1, workers=1)
next(batches)
print(multiprocessing.active_children()[0].pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_processes_do_not_outlive_a_run_that_was_killed(folder, tmp_path):
    script = tmp_path / "orphan.py"
    script.write_text(f"if __name__ == '__main__':{_ORPHAN}".replace("\n", "\n    "))
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, str(script), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    worker, deadline = int(done.stdout), time.monotonic() + 60
    while _alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # One that nobody has waited for is a zombie.
    return (
        "Z"
        not in subprocess.run(
            ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True
        ).stdout
    )
