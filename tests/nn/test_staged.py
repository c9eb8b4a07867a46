import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxlic.nn.staged import staged


class Inner(nn.Module):
    traced = 0

    @nn.compact
    def __call__(self, x, size):
        Inner.traced += 1
        return nn.Dense(3)(x)


class Outer(nn.Module):
    def setup(self):
        self.inner = Inner()

    def __call__(self, x):
        return staged(self.inner, x, None)


def test_it_equals_the_call_and_traces_once():
    x = jnp.ones((2, 4))
    module = Outer()
    variables = module.init(jax.random.key(0), x)
    expected = jax.jit(module.apply)(variables, x)
    before = Inner.traced
    for _ in range(3):
        np.testing.assert_allclose(module.apply(variables, x), expected, rtol=1e-6)
    assert Inner.traced == before + 1


def test_gradients_go_through():
    x = jnp.ones((2, 4))
    module = Outer()
    variables = module.init(jax.random.key(0), x)
    gradient = jax.grad(lambda v: jnp.sum(module.apply(v, x)))(variables)
    assert float(jnp.abs(gradient["params"]["inner"]["Dense_0"]["kernel"]).min()) == 2.0
