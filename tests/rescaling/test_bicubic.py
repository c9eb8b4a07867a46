"""The baseline: bicubic both ways, plus what a network adds."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.resize import bicubic_down, bicubic_up
from jaxlic.rescaling.bicubic import RestoredBicubic, restored_bicubic
from jaxlic.rescaling.rescaler import rescaler


def test_without_a_network_it_is_bicubic_both_ways(photo):
    plain = rescaler(RestoredBicubic(2, width=0))
    x = jnp.asarray(photo[None, :40, :56], jnp.float32) / 255
    thumbnail = plain.downscale({}, photo[:40, :56])
    expected = jnp.round(jnp.clip(bicubic_down(x, 2), 0, 1) * 255)[0]
    assert np.abs(thumbnail - np.asarray(expected)).max() <= 1
    back = plain.upscale({}, thumbnail, (40, 56))
    expected = jnp.round(
        jnp.clip(bicubic_up(jnp.asarray(thumbnail)[None] / 255, 2), 0, 1) * 255
    )
    assert np.abs(back - np.asarray(expected)[0]).max() <= 1


def test_the_network_starts_by_adding_nothing():
    model = restored_bicubic(width=8, blocks=1)
    lr = jax.random.uniform(jax.random.key(0), (1, 8, 8, 3))
    params = model.init(jax.random.key(1), lr, method="up")
    np.testing.assert_allclose(
        model.apply(params, lr, method="up"), bicubic_up(lr, 2), atol=1e-6
    )
