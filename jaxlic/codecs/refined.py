"""A codec, and a diffusion model of what its decoder leaves out.

The base codec writes and reads the files; nothing of it changes. Its picture x_hat is the one
of least error. The residual `r = x - x_hat`, in units of its deviation at the quality, is what
a denoising network learns, given the picture and the decoded latent. A sample of it, added, has
the texture that a mean cannot have.

The idea is that of Brenig & Timofte 2024, "Higher fidelity perceptual image and video
compression with a latent conditioned residual denoising diffusion model", arXiv:2505.13152,
whose text was not to be had beyond its abstract and reviews. What is ours: v-prediction, the
units of the residual by quality, the base left as it is, the network (`nn/unet.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.lax import stop_gradient

from jaxlic import prng
from jaxlic.codecs import dkic, hyperprior, pyramid
from jaxlic.codecs.hyperprior import Hyperprior
from jaxlic.codecs.transform import transform_codec
from jaxlic.core import (
    MAX_QUALITY,
    MIN_QUALITY,
    Builder,
    Codec,
    Params,
    Reconstruction,
    Refiner,
)
from jaxlic.diffusion.prediction import predicted, target
from jaxlic.diffusion.schedule import MAX_LOG_SNR, Schedule, cosine, diffuse
from jaxlic.nn.unet import HALO, DenoisingUNet
from jaxlic.ops.arrays import Array
from jaxlic.ops.quantisation import to_8_bits

_BASES = {"dkic": dkic.lapped, "hyperprior": hyperprior.lapped, "pyramid": pyramid.lapped}


class Refined(NamedTuple):
    """A base codec's module and the network that refines its pictures.

    Attributes:
        base: its parameters have the names that they have alone.
        refiner: `(z, log_snr, x_hat, y_hat, scale, quality, size) -> v`; its parameters are
            those under "refiner".
        deviation: of the residual at quality 1 and 100, in levels of 255; log-linear between.
    """

    base: Hyperprior
    refiner: nn.Module
    deviation: tuple[float, float]


def refined_codec(
    module: Refined, *, schedule: Schedule = cosine, deterministic: bool = False
) -> Codec:
    """The base codec, with `denoise`; its `forward` is one evaluation at a random time.

    There `x_hat` is the picture with the estimate of the residual, and `aux` holds `"base"`,
    the base's picture, and `"v"`, `"v_hat"` and `"log_snr"`, for `losses.diffusion`. No
    gradient reaches the base. With `deterministic` there is neither time nor noise: the network
    is trained to estimate the residual from z = 0, which is what a refiner without diffusion
    does.
    """
    base = transform_codec(module.base)

    def init(image: jax.Array, key: jax.Array) -> Params:
        params = base.init(image, key)
        b, h, w, _ = image.shape
        ratio = base.geometry.latent_stride
        y_hat = jnp.zeros((b, h // ratio, w // ratio, base.geometry.latents))
        one = jnp.ones(b)
        key = prng.stream(key, "refiner")
        refiner = module.refiner.init(key, image, one, image, y_hat, one, one)
        return {**params, "params": {**params["params"], "refiner": refiner["params"]}}

    def evaluate(params, z, log_snr, x_hat, y_hat, quality, size=None):
        own = {"params": params["params"]["refiner"]}
        scale = deviation(quality, module.deviation)
        return module.refiner.apply(own, z, log_snr, x_hat, y_hat, scale, quality, size)

    def forward(
        params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        rec = stop_gradient(base.forward(params, image, quality, prng.stream(key, "base")))
        x_hat, y_hat = to_8_bits(rec.x_hat), rec.aux["y_hat"]
        scale = deviation(quality, module.deviation)[:, None, None, None]
        residual = (image - x_hat) / scale
        # Times are spread evenly over the batch, each image's at random within its share.
        shares = jnp.arange(len(image)) + jax.random.uniform(prng.stream(key, "time"))
        shares = jax.random.permutation(prng.stream(key, "order"), shares % len(image))
        log_snr = schedule(shares / len(image))
        eps = jax.random.normal(prng.stream(key, "eps"), image.shape)
        z = diffuse(residual, eps, log_snr)
        if deterministic:
            log_snr = jnp.full_like(log_snr, -MAX_LOG_SNR)
            z, eps = jnp.zeros_like(z), jnp.zeros_like(eps)
        v_hat = evaluate(params, z, log_snr, x_hat, y_hat, quality)
        estimate = predicted("v", v_hat, z, log_snr).x
        aux = {
            "base": x_hat,
            "v": target("v", residual, eps, log_snr),
            "v_hat": v_hat,
            "log_snr": log_snr,
        }
        return Reconstruction(x_hat + scale * estimate, rec.bits, aux)

    @jax.jit
    def denoise(params, z, log_snr, x_hat, y_hat, quality, size):
        def one(z, x_hat, y_hat, quality, size):
            x_hat, quality, level = x_hat[None] / 255, quality[None], log_snr[None]
            v = evaluate(params, z[None], level, x_hat, y_hat[None], quality, size)
            estimate = predicted("v", v, z[None], level).x
            scale = deviation(quality, module.deviation)[:, None, None, None]
            # What is bounded is the picture. The residual is not.
            picture = jnp.clip(x_hat + scale * estimate, 0, 1)
            return ((picture - x_hat) / scale)[0]

        return jax.lax.map(lambda a: one(*a), (z, x_hat, y_hat, quality, size))

    unit = functools.partial(deviation, between=module.deviation)
    refiner = Refiner(denoise, unit, HALO)
    return base._replace(init=init, forward=forward, refiner=refiner)


def deviation(quality: Array, between: tuple[float, float]) -> Array:
    """The residual's standard deviation at `quality`, in units of the image."""
    t = (quality - MIN_QUALITY) / (MAX_QUALITY - MIN_QUALITY)
    return between[0] ** (1 - t) * between[1] ** t / 255


def refined(
    *,
    base: str = "pyramid",
    settings: dict[str, Any] | None = None,
    widths: tuple[int, int, int] = (64, 128, 192),
    depths: tuple[int, int, int] = (1, 1, 2),
    embedding: int = 128,
    deviation: tuple[float, float] = (12.0, 1.6),
) -> Refined:
    """The small refiner: 37 kMAC a pixel an evaluation.

    Args:
        base: `pyramid`, `dkic` or `hyperprior`, each with the lapped transforms.
        settings: of the base.
        widths, depths, embedding: as of `DenoisingUNet`.
        deviation: as of `Refined`.

    Raises:
        ValueError: for another base.
    """
    if base not in _BASES:
        raise ValueError(f"base {base!r} is none of {', '.join(sorted(_BASES))}")
    make: Callable[..., Hyperprior] = _BASES[base]
    network = DenoisingUNet(
        (widths[0], widths[1], widths[2]), (depths[0], depths[1], depths[2]), embedding
    )
    return Refined(make(**(settings or {})), network, (deviation[0], deviation[1]))


_INT8 = f"({pyramid.INT8}|refiner/.*(first|last|in|out|latent|(up|down)_\\d)/kernel$)"
BUILDERS = (Builder("refined.lapped", refined, refined_codec, _INT8),)
