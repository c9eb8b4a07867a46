import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.core import Reconstruction
from jaxlic.losses.diffusion import residual_diffusion
from jaxlic.losses.rate_distortion import rate_distortion

SHAPE = (2, 8, 8, 3)


def _case():
    image, v, v_hat = jax.random.uniform(jax.random.key(0), (3, *SHAPE))
    aux = dict(base=image + 0.1, v=v, v_hat=v_hat, log_snr=jnp.array([0.0, 4.0]))
    return {"image": image}, Reconstruction(image + 0.01, {"y": jnp.full(2, 64.0)}, aux)


def test_errors_are_weighed_by_noise():
    batch, rec = _case()
    value, metrics = residual_diffusion()(batch, rec)
    squared = np.mean(np.square(rec.aux["v"] - rec.aux["v_hat"]), axis=(1, 2, 3))
    np.testing.assert_allclose(
        value, (squared[0] / 2 + squared[1] * 5 / (1 + np.exp(4))) / 2, rtol=1e-5
    )
    np.testing.assert_allclose(metrics["psnr"], 40, atol=1e-3)
    np.testing.assert_allclose(metrics["psnr_base"], 20, atol=1e-3)
    assert "bpp" not in metrics


def test_a_base_that_is_trained_too_has_its_own_loss():
    batch, rec = _case()
    own = rate_distortion(lambda quality: 0 * quality + 0.01)
    batch["quality"] = jnp.full(2, 30.0)
    alone, _ = residual_diffusion()(batch, rec)
    value, metrics = residual_diffusion(base=own, weight=0.5)(batch, rec)
    lagrangian = 1 + 0.01 * 255**2 * 0.1**2
    np.testing.assert_allclose(value, alone + 0.5 * lagrangian, rtol=1e-5)
    np.testing.assert_allclose(metrics["bpp"], 1)


def test_the_distance_has_its_share_and_its_gradient():
    batch, rec = _case()

    def distance(x, y):
        return jnp.mean(jnp.abs(x - y), axis=(1, 2, 3))

    alone, _ = residual_diffusion()(batch, rec)
    value, metrics = residual_diffusion(distance, rho=0.4)(batch, rec)
    np.testing.assert_allclose(value, 0.6 * alone + 0.4 * metrics["distance"], rtol=1e-6)
    slope = jax.grad(lambda x: residual_diffusion(distance)(batch, rec.replace(x_hat=x))[0])
    assert float(jnp.abs(slope(rec.x_hat)).max()) > 0
