"""Shared fixtures: a tiny codec with random weights, a photograph, a private cache."""
# ruff: noqa: E402 (the environment of all processes comes before jax)

from __future__ import annotations

import atexit
import gc
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# Before anything imports jax. A private cache keeps tests from using what users compiled.
if "JAXLIC_CACHE" not in os.environ:
    os.environ["JAXLIC_CACHE"] = tempfile.mkdtemp(prefix="jaxlic-tests-")
    atexit.register(shutil.rmtree, os.environ["JAXLIC_CACHE"], ignore_errors=True)
# Nearly all the time goes into compiling small programs that run once, or once a process: all
# processes of a run share what they compile.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.environ["JAXLIC_CACHE"] + "/compiled")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# The emitters of fusions take a third of what compiling takes. XLA ends a process that asks for
# what it does not know, and releases come and go: another process asks first.
SHORT_CUTS = {"XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false"}
if "XLA_FLAGS" not in os.environ:
    asking = [sys.executable, "-c", "import jax; jax.devices()"]
    known = subprocess.run(asking, env=os.environ | SHORT_CUTS, capture_output=True)
    os.environ["XLA_FLAGS"] = "" if known.returncode else SHORT_CUTS["XLA_FLAGS"]

# A third of the time of tracing a step goes into looking for cycles in what tracing builds.
gc.set_threshold(200_000, 50, 100)

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from jaxlic.codecs.transform import transform_codec
from jaxlic.models import Spec, build

settings.register_profile("patient", deadline=None)  # The first example compiles.
settings.load_profile("patient")
DATA = pathlib.Path(__file__).parent / "data"
TINY = Spec("hyperprior.lapped", dict(features=8, latents=16, hidden=8, blocks=[1, 1]))


def host_devices(count: int) -> str:
    """`XLA_FLAGS` of a process with so many devices, compiled for as the others are."""
    return f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={count}"


def kodim(name: str) -> np.ndarray:
    """A sample photograph of `tests/data`, uint8 `[192, 256, 3]`."""
    return np.asarray(Image.open(DATA / f"{name}.png").convert("RGB"))


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A crop of Kodak image 5, uint8 `[192, 256, 3]`."""
    return kodim("kodim05_crop")


@pytest.fixture(scope="session")
def tiny():
    """(codec, params, tables) of a small model whose random weights are not at rest."""
    codec = transform_codec(build(TINY))
    params = jax.jit(codec.init)(jnp.zeros((1, 64, 64, 3)), jax.random.key(0))
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [
        a + 0.02 * jax.random.normal(k, a.shape) for a, k in zip(leaves, keys, strict=True)
    ]
    params = jax.tree.unflatten(tree, moved)
    return codec, params, codec.tables(params)
