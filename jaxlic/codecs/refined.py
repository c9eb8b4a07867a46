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
from jaxlic.diffusion.distillation import two_steps
from jaxlic.diffusion.prediction import predicted, target
from jaxlic.diffusion.schedule import (
    MAX_LOG_SNR,
    Schedule,
    alpha_sigma,
    cosine,
    diffuse,
    grid,
    per_sample,
)
from jaxlic.entropy.hyper import HyperAnalysis
from jaxlic.nn.cdc import HALO as CDC_HALO
from jaxlic.nn.cdc import CdcAnalysis, CdcSynthesis, CdcUNet
from jaxlic.nn.unet import DenoisingUNet, halo
from jaxlic.ops.arrays import Array
from jaxlic.ops.quantisation import to_8_bits

START = 0.95  # Samplers start late: before, all that is known of a residual is its mean, zero.
_OF_IMAGES = 64.0  # The standard deviation of what images are, less grey, in levels.
_BASES = {"dkic": dkic.lapped, "hyperprior": hyperprior.lapped, "pyramid": pyramid.lapped}


class Refined(NamedTuple):
    """A base codec's module and the network that refines its pictures.

    Attributes:
        base: its parameters have the names that they have alone.
        refiner: `(z, log_snr, x_hat, y_hat, scale, quality, size) -> v`; its parameters are
            those under "refiner".
        deviation: of the residual at quality 1 and 100, in levels of 255; log-linear between.
        direct: what the network learns is the image itself, less grey: what CDC does, to
            compare with.
        told: the network is given the base's picture; None for unless `direct`, as in CDC.
        halo: of the network.
        deterministic: there is neither time nor noise: the network is trained to estimate the
            residual from z = 0, which is what a refiner without diffusion does.
    """

    base: Hyperprior
    refiner: nn.Module
    deviation: tuple[float, float]
    direct: bool = False
    halo: int = 192
    deterministic: bool = False
    told: bool | None = None


