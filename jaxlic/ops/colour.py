"""Colour spaces. RGB is in [0, 1]; luma and chroma are in the units their standard uses."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

_TO_YCBCR = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.168735892, -0.331264108, 0.5],
        [0.5, -0.418687589, -0.081312411],
    ],
    np.float32,
)
_TO_RGB = np.array(
    [[1.0, 0.0, 1.402], [1.0, -0.344136286, -0.714136286], [1.0, 1.772, 0.0]], np.float32
)
_OFFSET = np.array([0.0, 128.0, 128.0], np.float32)


def rgb_to_ycbcr(x: jax.Array) -> jax.Array:
    """RGB `[..., 3]` in [0, 1] to JFIF YCbCr `[..., 3]` in [0, 255] (ITU-T T.871)."""
    return jnp.dot(255 * x, _TO_YCBCR.T, precision="highest") + _OFFSET


def ycbcr_to_rgb(x: jax.Array) -> jax.Array:
    """The inverse of `rgb_to_ycbcr`; not clipped."""
    return jnp.dot(x - _OFFSET, _TO_RGB.T, precision="highest") / 255


def luma(x: jax.Array) -> jax.Array:
    """RGB `[..., 3]` in [0, 1] to luma `[...]` in [0, 1] (ITU-R BT.601, full range)."""
    return jnp.dot(x, _TO_YCBCR[0], precision="highest")
