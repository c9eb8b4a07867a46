"""An orthonormal lapped cosine transform of colour images, as kernels of convolutions."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np


def lapped_basis() -> np.ndarray:
    """The orthonormal lapped transform of 8 coefficients a block, `[16, 8]`.

    A DCT-II of blocks that were pre-filtered across their boundaries, after Tran, Liang &
    Tu 2003, "Lapped transform via time-domain pre- and post-filtering" (the orthonormal
    choice V = J C_II^T C_IV J). Constant signals excite the first coefficient only.
    """
    half = 4
    i, eye = np.eye(half), np.eye(half)[::-1]
    k, n = np.arange(half)[:, None], np.arange(half)[None]
    c2 = np.cos(np.pi / half * k * (n + 0.5)) * np.sqrt(2 / half)
    c2[0] /= np.sqrt(2)
    c4 = np.cos(np.pi / half * (k + 0.5) * (n + 0.5)) * np.sqrt(2 / half)
    butterfly = np.block([[i, eye], [eye, -i]])
    v = np.block([[i, 0 * i], [0 * i, eye @ c2.T @ c4 @ eye]])
    prefilter = butterfly @ v @ butterfly / 2
    k, n = np.arange(8)[:, None], np.arange(8)[None]
    dct = np.cos(np.pi / 8 * k * (n + 0.5)) / 2
    dct[0] /= np.sqrt(2)
    # A window of 16 samples holds two boundaries, at samples 4 and 12.
    window = np.zeros((8, 16))
    window[:4, :8] = prefilter[4:]
    window[4:, 8:] = prefilter[:4]
    return (dct @ window).T


def lapped_kernel(features: int) -> jax.Array:
    """`[2, 2, 192, features]`: the 2-D basis on three orthonormal opponent colours.

    Half the features are luma, a quarter each blue and red difference, lowest first.

    Raises:
        ValueError: if `features` is not a multiple of 4 in [4, 192].
    """
    if features % 4 or not 4 <= features <= 192:
        raise ValueError(f"features must be a multiple of 4 in [4, 192], got {features}")
    basis = lapped_basis()
    kernel = np.zeros((16, 16, 3, features))
    for channel, (u, v, colour) in enumerate(coefficients(features)):
        plane = np.outer(basis[:, u], basis[:, v])
        kernel[..., channel] = plane[..., None] * _COLOURS[colour]
    kernel = kernel.reshape(2, 8, 2, 8, 3, features).transpose(0, 2, 1, 3, 4, 5)
    return jnp.asarray(kernel.reshape(2, 2, 192, features), jnp.float32)


def merge_kernel(features: int, latents: int) -> jax.Array:
    """`[4 features, latents]`: 2x2 Haar across blocks, lowest frequencies kept.

    Raises:
        ValueError: if `latents` exceeds `4 * features`.
    """
    if latents > 4 * features:
        raise ValueError(f"{latents} latents from {features} features: at most {4 * features}")
    bands = []
    for channel, (u, v, colour) in enumerate(coefficients(features)):
        for s, t in itertools.product(range(2), range(2)):
            # A basis function of odd frequency changes sign from block to block.
            fu, fv = 2 * u + (s ^ (u & 1)), 2 * v + (t ^ (v & 1))
            bands.append((np.hypot(fu, fv) * (1 + bool(colour)), channel, s, t))
    kernel = np.zeros((2, 2, features, latents))
    for latent, (_, channel, s, t) in enumerate(sorted(bands)[:latents]):
        for i, j in itertools.product(range(2), range(2)):
            kernel[i, j, channel, latent] = 0.5 * (-1) ** (s * i + t * j)
    return jnp.asarray(kernel.reshape(4 * features, latents), jnp.float32)


_COLOURS = np.array([[1, 1, 1], [-1, -1, 2], [2, -1, -1]]) / np.sqrt([[3], [6], [6]])
# Orthonormal: the red difference, made orthogonal to the blue one.
_COLOURS[2] -= _COLOURS[1] * (_COLOURS[1] @ _COLOURS[2])
_COLOURS[2] /= np.linalg.norm(_COLOURS[2])


def coefficients(features: int) -> list[tuple[int, int, int]]:
    """(vertical frequency, horizontal frequency, colour) of each feature."""
    order = sorted(itertools.product(range(8), range(8)), key=lambda f: (np.hypot(*f), f))
    counts = (min(64, features // 2), (features - min(64, features // 2)) // 2)
    return [
        (u, v, colour)
        for colour, count in enumerate((counts[0], counts[1], counts[1]))
        for u, v in order[:count]
    ]
