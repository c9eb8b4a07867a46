import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxlic.nn.dynamic_conv import DynamicConv, PlainConv
from jaxlic.nn.restoration import Restoration
from tests.random_params import random_params

X = jax.random.uniform(jax.random.key(0), (2, 32, 48, 3))
QUALITY = jnp.array([20.0, 70.0])


def _restored(module, x, quality, size=None):
    variables = random_params(module.init, jax.random.key(1), x, quality, scale=0.2)
    return module.apply(variables, x, quality, size)


def test_it_starts_as_the_identity():
    y, _ = Restoration(16, 16).init_with_output(jax.random.key(1), X, QUALITY)
    np.testing.assert_array_equal(y, X)


@pytest.mark.parametrize("kernel", [PlainConv, DynamicConv])
def test_a_padded_window_gives_what_the_valid_part_alone_gives(kernel):
    module = Restoration(16, 16, 1, kernel)
    alone = _restored(module, X[:, :16, :24], QUALITY)
    padded = _restored(module, X, QUALITY, jnp.array([16, 24]))
    assert float(jnp.abs(alone - X[:, :16, :24]).max()) > 1e-3
    np.testing.assert_allclose(padded[:, :16, :24], alone, atol=1e-4)


def test_what_it_adds_follows_the_error_and_not_the_brightness():
    module = Restoration(16, 16)
    variables = random_params(module.init, jax.random.key(1), X, QUALITY, scale=0.2)

    def added(x, quality):
        return np.asarray(module.apply(variables, x, jnp.full(2, quality)) - x)

    np.testing.assert_allclose(added(X + 0.3, 20.0), added(X, 20.0), atol=1e-4)
    assert np.abs(added(X, 100.0)).max() < 0.5 * np.abs(added(X, 1.0)).max()


def test_it_learns_to_take_back_ringing():
    edges = jnp.tile((jnp.arange(32) % 16 < 8).astype(jnp.float32)[:, None], (1, 32))
    clean = jnp.stack([edges, edges.T])[..., None] * jnp.ones(3)
    damaged = clean + 0.05 * jnp.sin(1.5 * jnp.arange(32))[:, None, None]
    module, quality = Restoration(8, 8, 1), jnp.full(2, 20.0)
    variables = module.init(jax.random.key(0), damaged, quality)

    def loss(variables):
        return jnp.mean(jnp.square(module.apply(variables, damaged, quality) - clean))

    optimizer = optax.adam(1e-2)
    state = optimizer.init(variables)

    @jax.jit
    def step(variables, state):
        updates, state = optimizer.update(jax.grad(loss)(variables), state)
        return optax.apply_updates(variables, updates), state

    before = loss(variables)
    for _ in range(60):
        variables, state = step(variables, state)
    assert loss(variables) < 0.5 * before
