"""What a decoded picture lacks, it lacks where there is much in it."""

import jax.numpy as jnp
import numpy as np

from jaxlic.codecs.residual import local_unit


def test_units_are_small_where_nothing_happens_and_know_no_padding():
    x = np.full((1, 64, 96, 3), 0.5, np.float32)
    x[:, :, 48:] += 0.1 * np.random.default_rng(0).standard_normal((64, 48, 1))
    unit = np.asarray(local_unit(jnp.asarray(x)))
    assert unit.shape == (1, 64, 96, 1)
    np.testing.assert_allclose(unit[:, :, :24], np.sqrt(0.18 * 0.2), rtol=1e-5)
    assert unit[:, :, 72:].min() > 2
    np.testing.assert_allclose(local_unit(1 - x), unit, rtol=1e-4)
    padded = np.full((1, 128, 128, 3), 7.0, np.float32)
    padded[:, :64, :96] = x
    seen = local_unit(jnp.asarray(padded), jnp.array([64, 96]))[:, :64, :96]
    np.testing.assert_allclose(seen, unit, rtol=1e-4)
