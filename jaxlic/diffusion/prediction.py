"""What a denoising network is asked for: the data, the noise, or v, which is a bit of both.

    z = alpha x + sigma eps,    v = alpha eps - sigma x

Converted without a division that could fail where it is used: x from v divides by nothing, eps
from x by sigma, which a sampler never evaluates at zero. x from eps divides by alpha, which is
0.0025 at the noisy end, so that errors are multiplied by 400 there: eps is for late starts.

Source: Salimans & Ho 2022, arXiv:2202.00512, section 4 and appendix D.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxlic.diffusion.schedule import alpha_sigma, per_sample

KINDS = ("x", "eps", "v")


class Prediction(NamedTuple):
    """Data and noise, `[B, ...]`, that make up one z."""

    x: jax.Array
    eps: jax.Array


def predicted(kind: str, output: jax.Array, z: jax.Array, log_snr: jax.Array) -> Prediction:
    """What an output stands for.

    Args:
        kind: `x`, `eps` or `v`.
        output, z: `[B, ...]`, of the network and what it saw.
        log_snr: `[B]` or a scalar, finite.

    Raises:
        ValueError: for another kind.
    """
    alpha, sigma = alpha_sigma(per_sample(log_snr, z))
    if kind == "x":
        return Prediction(output, (z - alpha * output) / sigma)
    if kind == "eps":
        return Prediction((z - sigma * output) / alpha, output)
    if kind == "v":
        return Prediction(alpha * z - sigma * output, sigma * z + alpha * output)
    raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")


def target(kind: str, x: jax.Array, eps: jax.Array, log_snr: jax.Array) -> jax.Array:
    """What the network's output should have been; arguments as of `predicted`."""
    if kind == "x":
        return x
    if kind == "eps":
        return eps
    if kind == "v":
        alpha, sigma = alpha_sigma(per_sample(log_snr, x))
        return alpha * eps - sigma * x
    raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")


def min_snr(
    kind: str, log_snr: jax.Array, *, gamma: float = 5.0, least: float = 0.0
) -> jax.Array:
    """Weight of a squared error of the network's output, so that no time outweighs the others.

    In terms of x it is `min(SNR, gamma)`, whatever the network is asked for. Source: Hang et
    al. 2023, arXiv:2303.09556, section 3.4 (gamma 5).

    Args:
        kind: as of `predicted`.
        log_snr: any shape.
        gamma: above it, weights of x stay as they are.
        least: below it likewise. With 1 it is the truncated SNR that Salimans & Ho 2022
            (arXiv:2202.00512, section 4) have for samplers of few steps, whose first step
            starts where the SNR is near zero.

    Raises:
        ValueError: for another kind.
    """
    snr = jnp.exp(log_snr)
    weight = jnp.clip(snr, least, gamma)
    if kind == "x":
        return weight
    if kind == "eps":
        return weight / snr
    if kind == "v":
        return weight / (snr + 1)
    raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
