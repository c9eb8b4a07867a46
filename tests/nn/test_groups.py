import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.nn.dynamic_conv import DynamicConv, PlainConv
from jaxlic.nn.groups import ResidualGroup
from tests.random_params import random_params

X = jax.random.normal(jax.random.key(0), (2, 6, 8, 12))
QUALITY = jnp.array([20.0, 70.0])


@pytest.mark.parametrize("kernel", [DynamicConv, PlainConv])
def test_a_group_starts_as_the_identity(kernel):
    group = ResidualGroup(16, 2, kernel)
    y, _ = group.init_with_output(jax.random.key(1), X, QUALITY)
    np.testing.assert_array_equal(y, X)


@pytest.mark.parametrize("tail", [1, 3])
def test_a_padded_window_gives_what_the_valid_part_alone_gives(tail):
    group = ResidualGroup(16, 2, DynamicConv, tail)
    variables = random_params(group.init, jax.random.key(0), X, QUALITY, scale=0.2)
    alone = group.apply(variables, X[:, :4, :6], QUALITY)
    padded = jax.jit(group.apply)(variables, X, QUALITY, jnp.array([4, 6]))
    assert float(jnp.abs(alone - X[:, :4, :6]).max()) > 0.1
    np.testing.assert_allclose(padded[:, :4, :6], alone, atol=1e-4)


def test_quality_changes_what_a_group_adds():
    group = ResidualGroup(16, 1)
    variables = random_params(group.init, jax.random.key(0), X, QUALITY, scale=0.2)
    x = jnp.broadcast_to(X[:1], X.shape)
    low, high = group.apply(variables, x, QUALITY)
    assert float(jnp.abs(low - high).max()) > 1e-3


def test_a_knee_keeps_large_inputs_from_drowning_small_ones():
    bare, knee = (ResidualGroup(16, 1, PlainConv, knee=knee) for knee in (None, 0.25))
    variables = random_params(bare.init, jax.random.key(0), X, QUALITY, scale=0.2)
    small, large = 0.01 * X, X.at[..., 0].add(100.0)

    def added(group, x):
        return np.asarray(group.apply(variables, x, QUALITY) - x)

    np.testing.assert_allclose(added(knee, small), added(bare, small), atol=2e-3)
    assert np.abs(added(knee, large)).max() < 0.1 * np.abs(added(bare, large)).max()


def test_a_loop_of_blocks_is_the_blocks_one_after_the_other():
    unrolled, scanned = (ResidualGroup(16, 3, scanned=loop) for loop in (False, True))
    variables = random_params(scanned.init, jax.random.key(0), X, QUALITY, scale=0.2)
    params = dict(variables["params"])
    stacked = params.pop("blocks")
    for k in range(3):
        params[f"KernelBlock_{k}"] = jax.tree.map(lambda a, k=k: a[k], stacked)
    size = jnp.array([5, 7])

    def squares(group, params):
        return jnp.sum(jnp.square(group.apply({"params": params}, X, QUALITY, size)))

    run = jax.jit(jax.value_and_grad(squares, 1), static_argnums=0)
    one, of_one = run(unrolled, params)
    other, of_other = run(scanned, variables["params"])
    np.testing.assert_allclose(one, other, rtol=1e-5)
    for k in range(3):
        jax.tree.map(
            lambda a, b, k=k: np.testing.assert_allclose(a, b[k], rtol=1e-3, atol=1e-3),
            of_one[f"KernelBlock_{k}"],
            of_other["blocks"],
        )
    _, sown = scanned.apply(variables, X, QUALITY, mutable=["intermediates"])
    assert all(len(a) == 3 for a in jax.tree.leaves(sown))
