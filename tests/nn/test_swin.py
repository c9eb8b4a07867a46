"""Shifted windows: the paper's size, and who sees whom."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.nn.swin import SwinAnalysis, SwinBlock, SwinSynthesis
from jaxlic.report.complexity import macs
from tests.random_params import random_params

QUALITY = jnp.ones(1)
SIDE = 256


# Million parameters and kMAC a pixel, as of the released code.
@pytest.mark.parametrize(
    ("module", "shape", "parameters", "cost"),
    [
        (SwinAnalysis(), (1, SIDE, SIDE, 3), 22.4, 612),
        (SwinSynthesis(), (1, SIDE // 16, SIDE // 16, 512), 20.3, 604),
    ],
    ids=["analysis", "synthesis"],
)
def test_the_transforms_have_the_papers_size(module, shape, parameters, cost):
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    shapes = jax.eval_shape(module.init, jax.random.key(0), x, QUALITY)
    count = sum(np.prod(a.shape) for a in jax.tree.leaves(shapes))
    np.testing.assert_allclose(count / 1e6, parameters, rtol=0.01)
    found = macs(lambda params, x: module.apply(params, x, QUALITY), shapes, x) / SIDE**2
    np.testing.assert_allclose(found / 1e3, cost, rtol=0.01)


@pytest.mark.parametrize("shift", [0, 4])
def test_a_block_sees_its_window_and_no_further(shift):
    block = SwinBlock(2, shift)
    x = jax.random.normal(jax.random.key(0), (1, 16, 24, 8))
    params = random_params(block.init, jax.random.key(0), x, scale=0.3)

    def center(x):
        return jnp.sum(block.apply(params, x)[0, 5, 6])

    seen = np.abs(jax.jit(jax.grad(center))(x))[0].sum(axis=-1) > 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    # Windows begin at multiples of 8, or 4 before them.
    first = (0, 0) if shift == 0 else (4, 4)
    assert (rows.min(), columns.min()) == first
    assert (rows.max(), columns.max()) == (first[0] + 7, first[1] + 7)


def test_what_lies_beyond_the_size_changes_nothing_inside():
    block = SwinBlock(2, 4)
    x = jax.random.normal(jax.random.key(0), (1, 16, 16, 8))
    params = random_params(block.init, jax.random.key(0), x, scale=0.3)
    size = jnp.array([11, 13])
    other = x.at[:, 11:].add(3.0).at[:, :, 13:].add(-2.0)
    run = jax.jit(block.apply)
    a, b = (run(params, v, size)[:, :11, :13] for v in (x, other))
    np.testing.assert_allclose(a, b, atol=1e-4)
