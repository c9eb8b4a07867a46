"""Hyper-transforms: what is sent beside the latent so that the decoder knows its statistics.

`HyperAnalysis` is ordinary floating point, for only the encoder runs it. `HyperSynthesis`
lies on the path from the file's bytes to the coder's tables and is integer arithmetic
throughout (`nn/exact.py`).
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxlic.entropy.models import LEVELS, IndexedGaussian
from jaxlic.nn.conv import Conv
from jaxlic.nn.exact import ExactConv
from jaxlic.ops.arrays import Array, namespace
from jaxlic.ops.bounds import clip
from jaxlic.ops.geometry import depth_to_space, keep, shrunk

MAX_HYPER_LATENT = 127
MEAN_FRACTION = 4  # Means are multiples of 1/16 of a quantisation step.
INDEX_FRACTION = 3
ACTIVATION = 5  # Activations are multiples of 1/32 in [0, 8).
ACTIVATION_MAX = 255
MAX_MEAN = 2**14
QUALITY_LEVELS = 24


def quality_level(quality: Array, levels: int) -> Array:
    """Quality as an integer in [-levels / 2, levels / 2], exactly.

    Args:
        quality: in [1, 100]; only multiples of 0.01 are told apart.
        levels: how many steps the range is divided into.

    Returns:
        Integer-valued float32, the shape of `quality`.
    """
    hundredths = namespace(quality).round(quality * 100).astype(np.int32)
    return ((hundredths - 5050) * levels // 9900).astype(np.float32)


class HyperAnalysis(nn.Module):
    """conv3-conv5/2-conv5/2 on the compressed latent, `features` wide, `latents` out.

    Minnen et al. 2018 feed the latent itself; here `asinh` of it, because one model serves
    step sizes that differ by two orders of magnitude.

    Attributes:
        features: width.
        latents: channels of the hyper-latent.
        group: `(array, quality, size) -> array` at half the resolution of the latent.
    """

    features: int = 128
    latents: int = 96
    group: nn.Module | None = None

    @nn.compact
    def __call__(
        self, y: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, C]` to `[B, H / 4, W / 4, latents]`; `size` is of `y`."""
        h = nn.leaky_relu(Conv(self.features, 3)(keep(jnp.arcsinh(y), size)))
        h = nn.leaky_relu(Conv(self.features, 5, stride=2)(keep(h, size)))
        if self.group is not None:
            h = self.group(h, quality, shrunk(size, 2))
        return Conv(self.latents, 5, stride=2)(keep(h, shrunk(size, 2)))


class HyperSynthesis(nn.Module):
    """Integers to integers: two 2x up-sampling convolutions and a 1x1 head.

    Attributes:
        features: channels at 1/2 and at the latent's resolution.
        latents: channels of the latent whose means and scales are predicted.
        index_span: by how many scale indices quality 100 exceeds quality 1 to begin with:
            what the step size does to the scales.
    """

    features: tuple[int, int] = (128, 192)
    latents: int = 320
    index_span: int = 19

    def setup(self) -> None:
        conv = functools.partial(ExactConv, in_fraction=ACTIVATION, in_max=ACTIVATION_MAX)
        self.up_0 = ExactConv(
            4 * self.features[0],
            3,
            in_fraction=0,
            in_max=MAX_HYPER_LATENT,
            out_fraction=ACTIVATION,
            low=0,
            high=ACTIVATION_MAX,
        )
        self.up_1 = conv(
            4 * self.features[1], 3, out_fraction=ACTIVATION, low=0, high=ACTIVATION_MAX
        )
        self.mean = conv(
            self.latents,
            1,
            out_fraction=MEAN_FRACTION,
            low=-MAX_MEAN,
            high=MAX_MEAN,
            gain=0.1,
        )
        self.index = conv(
            self.latents,
            1,
            out_fraction=INDEX_FRACTION,
            low=-LEVELS,
            high=2 * LEVELS,
            gain=0.1,
            bias_init=1.5,
            bias_rate=10.0,
        )

    def __call__(
        self, z_hat: Array, quality: Array, size: Array | None = None
    ) -> tuple[IndexedGaussian, Array]:
        """Maps integers `[B, H, W, C]` and quality `[B]` to the model of a `[B, 4H, 4W]` y.

        Also returns the features it is read from, integers in [0, 255], `[B, 4H, 4W, F]`.
        `size` is the valid height and width of y.
        """
        quality = quality[:, None, None, None]
        level = quality_level(quality, QUALITY_LEVELS)
        xp = namespace(z_hat, level)
        level = xp.broadcast_to(level, (*z_hat.shape[:3], 1))
        h = xp.concatenate([z_hat, level], axis=-1)
        h = depth_to_space(self.up_0(keep(h, shrunk(size, 4))), 2)
        h = depth_to_space(self.up_1(keep(h, shrunk(size, 2))), 2)
        index = self.index(h) + quality_level(quality, self.index_span)
        mean = self.mean(h) * 2.0**-MEAN_FRACTION
        return IndexedGaussian(mean, clip(index, 0, LEVELS - 1)), h

    def bound(self) -> float:
        """The largest partial sum any layer can reach.

        Raises:
            ValueError: if a layer may exceed what float32 adds exactly.
        """
        layers = (self.up_0, self.up_1, self.mean, self.index)
        return max(layer.bound() for layer in layers)
