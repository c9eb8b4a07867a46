import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.nn.critic import PatchCritic, spectral_norm


def test_the_largest_singular_value_and_its_gradient():
    matrix = jax.random.normal(jax.random.key(0), (48, 7))
    left, singular, right = np.linalg.svd(np.asarray(matrix), full_matrices=False)
    found, slope = jax.value_and_grad(lambda m: spectral_norm(m, 200))(matrix)
    np.testing.assert_allclose(found, singular[0], rtol=1e-4)
    np.testing.assert_allclose(slope, np.outer(left[:, 0], right[0]), atol=1e-2)
    few = spectral_norm(matrix)
    assert 0.9 * singular[0] < few <= singular[0] * (1 + 1e-5)
    assert spectral_norm(jnp.zeros((4, 3))) == 0


def test_a_critic_sees_picture_and_latent_and_is_bounded():
    critic = PatchCritic(widths=(8, 8), told=3)
    picture = jax.random.uniform(jax.random.key(0), (2, 32, 48, 3))
    latent = 50 * jax.random.normal(jax.random.key(1), (2, 2, 3, 5))
    params = critic.init(jax.random.key(2), picture, latent)
    logits = critic.apply(params, picture, latent)
    assert logits.shape == (2, 8, 12, 1)
    assert not np.allclose(logits, critic.apply(params, picture, -latent))
    assert not np.allclose(logits, critic.apply(params, 1 - picture, latent))
    # A kernel ten times as large is the same after normalisation.
    larger = jax.tree.map(jnp.copy, params)
    larger["params"]["conv_0_kernel"] *= 10
    np.testing.assert_allclose(critic.apply(larger, picture, latent), logits, rtol=1e-4)
