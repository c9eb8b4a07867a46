"""Just-noticeable differences: how much a pixel's luma may change before anyone sees it.

Two effects, both of the reference image alone: against dark and bright surroundings less is
seen (luminance adaptation), and so it is beside contrast (masking). They overlap, and add up
less than fully (the nonlinear additivity model):

    J = LA + VM - 0.3 min(LA, VM)

Luma and J are on the 8-bit scale. These are thresholds for noise, measured on displays of
another age at one viewing distance; a factor on J is the viewer's to choose.

Sources: Chou & Li 1995, doi:10.1109/76.475889 (adaptation); Yang et al. 2005,
doi:10.1109/TCSVT.2005.848313 (additivity); Wu et al. 2017, doi:10.1109/TIP.2017.2685682
(contrast and pattern masking).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.colour import luma

OVERLAP = 0.3
MARGIN = 3  # How far in pixels a threshold depends on its surroundings.
_BACKGROUND = np.array(
    [[1, 1, 1, 1, 1], [1, 2, 2, 2, 1], [1, 2, 0, 2, 1], [1, 2, 2, 2, 1], [1, 1, 1, 1, 1]]
)


def jnd_map(image: jax.Array) -> jax.Array:
    """The threshold of every pixel.

    To be computed on whole images, before they are cropped. No gradient passes: a codec that
    is trained with it cannot talk itself into more tolerance.

    Args:
        image: the reference, `[B, H, W, 3]` in [0, 1].

    Returns:
        `[B, H, W]`, in luma on the 8-bit scale, about 3 to 20.
    """
    y = jax.lax.stop_gradient(255 * luma(image))
    masking = contrast_masking(local_deviation(y))
    adaptation = luminance_adaptation(background(y))
    return adaptation + masking - OVERLAP * jnp.minimum(adaptation, masking)


def smoothed(image: jax.Array, *, scale: float = 1.0) -> jax.Array:
    """The image with detail taken out that cannot be seen: a target at one threshold from it.

    `clip(F(x), x - scale J, x + scale J)`, F a binomial filter of 5x5 on each colour; no
    block marks, and fewer bits to code.

    Args:
        image: `[B, H, W, 3]` in [0, 1].
        scale: how many thresholds.

    Returns:
        `[B, H, W, 3]` in [0, 1].
    """
    room = scale * jnd_map(image)[..., None] / 255
    row = np.array([1, 4, 6, 4, 1]) / 16
    smooth = jnp.stack(
        [_filtered(image[..., c], np.outer(row, row)) for c in range(image.shape[-1])], axis=-1
    )
    return jax.lax.stop_gradient(jnp.clip(smooth, image - room, image + room))


def violations(
    x: jax.Array, image: jax.Array, threshold: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """How much of the difference to `image` can be seen.

    Args:
        x, image: `[B, H, W, 3]` in [0, 1].
        threshold: `[B, H, W]`, as of `jnd_map`.

    Returns:
        The share of pixels whose luma differs by more than their threshold, `[B]`, and by how
        much more on average over all pixels, `[B]`, on the 8-bit scale.
    """
    over = 255 * jnp.abs(luma(x) - luma(image)) - threshold
    share = jnp.mean(over > 0, axis=(1, 2))
    return share, jnp.mean(jnp.maximum(over, 0), axis=(1, 2))


def background(y: jax.Array) -> jax.Array:
    """Weighted mean of the 5x5 surroundings of `[B, H, W]`, borders repeated."""
    return _filtered(y, _BACKGROUND / 32)


def local_deviation(y: jax.Array) -> jax.Array:
    """Standard deviation in 5x5 windows of `[B, H, W]`, borders repeated."""
    mean = _filtered(y, np.full((5, 5), 1 / 25))
    # Of the difference to the middle, which keeps float32 precise in bright places.
    square = _filtered(jnp.square(y - 128), np.full((5, 5), 1 / 25))
    return jnp.sqrt(jnp.maximum(square - jnp.square(mean - 128), 0))


def luminance_adaptation(background: jax.Array) -> jax.Array:
    """The threshold in front of an even background: 20 at 0, 3 at 127, 6 at 255.

    >>> [round(float(luminance_adaptation(jnp.array(b))), 6) for b in (0.0, 127.0, 255.0)]
    [20.0, 3.0, 6.0]
    """
    dark = 17 * (1 - jnp.sqrt(jnp.maximum(background, 0) / 127)) + 3
    return jnp.where(background <= 127, dark, 3 / 128 * (background - 127) + 3)


def contrast_masking(deviation: jax.Array) -> jax.Array:
    """`1.84 L^2.4 / (L^2 + 26^2)`, L the local standard deviation."""
    return 1.84 * deviation**2.4 / (deviation**2 + 26**2)


def _filtered(y, kernel):
    """Correlation of `[B, H, W]` with an odd square kernel, borders repeated."""
    edge = len(kernel) // 2
    h, w = y.shape[1:]
    padded = jnp.pad(y, ((0, 0), (edge, edge), (edge, edge)), mode="edge")
    return sum(
        float(weight) * padded[:, i : i + h, j : j + w]
        for (i, j), weight in np.ndenumerate(kernel)
        if weight
    )