def refined_codec(
    module: Refined,
    *,
    schedule: Schedule = cosine,
    joint: bool = False,
    teacher: Params | None = None,
    few: int = 0,
) -> Codec:
    """The base codec, with `denoise`; its `forward` is one evaluation at a random time.

    There `x_hat` is the picture with the estimate of the residual, and `aux` holds `"base"`,
    the base's picture, and `"v"`, `"v_hat"` and `"log_snr"`, for `losses.diffusion`. No
    gradient reaches the base.

    Args:
        module: base and network.
        schedule: of the noise.
        joint: gradients reach the base, as published, but not through the target: the base
            cannot make the residual easy at the cost of its own picture.
        teacher: parameters of another one, for progressive distillation: `"v"` is what takes
            in one of `few` DDIM steps as far as the teacher gets in two.
        few: steps of the student's sampler.
    """
    base = transform_codec(module.base)
    told = not module.direct if module.told is None else module.told

    def init(image: jax.Array, key: jax.Array) -> Params:
        params = base.init(image, key)
        b, h, w, _ = image.shape
        ratio = base.geometry.latent_stride
        y_hat = jnp.zeros((b, h // ratio, w // ratio, base.geometry.latents))
        one = jnp.ones(b)
        key = prng.stream(key, "refiner")
        refiner = module.refiner.init(key, image, one, image, y_hat, one, one)
        return {**params, "params": {**params["params"], "refiner": refiner["params"]}}

    def grey(x_hat, where):
        return jnp.full_like(x_hat, 0.5) if where else x_hat

    def bounded(residual, start, scale):
        # What is bounded is the picture. The residual is not.
        return (jnp.clip(start + scale * residual, 0, 1) - start) / scale

    def evaluate(params, z, log_snr, x_hat, y_hat, quality, size=None):
        own = {"params": params["params"]["refiner"]}
        scale = deviation(quality, module.deviation)
        return module.refiner.apply(own, z, log_snr, x_hat, y_hat, scale, quality, size)

    def forward(
        params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        rec = base.forward(params, image, quality, prng.stream(key, "base"))
        rec = rec if joint else stop_gradient(rec)
        x_hat = rec.x_hat if joint else to_8_bits(rec.x_hat)
        y_hat = rec.aux["y_hat"]
        scale = deviation(quality, module.deviation)[:, None, None, None]
        start, seen = grey(x_hat, module.direct), grey(x_hat, not told)
        residual = (image - stop_gradient(start)) / scale
        eps = jax.random.normal(prng.stream(key, "eps"), image.shape)
        levels = _log_snrs(key, len(image), schedule, few)
        log_snr = levels[0]
        z = diffuse(residual, eps, log_snr)
        if module.deterministic:
            log_snr = jnp.full_like(log_snr, -MAX_LOG_SNR)
            z, eps = jnp.zeros_like(z), jnp.zeros_like(eps)
        if few:

            def estimate_of_teacher(z, log_snr):
                v = evaluate(teacher, z, log_snr, seen, y_hat, quality)
                return bounded(predicted("v", v, z, log_snr).x, start, scale)

            residual = two_steps(estimate_of_teacher, z, levels)
            alpha, sigma = alpha_sigma(per_sample(log_snr, z))
            eps = (z - alpha * residual) / sigma
        v_hat = evaluate(params, z, log_snr, seen, y_hat, quality)
        estimate = predicted("v", v_hat, z, log_snr).x
        aux = {
            "base": x_hat,
            "v": target("v", residual, eps, log_snr),
            "v_hat": v_hat,
            "log_snr": log_snr,
        }
        return Reconstruction(start + scale * estimate, rec.bits, aux)

    @jax.jit
    def denoise(params, z, log_snr, x_hat, y_hat, quality, size):
        def one(z, x_hat, y_hat, quality, size):
            x_hat, quality, level = x_hat[None] / 255, quality[None], log_snr[None]
            start, seen = grey(x_hat, module.direct), grey(x_hat, not told)
            v = evaluate(params, z[None], level, seen, y_hat[None], quality, size)
            estimate = predicted("v", v, z[None], level).x
            scale = deviation(quality, module.deviation)[:, None, None, None]
            return bounded(estimate, start, scale)[0]

        return jax.lax.map(lambda a: one(*a), (z, x_hat, y_hat, quality, size))

    unit = functools.partial(deviation, between=module.deviation)
    refiner = Refiner(denoise, unit, module.halo, module.direct, module.deterministic)
    return base._replace(init=init, forward=forward, refiner=refiner)


def _log_snrs(key, count, schedule, few):
    """Where each image of a batch is evaluated, `[count]`, and where two half steps end."""
    # Times are spread evenly over the batch, each image's at random within its share.
    shares = jnp.arange(count) + jax.random.uniform(prng.stream(key, "time"))
    shares = jax.random.permutation(prng.stream(key, "order"), shares % count) / count
    if not few:
        return (schedule(shares),)
    levels = jnp.asarray(grid(schedule, 2 * few, start=START), jnp.float32)
    first = 2 * jnp.floor(few * shares).astype(jnp.int32)
    return levels[first], levels[first + 1], levels[first + 2]


def deviation(quality: Array, between: tuple[float, float]) -> Array:
    """The residual's standard deviation at `quality`, in units of the image."""
    t = (quality - MIN_QUALITY) / (MAX_QUALITY - MIN_QUALITY)
    return between[0] ** (1 - t) * between[1] ** t / 255


def refined(
    *,
    base: str = "pyramid",
    settings: dict[str, Any] | None = None,
    widths: tuple[int, int, int] = (64, 128, 256),
    depths: tuple[int, int, int] = (1, 1, 1),
    embedding: int = 128,
    deviation: tuple[float, float] = (9.0, 1.5),
    direct: bool = False,
    deterministic: bool = False,
    told: bool | None = None,
) -> Refined:
    """The small refiner: 38 kMAC a pixel an evaluation, 3.9 million parameters.

    Args:
        base: `pyramid`, `dkic` or `hyperprior`, each with the lapped transforms.
        settings: of the base.
        widths, depths, embedding: as of `DenoisingUNet`.
        deviation, direct, deterministic, told: as of `Refined`; with `direct` the deviation
            is that of images.

    Raises:
        ValueError: for another base.
    """
    if base not in _BASES:
        raise ValueError(f"base {base!r} is none of {', '.join(sorted(_BASES))}")
    make: Callable[..., Hyperprior] = _BASES[base]
    levels = (depths[0], depths[1], depths[2])
    network = DenoisingUNet((widths[0], widths[1], widths[2]), levels, embedding)
    unit = (_OF_IMAGES, _OF_IMAGES) if direct else (deviation[0], deviation[1])
    base_codec = make(**(settings or {}))
    return Refined(base_codec, network, unit, direct, halo(levels), deterministic, told)


def cdc(
    *,
    deviation: tuple[float, float] = (9.0, 1.5),
    direct: bool = False,
    told: bool | None = None,
) -> Refined:
    """The published size, for GPUs: encoder, U-Net and context decoder of CDC (`nn/cdc.py`).

    Its hyperprior is ours, of the same size, and the base has a decoder of its own: 56 million
    parameters. An evaluation costs a thousand kMAC a pixel. Nothing has been trained with it.

    Args:
        deviation, direct, told: as of `refined`.
    """
    base = Hyperprior(
        CdcAnalysis(),
        CdcSynthesis(),
        HyperAnalysis(256, 256),
        latents=256,
        synthesis_features=(256, 208),
        halo=256,
    )
    unit = (_OF_IMAGES, _OF_IMAGES) if direct else (deviation[0], deviation[1])
    return Refined(base, CdcUNet(), unit, direct, CDC_HALO, told=told)


_INT8 = f"({pyramid.INT8}|refiner/.*(first|last|in|out|gain|latent|(up|down)_\\d)/kernel$)"
_LIMITS = (*pyramid.LIMITS, ("depths", 8))
BUILDERS = (
    Builder("refined.lapped", refined, refined_codec, _INT8, _LIMITS),
    Builder("refined.cdc", cdc, refined_codec, r"(Conv|ConvTranspose)_\d+/kernel$"),
)
