"""A critic of patches that is told what was sent: is this a photograph of that latent?

Source: Isola et al. 2017, "Image-to-image translation with conditional adversarial networks",
arXiv:1611.07004 (patches); Mentzer et al. 2020, "High-fidelity generative image compression",
arXiv:2006.09965 (told the latent); spectral normalisation by Miyato et al. 2018,
arXiv:1802.05957. Widths as in the released code of Liang et al. 2025, arXiv:2505.22438.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.lax import stop_gradient

from jaxlic.nn.conv import conv2d

_ITERATIONS = 12


def spectral_norm(matrix: jax.Array, iterations: int = _ITERATIONS) -> jax.Array:
    """The largest singular value of `[I, O]`, from below, by power iteration.

    Each call starts anew from a fixed vector, so that there is no state; the gradient is that
    with the singular vectors held (Miyato et al. 2018, eq. 9).
    """
    held = stop_gradient(matrix)

    def unit(a):
        return a / jnp.maximum(jnp.linalg.norm(a), 1e-12)

    def iterate(v, _):
        return unit(held.T @ (held @ v)), None

    start = unit(jnp.cos(jnp.arange(matrix.shape[1], dtype=matrix.dtype)))
    v, _ = jax.lax.scan(iterate, start, None, length=iterations)
    return unit(held @ v) @ matrix @ v


class PatchCritic(nn.Module):
    """Logits by patch, high for what looks like a photograph.

    Attributes:
        widths: channels of the convolutions, each at half the resolution of the one before.
        told: channels that are made of the latent.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512)
    told: int = 12

    @nn.compact
    def __call__(self, picture: jax.Array, latent: jax.Array) -> jax.Array:
        """Maps pictures and what was sent of them to logits.

        Args:
            picture: `[B, H, W, 3]` in [0, 1].
            latent: `[B, h, w, C]` in quantisation steps, zero where nothing was sent; H and W
                are multiples of h and w.

        Returns:
            `[B, H / 2**n, W / 2**n, 1]`, n being the number of widths.
        """
        latent = jnp.arcsinh(latent)  # Steps are up to thousands at low frequencies.
        told = nn.leaky_relu(self._conv("told", latent, self.told, 3, 1), 0.2)
        for axis in (1, 2):
            told = jnp.repeat(told, picture.shape[axis] // told.shape[axis], axis=axis)
        x = jnp.concatenate([2 * picture - 1, told], axis=-1)
        for k, width in enumerate(self.widths):
            x = nn.leaky_relu(self._conv(f"conv_{k}", x, width, 4, 2, bounded=True), 0.2)
        return self._conv("logit", x, 1, 1, 1)

    def _conv(self, name, x, features, size, stride, *, bounded=False):
        shape = (size, size, x.shape[-1], features)
        kernel = self.param(name + "_kernel", nn.initializers.he_normal(), shape)
        bias = self.param(name + "_bias", nn.initializers.zeros, (features,))
        if bounded:
            kernel = kernel / spectral_norm(kernel.reshape(-1, features))
        return conv2d(x, kernel, stride=stride) + bias
