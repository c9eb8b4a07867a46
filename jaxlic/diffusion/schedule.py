"""Noise schedules: how much of the signal is left at a time in [0, 1].

    z = alpha x + sigma eps,    alpha**2 + sigma**2 = 1,    log-SNR = log(alpha**2 / sigma**2)

A schedule maps time, 0 for clean and 1 for noise, to log-SNR: all that networks, weights and
samplers are told (Kingma et al. 2021, "Variational Diffusion Models", arXiv:2107.00630).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.arrays import Array, namespace

Schedule = Callable[[Array], Array]
MAX_LOG_SNR = 12.0  # Of cosine and linear; noise of 0.0025.
_OFFSET = 0.008


def cosine(time: Array) -> Array:
    """log-SNR of `alpha = cos(pi/2 (time + 0.008) / 1.008)`, within 12 of zero.

    Source: Nichol & Dhariwal 2021, arXiv:2102.09672, section 3.2, there clipped by its betas
    and normalised at time 0, which the bounds do here.
    """
    xp = namespace(time)
    angle = math.pi / 2 * (time + _OFFSET) / (1 + _OFFSET)
    # Sines, for rounding may put the tangent of the last angle beyond its pole.
    sine, cosine = xp.sin(angle), xp.maximum(xp.cos(angle), math.exp(-MAX_LOG_SNR))
    return xp.clip(2 * xp.log(cosine / sine), -MAX_LOG_SNR, MAX_LOG_SNR)


def linear(time: Array, *, betas: tuple[float, float] = (0.1, 20.0)) -> Array:
    """log-SNR where the rate of the noise grows linearly, within 12 of zero.

    `alpha**2 = exp(-b0 time - (b1 - b0) time**2 / 2)`, which is the limit of Ho et al. 2020
    (arXiv:2006.11239, betas from 1e-4 to 0.02 in 1000 steps) for many steps (Song et al. 2021,
    arXiv:2011.13456, appendix C).
    """
    xp = namespace(time)
    exponent = betas[0] * time + (betas[1] - betas[0]) * time**2 / 2
    # At time 0 nothing is noise, and the quotient is infinite.
    ratio = xp.expm1(xp.maximum(exponent, math.exp(-MAX_LOG_SNR) / 2))
    return xp.clip(-xp.log(ratio), -MAX_LOG_SNR, MAX_LOG_SNR)


def shifted(schedule: Schedule, scale: float) -> Schedule:
    """The schedule for data `scale` times as large as the one it was made for.

    log-SNR grows by `2 log(scale)` (Hoogeboom et al. 2023, "simple diffusion",
    arXiv:2301.11093, section 3.1).
    """
    return lambda time: schedule(time) + 2 * math.log(scale)


def alpha_sigma(log_snr: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What is left of the signal and how much noise there is; both in [0, 1]."""
    return jnp.sqrt(jax.nn.sigmoid(log_snr)), jnp.sqrt(jax.nn.sigmoid(-log_snr))


def diffuse(x: jax.Array, eps: jax.Array, log_snr: jax.Array) -> jax.Array:
    """`alpha x + sigma eps`.

    Args:
        x, eps: `[B, ...]`; the noise of variance one.
        log_snr: `[B]`.
    """
    alpha, sigma = alpha_sigma(per_sample(log_snr, x))
    return alpha * x + sigma * eps


def per_sample(a: jax.Array, like: jax.Array) -> jax.Array:
    """`[B]` as `[B, 1, ...]`, with as many axes as `like`; a scalar stays one."""
    return a.reshape(a.shape + (1,) * (like.ndim - a.ndim)) if a.ndim else a


def grid(schedule: Schedule, steps: int, *, start: float = 1.0) -> np.ndarray:
    """Where a sampler evaluates, and where it ends: `[steps + 1]` log-SNRs, float64.

    Times are evenly spaced from `start` down; the last entry is infinite, the clean end.

    Args:
        schedule: of time.
        steps: how many evaluations, at least 1.
        start: below 1 for a late start, where what is sampled starts from little signal.

    Raises:
        ValueError: for no steps or a start outside (0, 1].
    """
    if steps < 1 or not 0 < start <= 1:
        raise ValueError(f"{steps} steps from {start}: at least one, from within (0, 1]")
    times = start * (1 - np.arange(steps, dtype=np.float64) / steps)
    return np.append(np.asarray(schedule(times), np.float64), np.inf)
