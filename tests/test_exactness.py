"""The same file gives the same latents, whatever the compiler was told.

`tests/exactness.py` is the same experiment at any size; CI runs a small one, and reads the
golden files in a second environment with the oldest supported JAX.
"""

import os
import subprocess
import sys

import pytest

VARIANTS = {
    "plain": ("", []),
    "eager": ("", ["--eager"]),
    "one thread": ("--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", []),
    "older processor": ("--xla_cpu_max_isa=SSE4_2", []),
    "fast math": ("--xla_cpu_enable_fast_math=true", []),
    "no optimisation": ("--xla_backend_optimization_level=0", []),
}


def _run(what, folder, flags="", extra=()):
    done = subprocess.run(
        [sys.executable, "-m", "tests.exactness", what, str(folder), *extra],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    _run("write", folder, extra=["24"])
    return folder


def test_latents_do_not_depend_on_the_compiler(streams):
    digests = {
        name: _run("read", streams, flags, extra) for name, (flags, extra) in VARIANTS.items()
    }
    assert len(digests["plain"]) == 64
    assert set(digests.values()) == {digests["plain"]}, digests


def test_nor_do_they_with_contexts(tmp_path):
    """A few streams of the codec whose steps depend on each other."""
    model = ["--model", "dkic"]
    _run("write", tmp_path / "streams", extra=["5", *model])
    digests = {
        name: _run(
            "read", tmp_path / "streams", VARIANTS[name][0], [*model, *VARIANTS[name][1]]
        )
        for name in ("plain", "eager", "older processor")
    }
    assert len(digests["plain"]) == 64
    assert set(digests.values()) == {digests["plain"]}, digests


def test_predictions_do_not_depend_on_the_batch(streams):
    one = _run("models", streams, extra=["--batch", "1"])
    eight = _run("models", streams, extra=["--batch", "8"])
    older = _run("models", streams, "--xla_cpu_max_isa=SSE4_2", extra=["--batch", "8"])
    assert one == eight == older
