"""The latent of invertible rescaling: one scalar Gaussian mixture for every lost sample.

Source: Jin et al. 2023 (SAIN, arXiv:2303.02353), section 3, "isotropic" mixture.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

LATENTS = ("mean", "zero", "sample")


class GaussianMixture(nn.Module):
    """A univariate mixture, shared by all samples of a latent.

    Attributes:
        components: how many Gaussians.
        log_variance: where their logarithmic variances start. The paper starts at 0; a
            start at -6 or less spares the many steps that are spent on shrinking noise.
        spread: means start evenly between plus and minus this. In the paper they start at
            zero, and those of a mixture that starts as one component stay one component.
    """

    components: int = 5
    log_variance: float = 0.0
    spread: float = 0.0

    def setup(self) -> None:
        start = nn.initializers.normal(1e-4)

        def init(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
            apart = jnp.linspace(-self.spread, self.spread, self.components)
            zeros = jnp.zeros(self.components)
            return start(key, shape) + jnp.stack([zeros, apart, zeros + self.log_variance])

        # Rows: logits of the weights, means, logarithms of the variances.
        self.rows = self.param("rows", init, (3, self.components))

    def draw(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Samples that pass gradients to all parameters: hard Gumbel-softmax, temperature 1.

        One-hot going forward, the gradient of the softmax going back (Jang et al. 2017).
        """
        logits, means, deviations = self._parts()
        choice, noise = jax.random.split(key)
        gumbel = jax.random.gumbel(choice, (*shape, self.components))
        soft = jax.nn.softmax(jax.nn.log_softmax(logits) + gumbel)
        hard = jax.nn.one_hot(soft.argmax(axis=-1), self.components)
        normal = jax.random.normal(noise, (*shape, self.components))
        weights = soft + jax.lax.stop_gradient(hard - soft)
        return jnp.sum(weights * (means + deviations * normal), axis=-1)

    def sample(
        self, key: jax.Array, shape: tuple[int, ...], origin: jax.Array | None = None
    ) -> jax.Array:
        """Samples for places: those at row i, column j depend on the key, i and j alone.

        Args:
            key: decides them.
            shape: `(B, H, W, C)`; the images of a batch get the same.
            origin: integer `[2]`, the row and column of the first; None for (0, 0).
        """
        logits, means, deviations = self._parts()
        batch, height, width, channels = shape
        row, column = (0, 0) if origin is None else origin

        def one(i: jax.Array, j: jax.Array) -> jax.Array:
            place = jax.random.fold_in(jax.random.fold_in(key, row + i), column + j)
            choice, noise = jax.random.split(place)
            k = jax.random.categorical(choice, logits, shape=(channels,))
            return means[k] + deviations[k] * jax.random.normal(noise, (channels,))

        columns = jax.vmap(one, (None, 0))
        z = jax.vmap(columns, (0, None))(jnp.arange(height), jnp.arange(width))
        return jnp.broadcast_to(z, (batch, *z.shape))

    def mean(self) -> jax.Array:
        """The mean of the mixture, a scalar."""
        logits, means, _ = self._parts()
        return jnp.sum(jax.nn.softmax(logits) * means)

    def log_probability(self, z: jax.Array) -> jax.Array:
        """The logarithm of the density at `z`, elementwise. Not in the paper's losses."""
        logits, means, deviations = self._parts()
        each = jax.scipy.stats.norm.logpdf(z[..., None], means, deviations)
        return jax.nn.logsumexp(jax.nn.log_softmax(logits) + each, axis=-1)

    def _parts(self):
        logits, means, log_variances = jnp.asarray(self.rows)
        return logits, means, jnp.exp(0.5 * jnp.clip(log_variances, -20, 20))
