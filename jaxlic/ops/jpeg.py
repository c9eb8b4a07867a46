"""A JPEG codec one can differentiate: what a file does to an image, in pure JAX.

Follows libjpeg: JFIF colour, 4:2:0 by 2x2 means, integer quantisation tables, planes of
8 bits, triangle ("fancy") upsampling of chroma. Only entropy coding is missing, since it
loses nothing. What is approximated: the cosine transforms are exact where libjpeg's are
integer, so that a few samples differ by a level or two.

Rounding has no useful gradient, so it is an argument (Shin & Song 2017; Jin et al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.colour import rgb_to_ycbcr, ycbcr_to_rgb
from jaxlic.ops.quantisation import round_ste

Rounding = Callable[[jax.Array], jax.Array]

# ITU-T T.81, Annex K.
_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
_CHROMA = np.full((8, 8), 99, np.float32)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

_K = np.arange(8)
_DCT = np.cos((2 * _K[None] + 1) * _K[:, None] * np.pi / 16) / 2
_DCT[0] /= np.sqrt(2)
_DCT = _DCT.astype(np.float32)


class Simulated(NamedTuple):
    """What `jpeg` returns.

    Attributes:
        image: `[B, H, W, 3]` in [0, 1], as a decoder would show it.
        bits: `[B]`, a differentiable estimate of the entropy-coded bits.
    """

    image: jax.Array
    bits: jax.Array


def fourier(x: jax.Array) -> jax.Array:
    """Rounding as nine terms of its Fourier series: smooth, its slope swings from -1 to 19."""
    n = jnp.arange(1, 10, dtype=x.dtype)
    waves = jnp.sin(2 * jnp.pi * x[..., None] * n) * jnp.where(n % 2 == 1, 1, -1) / n
    return x - waves.sum(axis=-1) / jnp.pi


def cubic(x: jax.Array) -> jax.Array:
    """Rounding with the rest, cubed, added: no slope at integers, 3/4 between them."""
    whole = jax.lax.stop_gradient(jnp.round(x))
    return whole + (x - whole) ** 3


ROUNDINGS: dict[str, Rounding] = {"fourier": fourier, "cubic": cubic, "ste": round_ste}


def tables(quality: jax.Array) -> tuple[jax.Array, jax.Array]:
    """libjpeg's quantisation tables for luma and chroma, `[..., 8, 8]`, integers from 1 to 255.

    Args:
        quality: `[...]` in [1, 100]; may be traced, and need not be whole.
    """
    quality = jnp.clip(jnp.asarray(quality, jnp.float32), 1, 100)[..., None, None]
    scale = jnp.where(quality < 50, jnp.floor(5000 / quality), 200 - 2 * quality)
    luma, chroma = (
        jnp.clip(jnp.floor((base * scale + 50) / 100), 1, 255) for base in (_LUMA, _CHROMA)
    )
    return luma, chroma


def jpeg(image: jax.Array, quality: jax.Array, rounding: Rounding = round_ste) -> Simulated:
    """Compresses and decompresses, differentiably.

    Args:
        image: `[B, H, W, 3]` in [0, 1], any size.
        quality: scalar or `[B]` in [1, 100]; may be traced.
        rounding: of the coefficients, one of `ROUNDINGS` or any function alike.

    Where planes or pixels are clipped, gradients stop.
    """
    batch, height, width, _ = image.shape
    quality = jnp.broadcast_to(jnp.asarray(quality, jnp.float32), (batch,))
    pads = ((0, 0), (0, -height % 16), (0, -width % 16), (0, 0))
    planes = round_ste(rgb_to_ycbcr(jnp.pad(image, pads, mode="edge")))
    h, w = planes.shape[1:3]
    chroma = planes[..., 1:].reshape(batch, h // 2, 2, w // 2, 2, 2).mean(axis=(2, 4))
    luma_table, chroma_table = tables(quality)
    luma, luma_bits = _code(planes[..., :1], luma_table, rounding)
    chroma, chroma_bits = _code(round_ste(chroma), chroma_table, rounding)
    decoded = jnp.concatenate([luma, _upsample(_upsample(chroma, 1), 2)], axis=-1)
    decoded = ycbcr_to_rgb(round_ste(decoded))[:, :height, :width]
    return Simulated(_clip(decoded, 0, 1), luma_bits + chroma_bits)


def _code(planes, table, rounding):
    """Transforms, quantises and back: planes `[B, H, W, C]` in [0, 255], table `[B, 8, 8]`."""
    batch, h, w, c = planes.shape
    table = table[:, None, :, None, :, None]
    blocks = (planes - 128).reshape(batch, h // 8, 8, w // 8, 8, c)
    coefficients = _transform(blocks, _DCT) / table
    decoded = _transform(rounding(coefficients) * table, _DCT.T)
    decoded = _clip(round_ste(decoded + 128), 0, 255).reshape(planes.shape)
    # A Huffman code spends about this much on a coefficient.
    bits = 1.7 * jnp.log2(1 + jnp.square(coefficients)).sum(axis=(1, 2, 3, 4, 5))
    return decoded, bits


def _transform(blocks, matrix):
    return jnp.einsum("ui,vj,bhiwjc->bhuwvc", matrix, matrix, blocks, precision="highest")


def _clip(x, low, high):
    """Clips, with all of the gradient on the bounds: rounded values often lie there."""
    outside = jax.lax.stop_gradient(jnp.clip(x, low, high))
    return jnp.where((x < low) | (x > high), outside, x)


def _upsample(x, axis):
    """Doubles an axis with weights 3/4 and 1/4, as libjpeg's triangle filter does."""
    n = x.shape[axis]
    padded = jnp.concatenate(
        [
            jax.lax.slice_in_dim(x, 0, 1, axis=axis),
            x,
            jax.lax.slice_in_dim(x, n - 1, n, axis=axis),
        ],
        axis=axis,
    )
    before = (jax.lax.slice_in_dim(padded, 0, n, axis=axis) + 3 * x) / 4
    after = (jax.lax.slice_in_dim(padded, 2, n + 2, axis=axis) + 3 * x) / 4
    shape = list(x.shape)
    shape[axis] = 2 * n
    return jnp.stack([before, after], axis=axis + 1).reshape(shape)
