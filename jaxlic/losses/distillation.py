"""What a student is told: the photograph, and what its teacher made of it."""

from __future__ import annotations

import jax.numpy as jnp

from jaxlic.core import Batch, Reconstruction
from jaxlic.losses.rate_distortion import Distortion, squared_error


def beside_a_teacher(share: float) -> Distortion:
    """Squared error, `[B]`: `share` of it from the teacher's picture, the rest from the image.

    Of two squared errors the minimum is that of one, from the mean of both targets. What
    differs is the noise: the teacher's picture has none that the latent does not explain.
    The reconstruction holds `"teacher"`, `[B, H, W, 3]`, in `aux`.

    Raises:
        ValueError: if `share` is not within [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be within [0, 1], got {share}")

    def distortion(batch: Batch, rec: Reconstruction):
        gap = 255.0**2 * jnp.mean(jnp.square(rec.aux["teacher"] - rec.x_hat), axis=(1, 2, 3))
        value = (1 - share) * squared_error(batch, rec) + share * gap
        loss = squared_error(batch, Reconstruction(rec.aux["teacher"], {}, {}))
        lost = 10 * jnp.log10(squared_error(batch, rec) / loss)
        return value, {"teacher_gap": jnp.mean(gap), "psnr_lost": jnp.mean(lost)}

    return distortion
