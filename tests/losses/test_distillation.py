"""The error of a student, from the photograph and from its teacher's picture."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.core import Reconstruction
from jaxlic.losses.distillation import beside_a_teacher
from jaxlic.losses.rate_distortion import squared_error

BATCH = {"image": jnp.full((2, 4, 4, 3), 0.5)}
REC = Reconstruction(jnp.full((2, 4, 4, 3), 0.6), {}, {"teacher": jnp.full((2, 4, 4, 3), 0.55)})


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_error_is_shared_between_both_targets(share):
    value, metrics = beside_a_teacher(share)(BATCH, REC)
    expected = 255**2 * ((1 - share) * 0.1**2 + share * 0.05**2)
    np.testing.assert_allclose(value, np.full(2, expected), rtol=1e-4)
    np.testing.assert_allclose(metrics["teacher_gap"], 255**2 * 0.05**2, rtol=1e-4)
    np.testing.assert_allclose(metrics["psnr_lost"], 10 * np.log10(4), rtol=1e-4)


def test_without_a_share_it_is_the_squared_error():
    value, _ = beside_a_teacher(0.0)(BATCH, REC)
    np.testing.assert_allclose(value, squared_error(BATCH, REC), rtol=1e-6)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_part_of_one(share):
    with pytest.raises(ValueError, match="share must be within"):
        beside_a_teacher(share)
