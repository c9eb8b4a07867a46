"""Estimated rate and PSNR on held-out images, while training runs.

An estimate, for watching: the bits are the entropy model's, on a centre crop. Real files
are what `jaxlic eval` measures.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from jaxlic.core import Codec, Params
from train.crops import Source
from train.experiment import Experiment


def evaluate(
    e: Experiment, params: Params, packed: Source, chosen: list[int]
) -> dict[str, float]:
    """`bpp_Q`, `psnr_Q` for each quality Q of the experiment, averaged over images.

    Every image is cropped around its centre to 384 x 384 pixels or, if smaller, to what
    there is, in whole strides; images below one stride are left out. Each process takes its
    share of the images, on one device.
    """
    here, params = jax.process_index(), _local(params)
    found = np.full((len(chosen), len(e.eval_qualities), 2), np.nan, np.float32)
    for k, i in enumerate(chosen):
        if k % jax.process_count() != here or (crop := _centre(e, packed[i])) is None:
            continue
        for j, quality in enumerate(e.eval_qualities):
            bpp, psnr, _ = _measure(e.float32_codec, params, crop, quality)
            found[k, j] = float(bpp), float(psnr)
    if jax.process_count() > 1:
        # What another process has measured is a number here, and NaN there.
        everywhere = multihost_utils.process_allgather(found)
        found = everywhere[np.arange(len(chosen)) % jax.process_count(), np.arange(len(chosen))]
    found = found[~np.isnan(found).all(axis=(1, 2))]
    if not len(found):
        return {}
    means = found.astype(np.float64).mean(axis=0)
    return {
        f"{name}_{quality:g}": float(means[j, which])
        for j, quality in enumerate(e.eval_qualities)
        for which, name in enumerate(("bpp", "psnr"))
    }


def compare(
    e: Experiment, params: Params, packed: Source, chosen: list[int]
) -> dict[str, np.ndarray]:
    """By name `image_K`, crops as of `evaluate` beside what each quality makes of them.

    uint8 `[H, W * (1 + qualities), 3]`: the original first. Only the process that asks works.
    """
    params, found = _local(params), {}
    for k, i in enumerate(chosen):
        crop = _centre(e, packed[i])
        if crop is not None:
            made = [
                np.asarray(_measure(e.float32_codec, params, crop, quality)[2])
                for quality in e.eval_qualities
            ]
            found[f"image_{k}"] = np.concatenate([crop, *made], axis=1)
    return found


def _centre(e: Experiment, image: np.ndarray) -> np.ndarray | None:
    size, stride = max(384 // e.codec.stride, 1) * e.codec.stride, e.codec.stride
    h, w = (min(size, n // stride * stride) for n in image.shape[:2])
    top, left = (image.shape[0] - h) // 2, (image.shape[1] - w) // 2
    return image[top : top + h, left : left + w] if h and w else None


def _local(params: Params) -> Params:
    """Replicated parameters as arrays of one device of this process."""
    return jax.tree.map(lambda a: a.addressable_data(0), params)


@functools.partial(jax.jit, static_argnums=0)
def _measure(codec: Codec, params, image, quality):
    x = image[None].astype(jnp.float32) / 255
    rec = codec.forward(params, x, jnp.full(1, quality), jax.random.key(0))
    bpp = jnp.asarray(sum(rec.bits.values()))[0] / (x.shape[1] * x.shape[2])
    pixels = jnp.round(jnp.clip(rec.x_hat, 0, 1) * 255)
    error = jnp.mean(jnp.square(pixels - x * 255))
    return bpp, 10 * jnp.log10(255.0**2 / error), pixels[0].astype(jnp.uint8)
