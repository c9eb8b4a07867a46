import jax
import jax.numpy as jnp
import pytest

from jaxlic import metrics

PAIRS = {
    "mse": metrics.mse,
    "psnr": metrics.psnr,
    "ssim": metrics.ssim,
    "ms_ssim": metrics.ms_ssim,
    "gmsd": metrics.gmsd,
}


@pytest.mark.parametrize("name", PAIRS)
def test_all_take_batches_under_jit_vmap_and_grad(name):
    x = jax.random.uniform(jax.random.key(0), (2, 192, 176, 3))
    y = 0.9 * x
    f = PAIRS[name]
    values = jax.jit(f)(y, x)
    assert values.shape == (2,)
    one_by_one = jax.jit(jax.vmap(lambda a, b: f(a[None], b[None])[0]))(y, x)
    assert jnp.allclose(values, one_by_one, atol=1e-5)
    slope = jax.jit(jax.grad(lambda y: f(y, x).sum()))(y)
    assert bool(jnp.isfinite(slope).all()) and float(jnp.abs(slope).max()) > 0
