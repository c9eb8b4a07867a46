"""Progressive distillation: a student that takes in one step what its teacher takes in two.

Source: Salimans & Ho 2022, arXiv:2202.00512, algorithm 2 and appendix G.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlic.diffusion.samplers import Denoise
from jaxlic.diffusion.schedule import alpha_sigma, per_sample


def two_steps(
    teacher: Denoise, z: jax.Array, log_snrs: tuple[jax.Array, jax.Array, jax.Array]
) -> jax.Array:
    """The x with which one DDIM step ends where two of the teacher's end.

    Args:
        teacher: `(z, log_snr) -> x`.
        z: `[B, ...]`, at the first log-SNR.
        log_snrs: `[B]` each, ascending: where the step starts, its middle, its end. The
            last may be infinite.

    Returns:
        `[B, ...]`, without gradients.
    """
    first, _, last = (per_sample(a, z) for a in log_snrs)
    middle = _ddim(teacher(z, log_snrs[0]), z, log_snrs[0], log_snrs[1])
    end = _ddim(teacher(middle, log_snrs[1]), middle, log_snrs[1], log_snrs[2])
    (alpha, sigma), (alpha_end, sigma_end) = alpha_sigma(first), alpha_sigma(last)
    kept = sigma_end / sigma
    return jax.lax.stop_gradient((end - kept * z) / (alpha_end - kept * alpha))


def truncated_snr(log_snr: jax.Array) -> jax.Array:
    """`max(SNR, 1)`, the weight of the student's squared error of x (section 4 there)."""
    return jnp.maximum(jnp.exp(log_snr), 1.0)


def _ddim(x, z, log_snr, after):
    alpha, sigma = alpha_sigma(per_sample(log_snr, z))
    alpha_after, sigma_after = alpha_sigma(per_sample(after, z))
    return alpha_after * x + sigma_after * (z - alpha * x) / sigma
