"""What is compiled for other machines is what is trained on this one."""

import jax
import numpy as np
import pytest

from train.compile import compile_step, jit_step, placement
from train.experiment import ConfigError, load_experiment
from train.step import init_state


def test_the_compiled_step_is_the_one_that_trains():
    e = load_experiment("configs/smoke.py", {"batch": 2})
    image = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    replicated, sharded = placement(jax.devices())
    batch = {"image": jax.device_put(image, sharded)}
    start = jax.jit(lambda: init_state(e), out_shardings=replicated)
    ahead, metrics = compile_step(e, jax.devices())(start(), batch)
    trained, again = jit_step(e, jax.devices())(start(), batch)
    for a, b in zip(jax.tree.leaves(ahead), jax.tree.leaves(trained), strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(metrics["loss"]) == float(again["loss"])


def test_a_batch_that_cannot_be_split_is_refused():
    e = load_experiment("configs/smoke.py", {"batch": 4})
    with pytest.raises(ConfigError, match="a batch of 4 cannot be split on 3 devices"):
        jit_step(e, 3 * jax.devices())
