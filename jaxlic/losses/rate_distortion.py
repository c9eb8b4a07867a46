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
    return jnp.asarray(sum(rec.bits.values())) / pixels


def squared_error(batch: Batch, rec: Reconstruction) -> jax.Array:
    """Mean squared error on the 8-bit scale, `[B]`, so that lambdas match published ones."""
    error = jnp.square(batch["image"] - rec.x_hat)
    return 255.0**2 * jnp.mean(error, axis=(1, 2, 3))


def local_mean_error(batch: Batch, rec: Reconstruction, window: int = 16) -> jax.Array:
    """Mean squared error of local means, `[B]`, on the 8-bit scale.

    The mean of each colour in windows of `window` pixels, half overlapping. By Parseval it is
    (nearly) the part of the squared error that lies in the lowest frequency.
    """
    error = batch["image"] - rec.x_hat
    half = window // 2
    b, h, w, c = error.shape
    cells = error[:, : h // half * half, : w // half * half]
    cells = cells.reshape(b, h // half, half, w // half, half, c).mean(axis=(2, 4))
    means = (cells[:, 1:, 1:] + cells[:, 1:, :-1] + cells[:, :-1, 1:] + cells[:, :-1, :-1]) / 4
    return 255.0**2 * jnp.mean(jnp.square(means), axis=(1, 2, 3))


# Of each image, `[B]`; a mixture has metrics beside.
Term = Callable[[Batch, Reconstruction], jax.Array]
Distortion = Callable[[Batch, Reconstruction], jax.Array | tuple[jax.Array, Metrics]]


def rate_distortion(
    lmbda: Callable[[jax.Array], jax.Array],
    distortion: Distortion = squared_error,
    *,
    balance: float = 0.0,
    mean_floor: float = 0.0,
) -> Loss:
    """The Lagrangian, given how quality `[B]` maps to lambda `[B]`.

    `distortion` maps batch and reconstruction to `[B]`, on the scale of `squared_error`, or to
    that and metrics. The metrics hold `psnr` whatever is minimised. See `losses/jnd.py` for
    others, `losses/mixture.py` for several at once.

    At low rates the squared error is content with local means that are off by some levels,
    which the eye sees as blocks and colour shifts in skies. `mean_floor` bounds from below
    the lambda of `local_mean_error`; 0 is the plain Lagrangian.

    The batch holds `"image"`, `[B, H, W, 3]`, and `"quality"`, `[B]`.
    """

    def loss(batch: Batch, rec: Reconstruction) -> tuple[jax.Array, Metrics]:
        bpp, mse = bits_per_pixel(batch, rec), squared_error(batch, rec)
        multiplier = lmbda(batch["quality"])
        weight = (multiplier / 0.015) ** -balance
        found = distortion(batch, rec)
        distance, more = found if isinstance(found, tuple) else (found, {})
        cost = bpp + multiplier * distance
        if mean_floor:
            extra = jnp.maximum(mean_floor - multiplier, 0)
            cost = cost + extra * local_mean_error(batch, rec)
        value = jnp.mean(weight * cost)
        psnr = jnp.mean(10 * jnp.log10(255.0**2 / mse))
        metrics = {"loss": value, "bpp": jnp.mean(bpp), "psnr": psnr}
        if distortion is not squared_error:
            metrics["distortion"] = jnp.mean(distance)
        return value, metrics | more

    return loss
