"""The loss of a refiner: what a denoising network got wrong, and what the eye sees of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxlic.core import Batch, Loss, Metrics, Reconstruction
from jaxlic.diffusion.prediction import min_snr


def residual_diffusion(
    distance: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    *,
    rho: float = 0.9,
    base: Loss | None = None,
    weight: float = 0.05,
) -> Loss:
    """`(1 - rho) w(log-SNR) |v - v_hat|**2 + rho distance(x, x_hat + r_hat)`, batch mean.

    Yang & Mandt 2023 (arXiv:2209.06950) have these two terms and rho 0.9; `w` is `min_snr`,
    with the SNR not below 1 either: samplers of few steps begin where it is near zero.

    Args:
        distance: of two images `[B, H, W, 3]` in [0, 1], `[B]`; None for the first term alone.
        rho: the share of the distance.
        base: of the base codec and its picture, where that is trained too, such as
            `rate_distortion`; None where it is not, and bits are not counted.
        weight: of that loss.

    The reconstruction is that of `codecs.refined`.
    """
    share = 0.0 if distance is None else rho

    def loss(batch: Batch, rec: Reconstruction) -> tuple[jax.Array, Metrics]:
        image, log_snr = batch["image"], rec.aux["log_snr"]
        squared = jnp.mean(jnp.square(rec.aux["v"] - rec.aux["v_hat"]), axis=(1, 2, 3))
        weighted = jnp.mean(min_snr("v", log_snr, least=1.0) * squared)
        value, metrics = (1 - share) * weighted, {"v_error": jnp.mean(squared)}
        if distance is not None:
            seen = jnp.mean(distance(image, jnp.clip(rec.x_hat, 0, 1)))
            value, metrics = value + share * seen, {**metrics, "distance": seen}
        for name, picture in (("psnr", rec.x_hat), ("psnr_base", rec.aux["base"])):
            error = jnp.mean(jnp.square(image - picture), axis=(1, 2, 3))
            metrics[name] = jnp.mean(-10 * jnp.log10(error))
        if base is not None:
            own, told = base(batch, dataclasses.replace(rec, x_hat=rec.aux["base"]))
            value = value + weight * own
            metrics |= {"base_loss": own, "bpp": told["bpp"]}
        return value, {"loss": value, **metrics}

    return loss
