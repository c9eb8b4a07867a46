"""How far two images are apart: values per image, differentiable, batched.

Images are `[B, H, W, C]` in [0, 1]; results are `[B]`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.colour import luma

_C1, _C2 = 0.01**2, 0.03**2
_MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW = 11


def mse(x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean squared error over pixels and channels."""
    _check(x, y)
    return jnp.mean(jnp.square(x - y), axis=(1, 2, 3))


def mesh(x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean square of the error that repeats every 16 pixels: what a synthesis draws into skies.

    Distances of features hardly see it. The edges of JPEG's blocks are none: their sign is not
    the same from block to block. (Ours.) It is `repeated_error` less what error without
    a grid leaves there, one part in the 16 blocks of a window: an estimate without bias, zero
    where it would be negative.

    Args:
        x, y: `[B, H, W, C]`.

    Raises:
        ValueError: if the shapes differ or a side is below 64 pixels.
    """
    _check(x, y, 64)
    blocks = 16
    error = _windows(x - y, 16, 4)
    flat = error - jnp.mean(error, axis=(2, 3, 5, 6), keepdims=True)
    other = jnp.mean(jnp.square(flat), axis=(1, 2, 3, 4, 5, 6, 7))
    return jnp.maximum(blocks * repeated_error(x, y) - other, 0) / (blocks - 1)


def repeated_error(
    x: jax.Array, y: jax.Array, *, period: int = 16, blocks: int = 4
) -> jax.Array:
    """`mean_w mean_u (mean_k e(w, k, u) - mean_uk e(w, k, u))^2`: error in step with a grid.

    Pixel u of block k of window w lies at the same place of the grid for all k. Texture in the
    wrong place averages out over the blocks of a window, of which one part in `blocks^2`
    is left; what every block has stays. Windows' means do not count.

    Args:
        x, y: `[B, H, W, C]`; whole windows count.
        period: of the grid, pixels.
        blocks: along a window's side.

    Raises:
        ValueError: if the shapes differ or a side is below that of a window.
    """
    _check(x, y, period * blocks)
    repeated = jnp.mean(_windows(x - y, period, blocks), axis=(2, 5))
    repeated -= jnp.mean(repeated, axis=(2, 4), keepdims=True)
    return jnp.mean(jnp.square(repeated), axis=(1, 2, 3, 4, 5))


def _windows(a, period, blocks):
    """`[B, H, W, C]` to `[B, rows, blocks, period, columns, blocks, period, C]`."""
    rows, columns = (n // (period * blocks) for n in a.shape[1:3])
    a = a[:, : rows * period * blocks, : columns * period * blocks]
    return a.reshape(len(a), rows, blocks, period, columns, blocks, period, -1)


def psnr(x: jax.Array, y: jax.Array) -> jax.Array:
    """Peak signal-to-noise ratio in dB for a peak of 1; 100 dB at most."""
    return -10 * jnp.log10(jnp.maximum(mse(x, y), 1e-10))


def ssim(x: jax.Array, y: jax.Array) -> jax.Array:
    """Structural similarity, mean over positions and channels: at most 1.

    Gaussian window of 11x11, sigma 1.5, where it lies inside the image.
    Source: Wang, Bovik, Sheikh & Simoncelli 2004, doi:10.1109/TIP.2003.819861.

    Raises:
        ValueError: if the shapes differ or a side is below 11 pixels.
    """
    _check(x, y, _WINDOW)
    similarity, _ = _ssim(x, y)
    return jnp.mean(similarity, axis=-1)


def ms_ssim(x: jax.Array, y: jax.Array) -> jax.Array:
    """SSIM over five scales: at most 1.

    The negative contrast terms that the product could not take are cut to zero; odd sizes are
    padded with zeros before they are halved (both as in the package pytorch-msssim).
    Source: Wang, Simoncelli & Bovik 2003, doi:10.1109/ACSSC.2003.1292216.

    Raises:
        ValueError: if the shapes differ or a side is below 161 pixels.
    """
    _check(x, y, (_WINDOW - 1) * 2 ** (len(_MS_WEIGHTS) - 1) + 1)
    result = 1.0
    for scale, weight in enumerate(_MS_WEIGHTS):
        if scale:
            x, y = _halved(x), _halved(y)
        similarity, contrast = _ssim(x, y)
        last = scale == len(_MS_WEIGHTS) - 1
        result = result * _power(similarity if last else contrast, weight)
    return jnp.mean(result, axis=-1)


def gmsd(x: jax.Array, y: jax.Array) -> jax.Array:
    """Gradient magnitude similarity deviation of the luma: 0 for equal images.

    Source: Xue, Zhang, Mou & Bovik 2014, arXiv:1308.3052 (constant 170 on the 8-bit scale).

    Raises:
        ValueError: if the shapes differ or the images are not RGB.
    """
    _check(x, y)
    if x.shape[-1] != 3:
        raise ValueError(f"gmsd takes RGB images, got {x.shape}")
    a, b = (_gradient(_halved_up(luma(image))) for image in (x, y))
    c = 170 / 255**2
    similarity = (2 * a * b + c) / (jnp.square(a) + jnp.square(b) + c)
    return jnp.std(similarity, axis=(1, 2))


def _ssim(x, y):
    """Mean similarity and mean contrast term of every channel, `[B, C]`."""
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x = _blurred(x * x) - mean_x**2
    var_y = _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    contrast = (2 * covariance + _C2) / (var_x + var_y + _C2)
    means = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return jnp.mean(means * contrast, axis=(1, 2)), jnp.mean(contrast, axis=(1, 2))


def _blurred(x):
    window = np.exp(-np.square(np.arange(_WINDOW) - _WINDOW // 2) / (2 * 1.5**2))
    window = (window / window.sum()).astype(np.float32)
    rows = x.shape[1] - _WINDOW + 1
    x = sum(w * x[:, k : k + rows] for k, w in enumerate(window))
    columns = x.shape[2] - _WINDOW + 1
    return sum(w * x[:, :, k : k + columns] for k, w in enumerate(window))


def _halved(x):
    """Means of 2x2; an odd side is padded with a zero on both ends."""
    pads = [(n % 2, n % 2) if axis in (1, 2) else (0, 0) for axis, n in enumerate(x.shape)]
    x = jnp.pad(x, pads)
    b, h, w, c = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2]
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def _halved_up(x):
    """Means of 2x2 of `[B, H, W]`; if a side is odd a row and a column of zeros are added."""
    odd = max(x.shape[1] % 2, x.shape[2] % 2)
    x = jnp.pad(x, ((0, 0), (0, odd), (0, odd)))
    b, h, w = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2]
    return x.reshape(b, h // 2, 2, w // 2, 2).mean(axis=(2, 4))


def _gradient(x):
    """Length of the Prewitt gradient of `[B, H, W]`, zeros outside."""
    h, w = x.shape[1:]
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1)))
    part = {(i, j): x[:, i : i + h, j : j + w] for i in range(3) for j in range(3)}
    across = sum(part[i, 2] - part[i, 0] for i in range(3)) / 3
    down = sum(part[2, j] - part[0, j] for j in range(3)) / 3
    square = across**2 + down**2
    # The root has no slope at zero; there, none is taken.
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def _power(x, exponent):
    """`max(x, 0)**exponent`, without the infinite slope at zero."""
    return jnp.where(x > 0, jnp.where(x > 0, x, 1.0) ** exponent, 0.0)


def _check(x, y, side=1):
    if x.shape != y.shape or x.ndim != 4:
        raise ValueError(f"images of {x.shape} and {y.shape} cannot be compared")
    if min(x.shape[1:3]) < side:
        raise ValueError(f"images of {x.shape} are too small: {side} pixels a side")
