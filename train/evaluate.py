"""Estimated rate and PSNR on held-out images, while training runs.

An estimate, for watching: the bits are the entropy model's, on a centre crop. Real files
are what `jaxlic eval` measures.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.core import Codec, Params
from train.data import Packed
from train.experiment import Experiment


def evaluate(
    e: Experiment, params: Params, packed: Packed, chosen: list[int]
) -> dict[str, float]:
    """`bpp_Q`, `psnr_Q` for each quality Q of the experiment, averaged over images.

    Every image is cropped around its centre to 384 x 384 pixels or, if smaller, to what
    there is, in whole strides; images below one stride are left out.
    """
    size = max(384 // e.codec.stride, 1) * e.codec.stride
    totals: dict[str, list[float]] = {}
    for i in chosen:
        image = packed[i]
        h, w = (min(size, n // e.codec.stride * e.codec.stride) for n in image.shape[:2])
        if not (h and w):
            continue
        top, left = (image.shape[0] - h) // 2, (image.shape[1] - w) // 2
        crop = image[top : top + h, left : left + w]
        for quality in e.eval_qualities:
            bpp, psnr = _measure(e.codec, params, crop[None], jnp.full(1, quality))
            totals.setdefault(f"bpp_{quality:g}", []).append(float(bpp))
            totals.setdefault(f"psnr_{quality:g}", []).append(float(psnr))
    return {name: float(np.mean(values)) for name, values in totals.items()}


@functools.partial(jax.jit, static_argnums=0)
def _measure(codec: Codec, params, image, quality):
    x = image.astype(jnp.float32) / 255
    rec = codec.forward(params, x, quality, jax.random.key(0))
    bpp = jnp.asarray(sum(rec.bits.values()))[0] / (x.shape[1] * x.shape[2])
    error = jnp.mean(jnp.square(jnp.round(jnp.clip(rec.x_hat, 0, 1) * 255) - x * 255))
    return bpp, 10 * jnp.log10(255.0**2 / error)
