"""Samplers: from noise to data in a few evaluations of a denoising network.

Every one of them takes linear steps,

    z' = a z + b x + c x_before + d n,

x the network's estimate of the data at z, x_before that of the step before, n new noise. So a
sampler is a table of these coefficients, made on the host in float64, and `sample` is one
`lax.scan` over it, for any network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxlic.ops.arrays import Array

Denoise = Callable[[jax.Array, jax.Array], jax.Array]


class Steps(NamedTuple):
    """A sampler's table; all `[steps]`, float64.

    Attributes:
        log_snr: of what the network sees.
        z, x, before, noise: the coefficients a, b, c, d.
        active: steps that are not do nothing, and cost nothing.
    """

    log_snr: Array
    z: Array
    x: Array
    before: Array
    noise: Array
    active: Array

    def padded(self, length: int) -> Steps:
        """With inactive steps to a length, so that one program serves any number of steps.

        Raises:
            ValueError: if there are more steps than that.
        """
        missing = length - len(self.z)
        if missing < 0:
            raise ValueError(f"{len(self.z)} steps, at most {length}")
        coefficients = (np.pad(a, (0, missing), mode="edge") for a in self[:-1])
        return Steps(*coefficients, np.pad(self.active, (0, missing)))


def ddim(log_snrs: np.ndarray, *, eta: float = 0.0) -> Steps:
    """DDIM: `x` and the noise of `z`, mixed for the next level; with eta, some of it anew.

    Args:
        log_snrs: ascending, `[steps + 1]`, as `schedule.grid` makes them; the last may be
            infinite.
        eta: 0 is deterministic, 1 is DDPM.

    Source: Song et al. 2021, arXiv:2010.02502, equations 12 and 16.
    """
    (alpha, sigma), (alpha_next, sigma_next) = _levels(log_snrs)
    ratio = (alpha / alpha_next) ** 2
    new = eta * sigma_next / sigma * np.sqrt(np.maximum(1 - ratio, 0))
    kept = np.sqrt(np.maximum(sigma_next**2 - new**2, 0))
    return _steps(log_snrs, kept / sigma, alpha_next - kept * alpha / sigma, noise=new)


def ddpm(log_snrs: np.ndarray) -> Steps:
    """Ancestral sampling; arguments as of `ddim`. Source: Ho et al. 2020, arXiv:2006.11239."""
    return ddim(log_snrs, eta=1.0)


def dpm_solver(log_snrs: np.ndarray) -> Steps:
    """DPM-Solver++ 2M: `x` extrapolated from the step before; deterministic, of second order.

    The first step is of first order, as is one to an infinite log-SNR.

    Args:
        log_snrs: as of `ddim`.

    Source: Lu et al. 2022, arXiv:2211.01095, algorithm 2.
    """
    (_, sigma), (alpha_next, sigma_next) = _levels(log_snrs)
    h = np.diff(np.asarray(log_snrs, np.float64)) / 2
    extra = np.zeros_like(h)
    second = np.isfinite(h[1:])
    extra[1:][second] = h[1:][second] / (2 * h[:-1][second])
    x = -alpha_next * np.expm1(-h)
    return _steps(log_snrs, sigma_next / sigma, x * (1 + extra), before=-x * extra)


def sample(key: jax.Array, denoise: Denoise, steps: Steps, start: jax.Array) -> jax.Array:
    """Takes all steps.

    Args:
        key: of the noise; samplers without noise do not use it.
        denoise: `(z, log_snr) -> x`, z `[B, ...]`, log_snr a scalar; x of the shape of z.
        steps: of a sampler. Traced or not.
        start: z at the first log-SNR, `[B, ...]`: noise, and what is left of the signal.

    Returns:
        z after the last step, which is the last x where the last log-SNR is infinite.
    """
    table = Steps(*(jnp.asarray(a, bool if a.dtype == bool else start.dtype) for a in steps))

    def step(carry, row):
        z, before, number = carry

        def take():
            x = denoise(z, row.log_snr)
            new = row.z * z + row.x * x + row.before * before
            drawn = jax.random.fold_in(key, number)
            noisy = new + row.noise * jax.random.normal(drawn, z.shape, z.dtype)
            return noisy, x, number + 1

        return lax.cond(row.active, take, lambda: carry), None

    carry = (start, jnp.zeros_like(start), jnp.zeros((), jnp.int32))
    (z, _, _), _ = lax.scan(step, carry, table)
    return z


def _steps(log_snrs, z, x, *, before=None, noise=None):
    nothing = np.zeros_like(z)
    return Steps(
        np.asarray(log_snrs, np.float64)[:-1],
        z,
        x,
        nothing if before is None else before,
        nothing if noise is None else noise,
        np.ones(len(z), bool),
    )


def _levels(log_snrs):
    """alpha and sigma where each step starts, and where it ends."""
    log_snrs = np.asarray(log_snrs, np.float64)
    if log_snrs.ndim != 1 or len(log_snrs) < 2 or not (np.diff(log_snrs) > 0).all():
        raise ValueError("log-SNRs must ascend, and be two or more")
    alpha, sigma = 1 / np.sqrt(1 + np.exp(-log_snrs)), 1 / np.sqrt(1 + np.exp(log_snrs))
    return (alpha[:-1], sigma[:-1]), (alpha[1:], sigma[1:])
