"""Every config builds and its step type-checks, by abstract evaluation alone."""

import pathlib

import jax
import jax.numpy as jnp
import pytest

pytest.importorskip("optax")

from jaxlic.experiment import load_experiment
from train.step import init_state, make_step

CONFIGS = sorted((pathlib.Path(__file__).parent.parent / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_a_step_keeps_the_shape_of_the_state(path):
    e = load_experiment(path, {})
    state = jax.eval_shape(lambda: init_state(e))
    side = e.crop + 2 * e.margin
    batch = {"image": jax.ShapeDtypeStruct((e.batch, side, side, 3), jnp.uint8)}
    after, metrics = jax.eval_shape(make_step(e), state, batch)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == jax.tree.map(
        lambda a: (a.shape, a.dtype), state
    )
    assert {"loss", "bpp", "psnr"} <= set(metrics)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_the_docstring_has_the_command(path):
    assert f"python -m train configs/{path.name}" in path.read_text()
