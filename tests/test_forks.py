"""A model loaded before a fork is refused in the child; spawned workers and threads work."""

import concurrent.futures
import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest

import jaxlic
from jaxlic import models
from tests.conftest import TINY, kodim


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "m"
    models.save_model(folder, tiny[1], TINY, {"id": "m", "number": 0})
    return str(folder)


_FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import jaxlic
image = np.zeros((16, 16, 3), np.uint8)
codec, rescaler = jaxlic.load("base"), jaxlic.load("sain-x2")
if os.fork() == 0:
    calls = [
        lambda: codec.compress(image),
        lambda: codec.decode(b""),
        lambda: codec.latents(b""),
        lambda: rescaler.downscale(image),
        lambda: rescaler.upscale(image),
        lambda: jaxlic.load("base"),
        lambda: jaxlic.load("dkic"),
    ]
    for call in calls:
        try:
            call()
        except jaxlic.Error as error:
            print(error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_every_call_says_so_in_a_line():
    done = subprocess.run(
        [sys.executable, "-c", _FORK], capture_output=True, text=True, timeout=120
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 7 and all("spawn" in line for line in lines), done


def _compressed(folder: str, name: str) -> bytes:
    return jaxlic.load(folder).compress(kodim(name)[:48, :64], 60)


def test_spawned_workers_and_threads_write_the_same_bytes(folder):
    names = ["kodim05_crop", "kodim23_crop"]
    expected = [_compressed(folder, name) for name in names]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(_compressed, [folder] * 8, names * 4))
    assert found == expected * 4
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn) as pool:
        assert list(pool.map(_compressed, [folder] * 2, names)) == expected
    codec = jaxlic.load(folder)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        images = list(pool.map(codec.decompress, expected * 4))
    for image, first in zip(images, images[:2] * 4, strict=True):
        np.testing.assert_array_equal(image, first)
