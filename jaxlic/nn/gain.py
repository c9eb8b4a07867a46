"""One model for all rates: what is scaled with quality, channel by channel."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxlic.core import MAX_QUALITY, MIN_QUALITY


class QualityGain(nn.Module):
    """A positive factor a channel, log-linear between anchors of quality.

    Source: Cui et al. 2021, arXiv:2003.02012 (gain units, exponential interpolation).

    Attributes:
        channels: how many factors.
        log_start, log_end: the logarithm of all factors at quality 1 and 100, initially.
        anchors: evenly spaced knots between.
    """

    channels: int
    log_start: float = 0.0
    log_end: float = 0.0
    anchors: int = 7

    @nn.compact
    def __call__(self, quality: jax.Array) -> jax.Array:
        """Maps quality `[B]` in [1, 100] to factors `[B, 1, 1, channels]`."""
        table = self.param("log_gain", nn.initializers.zeros, (self.anchors, self.channels))
        t = (quality - MIN_QUALITY) / (MAX_QUALITY - MIN_QUALITY)
        weights = jnp.maximum(
            0.0, 1 - jnp.abs(t[:, None] * (self.anchors - 1) - jnp.arange(self.anchors))
        )
        base = self.log_start + (self.log_end - self.log_start) * t
        return jnp.exp(base[:, None] + weights @ table)[:, None, None, :]
