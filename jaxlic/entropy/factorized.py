"""The learned, fully factorized prior: one density a channel, no parametric family.

Source: Ballé et al. 2018, arXiv:1802.01436, appendix 6.1 (filters 3-3-3, initial scale 10).
"""

from __future__ import annotations

import itertools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxlic.entropy.models import LIKELIHOOD_FLOOR
from jaxlic.ops.arrays import Array
from jaxlic.ops.bounds import lower_bound


@flax.struct.dataclass
class Factorized:
    """The density as a value: the layers' parameters, each with a leading channel axis."""

    matrices: tuple[jax.Array, ...]
    biases: tuple[jax.Array, ...]
    factors: tuple[jax.Array, ...]
    table: str = flax.struct.field(pytree_node=False, default="factorized")
    price: float = flax.struct.field(pytree_node=False, default=0.0)

    @property
    def offset(self) -> Array:
        """The integer grid sits at zero."""
        return np.zeros((), np.float32)

    @property
    def indexes(self) -> Array:
        """Every channel has a table of its own, `[C]`."""
        return np.arange(self.matrices[0].shape[0], dtype=np.float32)

    def logits(self, x: jax.Array) -> jax.Array:
        """Logits of the cumulative distribution at `x`, `[..., C]`."""
        h = x[..., None]
        for i, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            h = jnp.einsum("...ci,cio->...co", h, jax.nn.softplus(matrix)) + bias
            if i < len(self.factors):
                h = h + jnp.tanh(self.factors[i]) * jnp.tanh(h)
        return h[..., 0]

    def bits(self, y: jax.Array) -> jax.Array:
        """Bits of the unit bin around `y`, `[..., C]`, elementwise; differentiable."""
        lower, upper = self.logits(y - 0.5), self.logits(y + 0.5)
        # Evaluated on the side where the sigmoid does not saturate.
        sign = jnp.where(lower + upper > 0, -1.0, 1.0)
        p = jnp.abs(jax.nn.sigmoid(sign * upper) - jax.nn.sigmoid(sign * lower))
        return -jnp.log2(lower_bound(p, LIKELIHOOD_FLOOR))

    def place(self) -> Factorized:
        """No gradients: the offset is fixed."""
        return jax.lax.stop_gradient(self)

    def shape(self) -> Factorized:
        """Gradients reach all parameters."""
        return self


class FactorizedPrior(nn.Module):
    """Holds the parameters of a `Factorized` model over `channels` channels."""

    channels: int
    filters: tuple[int, ...] = (3, 3, 3)
    init_scale: float = 10.0

    def setup(self) -> None:
        widths = (1, *self.filters, 1)
        scale = self.init_scale ** (1 / (len(self.filters) + 1))
        matrices, biases, factors = [], [], []
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
            start = nn.initializers.constant(float(np.log(np.expm1(1 / scale / fan_out))))
            shape = (self.channels, fan_in, fan_out)
            matrices.append(self.param(f"matrix_{i}", start, shape))
            biases.append(self.param(f"bias_{i}", _between, (self.channels, fan_out)))
            if i < len(self.filters):
                zeros = nn.initializers.zeros
                factors.append(self.param(f"factor_{i}", zeros, (self.channels, fan_out)))
        self.model = Factorized(tuple(matrices), tuple(biases), tuple(factors))

    def __call__(self) -> Factorized:
        """Returns the model."""
        return self.model


def _between(key, shape):
    return jax.random.uniform(key, shape, minval=-0.5, maxval=0.5)
