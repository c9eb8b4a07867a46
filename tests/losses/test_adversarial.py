import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.losses import adversarial


def test_the_loss_of_logits():
    fake, real = jnp.full((2, 3, 3, 1), 0.7), jnp.full((2, 3, 3, 1), -0.2)
    np.testing.assert_allclose(
        adversarial.generator(fake), -np.log(1 / (1 + np.exp(-0.7))), 1e-6
    )
    expected = -np.log(1 / (1 + np.exp(0.2))) - np.log(1 - 1 / (1 + np.exp(-0.7)))
    np.testing.assert_allclose(adversarial.critic(real, fake), expected, 1e-6)
    confused = jax.grad(lambda a: adversarial.generator(a).sum())(fake)
    assert (confused < 0).all()  # Descent raises the logits of what is to pass for real.
