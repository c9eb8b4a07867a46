import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxlic.nn.conv import Conv, ConvTranspose
from jaxlic.nn.gdn import GDN
from jaxlic.nn.precision import convolving_in


class _Net(nn.Module):
    """The kinds of convolution there are, in a row."""

    last: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x):
        x = GDN()(Conv(8, 3, stride=2)(x))
        x = Conv(8, 1)(x)
        return ConvTranspose(3, result=self.last)(x)


@pytest.fixture(scope="module")
def setup():
    x = jax.random.normal(jax.random.key(0), (2, 16, 16, 3))
    return _Net().init(jax.random.key(1), x), x


def _loss(params, x, dtype, last=jnp.float32):
    with convolving_in(dtype):
        y = _Net(last).apply(params, x)
    return jnp.mean(jnp.square(y.astype(jnp.float32) - 1)), y


def test_results_are_bfloat16_but_where_float32_is_asked_for(setup):
    params, x = setup
    assert all(a.dtype == jnp.float32 for a in jax.tree.leaves(params))
    assert _loss(params, x, "bfloat16", None)[1].dtype == jnp.bfloat16
    assert _loss(params, x, "bfloat16")[1].dtype == jnp.float32
    assert _loss(params, x, "float32", None)[1].dtype == jnp.float32


def test_loss_and_gradients_are_near_those_of_float32(setup):
    params, x = setup
    results = []
    for dtype in ("float32", "bfloat16"):
        gradient = jax.value_and_grad(lambda p, dtype=dtype: _loss(p, x, dtype)[0])
        results.append(jax.jit(gradient)(params))
    (a, da), (b, db) = results
    assert a != b and float(b) == pytest.approx(float(a), rel=0.02)
    for one, other in zip(jax.tree.leaves(da), jax.tree.leaves(db), strict=True):
        assert other.dtype == jnp.float32
        assert np.linalg.norm(one - other) < 0.03 * np.linalg.norm(one)


def test_outside_of_the_context_nothing_has_changed(setup):
    params, x = setup
    with convolving_in("bfloat16"):
        _Net().apply(params, x)
    assert _Net().apply(params, x).dtype == jnp.float32


def test_other_names_are_refused():
    with pytest.raises(ValueError, match="float32, bfloat16, got 'float16'"):
        convolving_in("float16")
