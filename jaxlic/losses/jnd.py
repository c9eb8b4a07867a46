"""Distortions that stop at what the eye can see, for `losses.rate_distortion`.

Each is a function `(batch, reconstruction) -> [B]` on the scale of squared error of 8-bit
samples, or makes one. The batch holds `"image"`, `[B, H, W, 3]` in [0, 1]; some need
`"jnd"`, `[B, H, W]` from `ops.jnd.jnd_map` of the whole image, on the 8-bit scale; some need
`"target"`, `[B, H, W, 3]`, an image at the first just-noticeable difference from it.

The pixel-, image- and feature-wise losses are those of Pakdaman, Nami & Gabbouj 2024
(arXiv:2402.02836) as their code has them. The others compare luma, which the thresholds are of,
and colour differences, which tolerate more.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.core import Batch, Reconstruction
from jaxlic.losses.rate_distortion import Term, squared_error
from jaxlic.ops.colour import rgb_to_ycbcr

# Of Y, Cb and Cr in the mean square of RGB: (0.344^2 + 1.772^2) / 3, (1.402^2 + 0.714^2) / 3.
_ENERGY = np.sqrt(np.array([1.0, 1.0862, 0.8251], np.float32))

Features = Callable[[jax.Array], list[jax.Array]]


def pixel_wise(batch: Batch, rec: Reconstruction) -> jax.Array:
    """Squared error to the target instead of the image. The codec is given the image.

    It learns the target's own marks too: a target made by JPEG teaches blocks.
    """
    return squared_error({"image": batch["target"]}, rec)


def image_wise_as_released(batch: Batch, rec: Reconstruction) -> jax.Array:
    """`D(x_hat, x) - D(target, x)`: the same gradient as squared error, to the bit.

    The second term does not depend on the codec. Kept as a control; use `image_wise`.
    """
    return squared_error(batch, rec) - jax.lax.stop_gradient(_budget(batch))


def image_wise(softness: float = 0.1) -> Term:
    """What the released loss seems to mean: pay for error beyond the image's budget alone.

    `softplus(D(x_hat, x) - D(target, x))`, image by image, so that easy images do not pay for
    hard ones. Its knee spans about `softness` of the budget.

    Raises:
        ValueError: if `softness` is not positive.
    """
    _positive(softness=softness)

    def distortion(batch: Batch, rec: Reconstruction) -> jax.Array:
        budget = _budget(batch)
        scale = softness * jnp.maximum(budget, 1.0)
        return scale * jax.nn.softplus((squared_error(batch, rec) - budget) / scale)

    return distortion


def feature_wise(
    features: Features,
    *,
    weight: float = 0.1,
    scale: float = 255.0**2,
    crop: int | None = None,
) -> Term:
    """`(1 - weight) D(x_hat, x) + weight scale |features(x_hat) - features(target)|^2`.

    The released loss has weight 0.1 and scale 1, with which the second term hardly counts
    beside squared error on the 8-bit scale.

    Args:
        features: image `[B, H, W, 3]` to a list of `[B, ...]`; means of squares are averaged.
        weight: in [0, 1].
        scale: of the features' squared error.
        crop: as of `calibrated`.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be in [0, 1], got {weight}")

    def distortion(batch: Batch, rec: Reconstruction) -> jax.Array:
        images = _middle(crop, rec.x_hat, batch["target"])
        pairs = zip(*map(features, images), strict=True)
        distances = [_mean(jnp.square(a - jax.lax.stop_gradient(b))) for a, b in pairs]
        second = scale * sum(distances) / len(distances)
        return (1 - weight) * squared_error(batch, rec) + weight * second

    return distortion


def calibrated(
    distance: Callable[[jax.Array, jax.Array], jax.Array],
    *,
    toward: str = "image",
    scale: float = 100.0,
    crop: int | None = None,
) -> Term:
    """A calibrated feature distance, as of `jaxlic.metrics.perceptual`, times `scale`.

    Args:
        distance: of `[B, H, W, 3]` in [0, 1] to `[B]`.
        toward: "image" or "target": what of the batch to be like.
        scale: brings it near squared error on the 8-bit scale.
        crop: compares the middle of the images alone, so many pixels a side: features cost
            more than a small codec.
    """

    def distortion(batch: Batch, rec: Reconstruction) -> jax.Array:
        pair = _middle(crop, rec.x_hat, jax.lax.stop_gradient(batch[toward]))
        return scale * distance(*pair)

    return distortion


def beyond(scale: float = 1.0, *, anchor: float = 0.05, chroma: float = 2.0) -> Term:
    """Squared error beyond the threshold of each pixel, plus a little of the plain one.

    `mean(sum_c max(0, |e_c| - scale J_c)^2) + anchor D(x_hat, x)`, e the error in luma and two
    colour differences. Without the anchor no gradient is left once every pixel is inside its
    threshold, and the image is free to collapse there.

    Args:
        scale: how many thresholds are allowed.
        anchor: share of the plain squared error.
        chroma: how much more may change in the colour differences than in luma. The formulas
            for J are of luma alone; this number is a choice, not a measurement.

    Raises:
        ValueError: if an argument is not positive.
    """
    _positive(scale=scale, anchor=anchor, chroma=chroma)

    def distortion(batch: Batch, rec: Reconstruction) -> jax.Array:
        allowed = scale * batch["jnd"][..., None] * _ENERGY * np.array([1, chroma, chroma])
        over = jnp.maximum(jnp.abs(_opponents(batch, rec)) - allowed, 0)
        return 3 * _mean(jnp.square(over)) + anchor * squared_error(batch, rec)

    return distortion


def weighted(chroma: float = 2.0) -> Term:
    """Squared error in units of the threshold, `1 / J^2` scaled to a mean of 1 an image.

    Arguments and errors as of `beyond`.
    """
    _positive(chroma=chroma)

    def distortion(batch: Batch, rec: Reconstruction) -> jax.Array:
        weights = 1 / jnp.square(batch["jnd"])
        weights = weights / jnp.mean(weights, axis=(1, 2), keepdims=True)
        units = _opponents(batch, rec) / np.array([1, chroma, chroma])
        return 3 * _mean(weights[..., None] * jnp.square(units))

    return distortion


def _opponents(batch: Batch, rec: Reconstruction) -> jax.Array:
    """The error in luma, Cb and Cr, `[B, H, W, 3]`, on the 8-bit scale.

    Cb and Cr are scaled so that the squares add up, but for a cross term, to the mean of the
    squares of red, green and blue.
    """
    return (rgb_to_ycbcr(rec.x_hat) - rgb_to_ycbcr(batch["image"])) * _ENERGY


def _middle(crop: int | None, *images: jax.Array) -> list[jax.Array]:
    """The middle `crop` rows and columns of each, or all of it."""
    if crop is None:
        return list(images)
    top, left = ((n - crop) // 2 for n in images[0].shape[1:3])
    return [a[:, top : top + crop, left : left + crop] for a in images]


def _budget(batch: Batch) -> jax.Array:
    """Squared error of the target itself, `[B]`."""
    return 255.0**2 * _mean(jnp.square(batch["target"] - batch["image"]))


def _mean(a):
    return jnp.mean(a.reshape(a.shape[0], -1), axis=1)


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
