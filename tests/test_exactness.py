"""The same file gives the same latents, whatever library, compiler or processor computes them.

`tests/exactness.py` is the same experiment at any size; CI runs a small one, and reads the
golden files in a second environment with the oldest supported JAX. Latents are read in NumPy,
and here also by JAX, which computes them in training. Programs are compiled as users compile
them: the short cuts of the other tests are not passed on.
"""

import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic import models
from jaxlic.nn import exact
from tests.algorithms import winograd
from tests.exactness import CODECS

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
    flags = (settings or {}).get("XLA_FLAGS", "")
    done = subprocess.run(
        [sys.executable, "-m", "tests.exactness", what, str(folder), *extra],
        env={
            **environment,
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "0" if optimised else "1",
            # Of this variant alone: `base` and `base-jnd` have programs in common.
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled" / (flags or "plain")),
            "XLA_FLAGS": flags,
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


def _asked(model, xp):
    """All means and indices that decoding one small latent asks for."""
    module, rng, asked = models.build(model.spec), np.random.default_rng(0), []
    z = np.round(rng.standard_cauchy((1, 4, 4, module.hyper_analysis.latents))).clip(-127, 127)
    y = np.round(rng.laplace(scale=3, size=(1, 16, 16, module.latents)))
    z, y, quality = (xp.asarray(a, np.float32) for a in (z, y, [40]))

    def coder(name, part, predicted, size=None):
        asked.extend([predicted.offset, predicted.indexes])
        return part - (part - predicted.offset) % 1

    def code(module):
        predicted, features = module.hyper_synthesis(z, quality)
        if module.context is None:
            return coder("y", y, predicted)
        return module.context.code(y, coder, predicted, features, quality)

    module.apply(model.params, method=code)
    return np.concatenate([np.asarray(a).ravel() for a in asked])


@pytest.mark.parametrize("name", CODECS)
def test_winograd_changes_nothing_for_rounding_comes_first(name, monkeypatch):
    """As cuDNN may compute 3x3 convolutions; without rounding the sums first it would."""
    model, plain = models.load_model(name), exact.conv2d

    def erring(x, kernel, **settings):
        if kernel.shape[0] != 3:
            return plain(x, kernel, **settings)
        return jnp.asarray(winograd(np.asarray(x), np.asarray(kernel)))

    expected = _asked(model, np)
    monkeypatch.setattr(exact, "conv2d", erring)
    np.testing.assert_array_equal(_asked(model, jnp), expected)
    monkeypatch.setattr(exact, "_nearest", lambda x: x)
    assert np.any(_asked(model, jnp) != expected)
