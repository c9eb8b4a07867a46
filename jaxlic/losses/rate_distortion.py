"""The rate-distortion Lagrangian.

    L = bits / pixels + lmbda(quality) * 255**2 * MSE

averaged over the batch, each image with the lambda of the quality it was coded at. One
model for all rates has a choice the single-rate one has not: the Lagrangian of an image
coded at lambda = 0.15 is some eight times that of one at 0.0015, and would have eight times
the say. `balance` weighs images by `(lmbda / 0.015)**-balance`; 0 is the plain mean.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxlic.core import Batch, Loss, Metrics, Reconstruction


def bits_per_pixel(batch: Batch, rec: Reconstruction) -> jax.Array:
    """Estimated bits of all latents over pixels, `[B]`."""
    pixels = batch["image"].shape[1] * batch["image"].shape[2]
    return sum(rec.bits.values()) / pixels


def squared_error(batch: Batch, rec: Reconstruction) -> jax.Array:
    """Mean squared error on the 8-bit scale, `[B]`, so that lambdas match published ones."""
    error = jnp.square(batch["image"] - rec.x_hat)
    return 255.0**2 * jnp.mean(error, axis=(1, 2, 3))


def rate_distortion(lmbda: Callable[[jax.Array], jax.Array], *, balance: float = 0.0) -> Loss:
    """The Lagrangian, given how quality `[B]` maps to lambda `[B]`.

    The batch holds `"image"`, `[B, H, W, 3]`, and `"quality"`, `[B]`.
    """

    def loss(batch: Batch, rec: Reconstruction) -> tuple[jax.Array, Metrics]:
        bpp, mse = bits_per_pixel(batch, rec), squared_error(batch, rec)
        multiplier = lmbda(batch["quality"])
        weight = (multiplier / 0.015) ** -balance
        value = jnp.mean(weight * (bpp + multiplier * mse))
        psnr = jnp.mean(10 * jnp.log10(255.0**2 / mse))
        return value, {"loss": value, "bpp": jnp.mean(bpp), "psnr": psnr}

    return loss
