"""Jobs against a real S3 server, while workers, drivers, and the server are killed.

pytest -m s3 tests/batch/test_s3.py
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import jaxlic
from jaxlic.batch import shard
from jaxlic.batch.store import Store
from jaxlic.files import images
from tests.batch.seaweed import BUCKET, serving
from tests.conftest import kodim

pytestmark = pytest.mark.s3
ROOT = pathlib.Path(__file__).parent.parent.parent
COUNT, SIZE = 16, 2


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with (
        serving(tmp_path_factory.mktemp("weed")) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield server


@pytest.fixture(scope="module")
def photos(server, tmp_path_factory):
    """Images in the bucket, and what the library makes of each."""
    store = Store(f"s3://{BUCKET}/photos")
    codec, folder = jaxlic.load("base"), tmp_path_factory.mktemp("photos")
    expected = {}
    photo = np.tile(kodim("kodim05_crop"), (3, 3, 1))
    for i in range(COUNT):
        height, width = [(384, 512), (512, 384), (250, 250)][i % 3]
        path = folder / f"{i:02}.png"
        Image.fromarray(np.roll(photo, 7 * i, axis=0)[:height, :width]).save(path)
        store.write(path.name, path.read_bytes())
        expected[f"out/{path.name}.jlic"] = codec.compress(images.read(path), 40)
    return store, expected


def _start(name, photos, *more):
    command = [
        sys.executable,
        "-m",
        "jaxlic",
        "batch",
        "compress",
        photos[0].root,
        "--model",
        "base",
    ]
    command += ["-o", f"s3://{BUCKET}/{name}", "--shard-size", str(SIZE), "--retry-for", "60"]
    command += ["--workers", "2"] if "--shards" not in more else []
    return subprocess.Popen(
        [*command, *more], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _end(process, code=0):
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, err
    return out + err


def _rows(name):
    store = Store(f"s3://{BUCKET}/{name}")
    return [row for rows in shard.each(store, sorted(shard.finished(store))) for row in rows]


def _check(name, photos, *, failed=(), redone=0):
    """Distinct rows, complete measurements, little done twice, the library's own bytes."""
    store, rows = Store(f"s3://{BUCKET}/{name}"), _rows(name)
    assert sorted(row.source for row in rows) == [e.url for e in photos[0].find(photos[0].root)]
    assert {row.source.rsplit("/", 1)[-1] for row in rows if row.error} == set(failed)
    good = [row for row in rows if row.error is None]
    for row in good:
        data = store.read(store.at(row.output))
        assert data == photos[1][row.output] and len(data) == row.output_bytes
        assert row.bpp == 8 * len(data) / (row.width * row.height)
        assert min(row.read_seconds, row.code_seconds, row.write_seconds) > 0
        assert row.etag and row.bytes and row.worker and row.model == "base"
    assert sum(row.attempt - 1 for row in rows) <= redone
    assert store.names("attempt") == [] or not any(
        store.names(f"attempt/{folder}") for folder in store.names("attempt")
    )


def _victim(name, process):
    """The process that is at a shard just now, as its mark says."""
    store = Store(f"s3://{BUCKET}/{name}")
    while process.poll() is None:
        for folder in store.names("attempt"):
            for mark in store.names(f"attempt/{folder}"):
                with contextlib.suppress(Exception):
                    return int(store.read(store.at(f"attempt/{folder}/{mark}")).split(b"/")[-1])
    raise AssertionError(process.communicate())


def test_a_worker_is_killed_and_an_object_is_damaged(server, photos):
    store, _ = photos
    whole = store.read(store.at("03.png"))
    _end(_start("worker", photos, "--plan-only"))
    store.write("03.png", whole[:2000])
    process = _start("worker", photos)
    try:
        os.kill(_victim("worker", process), signal.SIGKILL)
        assert f"{COUNT} images done, 1 failed" in _end(process, code=2)
        _check("worker", photos, failed={"03.png"}, redone=SIZE)
        (row,) = [row for row in _rows("worker") if row.error]
        assert f"{store.root}/03.png: damaged image" in row.error
        assert row.notes == [] and row.bytes == 2000
    finally:
        store.write("03.png", whole)
    command = [sys.executable, "-m", "jaxlic", "batch", "retry", f"s3://{BUCKET}/worker"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _check("worker", photos, redone=SIZE + 1)


def test_the_driver_and_the_server_are_killed_and_the_job_goes_on(server, photos):
    process = _start("driver", photos)
    _victim("driver", process)
    process.kill()
    process.communicate()
    store = Store(f"s3://{BUCKET}/driver")
    first = {row.source: row for row in _rows("driver")}
    assert len(first) < COUNT
    process = _start("driver", photos)
    _victim("driver", process)
    server.kill()
    time.sleep(3)
    assert process.poll() is None
    server.start()
    assert f"{COUNT} images done, 0 failed" in _end(process)
    _check("driver", photos, redone=2 * SIZE + 2 * SIZE)
    again = {row.source: row for row in _rows("driver")}
    assert all(again[source] == row for source, row in first.items())
    assert "0 of them now" in _end(_start("driver", photos))
    refused = _end(_start("driver", photos, "-q", "41"), code=2)
    assert f"{store.root}/job.json: begun with qualities [40.0], not [41.0]" in refused


def test_actors_of_ray_are_killed(photos):
    pytest.importorskip("ray")
    process = _start("ray", photos, "--engine", "ray")
    os.kill(_victim("ray", process), signal.SIGKILL)
    assert f"{COUNT} images done, 0 failed" in _end(process)
    _check("ray", photos, redone=SIZE)


def test_shares_need_no_engine(photos):
    processes = [_start("shares", photos, "--shards", f"{k}/2") for k in (1, 2)]
    for process in processes:
        _end(process)
    _check("shares", photos)
    assert len({row.worker for row in _rows("shares")}) == 2
