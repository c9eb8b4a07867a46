"""The same file gives the same latents, whatever the compiler was told.

`tests/exactness.py` is the same experiment at any size; CI runs a small one, and reads the
golden files in a second environment with the oldest supported JAX. Programs are compiled here
as users compile them: the short cuts of the other tests are not passed on.
"""

import os
import subprocess
import sys

import pytest

COUNT = 3
VARIANTS = {
    "plain": ("", []),
    "eager": ("", ["--eager"]),
    "one thread": ("--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", []),
    "older processor": ("--xla_cpu_max_isa=SSE4_2", []),
    "fast math": ("--xla_cpu_enable_fast_math=true", []),
    "no optimisation": ("--xla_backend_optimization_level=0", []),
}
# Of these, images for windows of all sizes, and of several tiles.
THOROUGH = ("plain", "older processor")


def _run(what, folder, flags="", extra=(), optimised=True):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JAX_", "XLA_")) and name != "JAXLIC_CACHE"
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.exactness", what, str(folder), *extra],
        env={
            **environment,
            "XLA_FLAGS": flags,
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "0" if optimised else "1",
            # Of this variant alone: `base` and `base-jnd` have programs in common.
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled" / (flags or "plain")),
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


def test_windows_of_all_sizes_and_several_tiles_do_not_depend_on_the_processor(streams):
    folder, expected = streams
    assert len(expected["all"].splitlines()) >= 3
    assert _run("read", folder, *VARIANTS["older processor"]) == expected["all"]


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in THOROUGH])
def test_latents_do_not_depend_on_the_compiler(streams, name):
    folder, expected = streams
    flags, extra = VARIANTS[name]
    if "few" not in expected:
        expected["few"] = _run("read", folder, extra=[str(COUNT)])
    assert _run("read", folder, flags, [str(COUNT), *extra]) == expected["few"]


def test_predictions_do_not_depend_on_the_batch(streams):
    folder, _ = streams
    one = _run("models", folder, extra=["--batch", "1"])
    eight = _run("models", folder, extra=["--batch", "8"])
    older = _run("models", folder, "--xla_cpu_max_isa=SSE4_2", extra=["--batch", "8"])
    assert one == eight == older
