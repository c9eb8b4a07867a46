"""The same file gives the same latents, whatever library, compiler or processor computes them.

`tests/exactness.py` is the same experiment at any size; CI runs a small one, and reads the
golden files in a second environment with the oldest supported JAX. Latents are read in NumPy,
and here also by JAX, which computes them in training. Programs are compiled as users compile
them: the short cuts of the other tests are not passed on.
"""

import os
import subprocess
import sys

import pytest

COUNT = 2
# Of NumPy's kernels and its linear algebra, where they can be told.
OLDER = {"OPENBLAS_CORETYPE": "Prescott", "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2"}
# In JAX every shape compiles, so there it is one stream of each model.
VARIANTS = {
    "one thread": ({"OPENBLAS_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}, COUNT, []),
    "in JAX, fast math": ({"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}, 1, ["--jax"]),
    "in JAX, older processor": (OLDER, 1, ["--jax"]),
}


def _run(what, folder, settings=None, extra=(), optimised=True):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JAX_", "XLA_")) and name != "JAXLIC_CACHE"
    }
    flags = (settings or {}).get("XLA_FLAGS", "plain")
    done = subprocess.run(
        [sys.executable, "-m", "tests.exactness", what, str(folder), *extra],
        env={
            **environment,
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "0" if optimised else "1",
            # Of this variant alone: `base` and `base-jnd` have programs in common.
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled" / flags),
            **(settings or {}),
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    """Streams of every shipped codec, small ones first; and what they decode to."""
    folder = tmp_path_factory.mktemp("streams")
    _run("write", folder, extra=[str(COUNT), "--large"], optimised=False)
    expected = {"all": _run("read", folder)}
    assert len({line.split()[1] for line in expected["all"].splitlines()}) == 1
    return folder, expected


def test_images_of_all_sizes_and_several_tiles_do_not_depend_on_the_processor(streams):
    folder, expected = streams
    assert len(expected["all"].splitlines()) >= 3
    assert _run("read", folder, OLDER) == expected["all"]


@pytest.mark.parametrize("name", VARIANTS)
def test_latents_do_not_depend_on_the_compiler(streams, name):
    folder, expected = streams
    settings, count, extra = VARIANTS[name]
    if count not in expected:
        expected[count] = _run("read", folder, extra=[str(count)])
    assert _run("read", folder, settings, [str(count), *extra]) == expected[count]


def test_predictions_do_not_depend_on_the_batch(streams):
    folder, _ = streams
    one = _run("models", folder, extra=["--batch", "1"])
    eight = _run("models", folder, extra=["--batch", "8"])
    older = _run("models", folder, OLDER, extra=["--batch", "8"])
    assert one == eight == older
