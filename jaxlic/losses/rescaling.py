"""Losses of image rescaling: functions of a batch and of what `Rescaler.forward` returns.

Every distance is a sum over samples, averaged over the batch, as published: learning rates,
clipping at norm 10 and weight decay belong to that scale.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlic.core import Batch, Loss, Metrics, Reconstruction


def sain(
    scale: int, *, fit: float | None = None, rate: float = 0.0, likelihood: float = 0.0
) -> Loss:
    """The five terms of SAIN (arXiv:2303.02353 and its released code), and a rate.

    Reconstruction, plus a quarter each of: thumbnail like the bicubic one, simulated file
    like the decoded bicubic one, thumbnail restored, simulated file like the decoded one.

    Args:
        scale: 2 or 4.
        fit: weight of the four terms at low resolution; None for the paper's scale^2. More
            gives thumbnails closer to bicubic ones and images less sharp.
        rate: weight of the estimated bits of the thumbnail's file. Not in the paper, where
            nothing keeps files small.
        likelihood: weight of the latent's negative log-likelihood under its mixture, in nats.
            Not in the paper, where nothing but the reconstruction teaches the mixture.
    """
    weight = (scale**2 if fit is None else fit) / 4

    def loss(batch: Batch, rec: Reconstruction) -> tuple[jax.Array, Metrics]:
        a = rec.aux
        terms = {
            "rec": charbonnier(rec.x_hat, batch["image"]),
            "fit_lr": weight * squared(a["lr"], a["reference"]),
            "fit_compressed": weight * squared(a["compressed"], a["reference_decoded"]),
            "restore": weight * squared(a["lr_8_bits"], a["lr_restored"]),
            "imitate": weight * squared(a["compressed"], a["lr_decoded"]),
            "rate": rate * a["rate"].mean(),
        }
        if likelihood:
            terms["likelihood"] = likelihood * a["surprise"].mean()
        return _total(batch, rec, terms)

    return loss


def irn(scale: int, *, fit: float | None = None, rate: float = 0.0) -> Loss:
    """The three terms of IRN (arXiv:2005.05650 and its released code), and a rate.

    Reconstruction, thumbnail like the bicubic one, and the latent's sum of squares, the
    authors' stand-in for a Gaussian likelihood. Arguments as of `sain`.
    """
    weight = scale**2 if fit is None else fit

    def loss(batch: Batch, rec: Reconstruction) -> tuple[jax.Array, Metrics]:
        a = rec.aux
        terms = {
            "rec": charbonnier(rec.x_hat, batch["image"]),
            "fit_lr": weight * squared(a["lr"], a["reference"]),
            "latent": squared(a["latent"], 0.0),
            "rate": rate * a["rate"].mean(),
        }
        return _total(batch, rec, terms)

    return loss


def reconstruction(batch: Batch, rec: Reconstruction) -> tuple[jax.Array, Metrics]:
    """Only the Charbonnier distance of image and reconstruction."""
    return _total(batch, rec, {"rec": charbonnier(rec.x_hat, batch["image"])})


def charbonnier(a: jax.Array, b: jax.Array) -> jax.Array:
    """Sum of sqrt(difference^2 + 1e-6), averaged over the first axis."""
    return jnp.sum(jnp.sqrt(jnp.square(a - b) + 1e-6)) / a.shape[0]


def squared(a: jax.Array, b: jax.Array | float) -> jax.Array:
    """Sum of squared differences, averaged over the first axis."""
    return jnp.sum(jnp.square(a - b)) / a.shape[0]


def _total(batch, rec, terms):
    total = sum(terms.values())
    pixels = batch["image"].shape[1] * batch["image"].shape[2]
    error = jnp.square(jnp.clip(rec.x_hat, 0, 1) - batch["image"]).mean(axis=(1, 2, 3))
    fidelity = jnp.square(jnp.clip(rec.aux["lr"], 0, 1) - rec.aux["reference"])
    metrics = {
        "loss": total,
        "bpp": rec.bits["file"].mean() / pixels,
        "psnr": jnp.mean(-10 * jnp.log10(error + 1e-9)),
        "psnr_lr": jnp.mean(-10 * jnp.log10(fidelity.mean(axis=(1, 2, 3)) + 1e-9)),
        **terms,
    }
    return total, metrics
