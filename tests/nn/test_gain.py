import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.nn.gain import QualityGain


def test_quality_gain_interpolates_between_its_ends():
    gain = QualityGain(3, log_start=0.0, log_end=2.0)
    quality = jnp.array([1.0, 50.5, 100.0])
    y, _ = gain.init_with_output(jax.random.key(0), quality)
    np.testing.assert_allclose(jnp.log(y[:, 0, 0, 0]), [0.0, 1.0, 2.0], atol=1e-5)
