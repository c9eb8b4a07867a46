import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxlic.nn.conv import Conv
from jaxlic.nn.staged import staged
from jaxlic.ops.geometry import keep


class Inner(nn.Module):
    traced = 0

    @nn.compact
    def __call__(self, x, quality, size=None):
        Inner.traced += 1
        return Conv(3, 5, stride=2)(keep(x, size)) * quality[:, None, None, None]


class Outer(nn.Module):
    def setup(self):
        self.inner = Inner()

    def __call__(self, x, quality):
        return staged(self.inner, x, quality)


MODULE, QUALITY = Outer(), np.ones(1, np.float32)


@pytest.fixture(scope="module")
def variables():
    return MODULE.init(jax.random.key(0), jnp.ones((1, 8, 8, 4)), QUALITY)


def test_one_program_serves_many_sizes_on_the_host(variables):
    rng, before = np.random.default_rng(0), Inner.traced
    for height, width in ((10, 14), (12, 10), (16, 16)):
        x = rng.normal(size=(1, height, width, 4)).astype(np.float32)
        y = MODULE.apply(variables, x, QUALITY)
        assert isinstance(y, np.ndarray) and y.shape == (1, height // 2, width // 2, 3)
        kernel = variables["params"]["inner"]["Conv_0"]["kernel"]
        alone = jax.lax.conv_general_dilated(
            x, kernel, (2, 2), ((2, 2), (2, 2)), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        np.testing.assert_allclose(y, alone, atol=1e-5)
    assert Inner.traced == before + 1


def test_gradients_go_through(variables):
    x = jnp.ones((1, 8, 8, 4))
    gradient = jax.grad(lambda v: jnp.sum(MODULE.apply(v, x, QUALITY)))(variables)
    assert float(jnp.abs(gradient["params"]["inner"]["Conv_0"]["kernel"]).min()) > 0
