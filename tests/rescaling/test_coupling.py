"""Invertible blocks: undone exactly, equal however they are run."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.rescaling.coupling import (
    Chain,
    DenseBlock,
    EnhancedBlock,
    FoldedNet,
    VanillaBlock,
    reversible,
)
from tests.random_params import random_params

DENSE = functools.partial(DenseBlock, growth=4)
FOLDED = functools.partial(FoldedNet, width=8)
LOW = jax.random.uniform(jax.random.key(0), (2, 8, 12, 3))
HIGH = 0.1 * jax.random.normal(jax.random.key(1), (2, 8, 12, 9))


def _apply(module, params, *args, method="forward"):
    return jax.jit(functools.partial(module.apply, method=method))(params, *args)


def _random(module, *args, scale=0.05):
    init = functools.partial(module.init, method="forward")
    return random_params(init, jax.random.key(0), *args, scale=scale)


def _chain(mode, kind=VanillaBlock, subnet=FOLDED, count=3):
    return Chain(functools.partial(kind, subnet=subnet), 9, count, mode)


@pytest.fixture(scope="module")
def params():
    chain = _chain("unroll")
    return _random(chain, (LOW, HIGH))


@pytest.mark.parametrize("kind", [VanillaBlock, EnhancedBlock])
@pytest.mark.parametrize("subnet", [DENSE, FOLDED])
def test_a_block_is_undone(kind, subnet):
    block = kind(9, subnet)
    params = _random(block, LOW, HIGH)
    state = _apply(block, params, LOW, HIGH, method="forward")
    assert float(jnp.abs(state[0] - LOW).max()) > 0.01
    low, high = _apply(block, params, *state, method="inverse")
    np.testing.assert_allclose(low, LOW, atol=1e-5)
    np.testing.assert_allclose(high, HIGH, atol=1e-5)


def test_a_coupling_starts_as_the_identity():
    block = EnhancedBlock(9, FOLDED)
    params = block.init(jax.random.key(0), LOW, HIGH, method="forward")
    low, high = _apply(block, params, LOW, HIGH)
    np.testing.assert_array_equal(low, LOW)
    np.testing.assert_array_equal(high, HIGH)


def test_parameters_of_the_published_sub_network():
    count = {
        (a, b): sum(
            p.size
            for p in jax.tree.leaves(
                jax.eval_shape(DenseBlock(b).init, jax.random.key(0), jnp.zeros((1, 4, 4, a)))
            )
        )
        for a, b in ((9, 3), (3, 9), (45, 3), (3, 45))
    }
    assert list(count.values()) == [69_494, 69_500, 111_938, 111_980]


def test_the_scale_of_a_vanilla_block_is_bounded():
    block = VanillaBlock(9, FOLDED)
    params = _random(block, LOW, HIGH, scale=3.0)
    scale = _apply(block, params, LOW, None, method="_scale")
    assert float(jnp.abs(scale).max()) <= 1


@pytest.mark.parametrize("mode", ["scan", "reversible"])
def test_every_way_to_run_a_chain_gives_the_same(mode, params):
    def cost(mode, params, state):
        out = _chain(mode).apply(params, state, method="forward")
        back = _chain(mode).apply(params, (out[0], 0.5 * out[1]), method="inverse")
        return jnp.sum(jnp.square(back[0])) + jnp.sum(jnp.sin(3 * back[1]))

    value = jax.jit(jax.value_and_grad(cost, argnums=(1, 2)), static_argnums=0)
    expected, gradients = value("unroll", params, (LOW, HIGH))
    got, others = value(mode, params, (LOW, HIGH))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(gradients), jax.tree.leaves(others), strict=True):
        assert float(jnp.linalg.norm(a - b)) <= 1e-4 * float(jnp.linalg.norm(a)) + 1e-6


def test_reversible_keeps_nothing_but_the_result():
    """Its residuals do not grow with depth, those of plain differentiation do."""

    def residuals(count, keep):
        stacked = jnp.full((count, 1), 0.3)

        def step(p, s):
            return s[0] + jnp.sin(p * s[1]), s[1]

        def back(p, s):
            return s[0] - jnp.sin(p * s[1]), s[1]

        def plain(stacked, state):
            for i in range(count):
                state = step(stacked[i], state)
            return state

        run = plain if keep else functools.partial(reversible, step, back)
        _, pull = jax.vjp(run, stacked, (jnp.ones(1000), jnp.ones(1000)))
        return sum(a.size for a in jax.tree.leaves(pull) if hasattr(a, "size"))

    assert residuals(16, False) < residuals(2, False) + 100
    assert residuals(16, True) > residuals(2, True) + 10_000


def test_the_tap_of_an_enhanced_chain():
    chain = _chain("unroll", EnhancedBlock)
    params = _random(chain, (LOW, HIGH))
    state, tap = _apply(chain, params, (LOW, HIGH), method="forward_tapped")
    plain = _apply(chain, params, (LOW, HIGH), method="forward")
    np.testing.assert_allclose(state[0], plain[0], atol=1e-6)
    np.testing.assert_allclose(tap, _apply(chain, params, (LOW, HIGH), method="tap"), atol=1e-6)
    (low, high), back = _apply(chain, params, state, method="inverse_tapped")
    np.testing.assert_allclose(back, tap, atol=1e-5)
    np.testing.assert_allclose(low, LOW, atol=1e-5)
    np.testing.assert_allclose(high, HIGH, atol=1e-5)


@pytest.mark.parametrize("subnet", [DENSE, FOLDED])
def test_what_lies_outside_the_size_has_no_effect(subnet):
    chain = _chain("unroll", subnet=subnet)
    params = _random(chain, (LOW, HIGH))
    expected = _apply(chain, params, (LOW, HIGH), method="forward")
    pads = ((0, 0), (0, 4), (0, 8), (0, 0))
    larger = tuple(jnp.pad(a, pads, constant_values=7.0) for a in (LOW, HIGH))
    got = _apply(chain, params, larger, jnp.array([8, 12]), method="forward")
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_allclose(b[:, :8, :12], a, atol=1e-5)


def test_reach_is_the_distance_of_an_effect():
    for subnet in (DENSE(3), FOLDED(3), FoldedNet(3, width=8, blocks=2, fold=4)):
        x = jnp.zeros((1, 96, 96, 3))
        params = random_params(subnet.init, jax.random.key(0), x)
        apply = jax.jit(subnet.apply)
        changed = apply(params, x.at[0, 47, 47].set(1)) != apply(params, x)
        rows = np.nonzero(np.asarray(changed).any(axis=(0, 2, 3)))[0]
        assert max(47 - rows.min(), rows.max() - 47) <= subnet.reach


def test_unknown_modes_are_refused():
    with pytest.raises(ValueError, match="mode must be"):
        _random(_chain("fast"), (LOW, HIGH))
