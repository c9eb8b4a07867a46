"""The vocabulary: what a codec is, what it returns, what a loss is.

Images are float32 `[B, H, W, 3]` in [0, 1]. Latents are in units of their quantisation
step. Rates are bits, divided by pixels only in reports. Quality is a number in [1, 100].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import numpy as np

Params = Any
Metrics = dict[str, jax.Array]
Batch = Mapping[str, jax.Array]

MIN_QUALITY, MAX_QUALITY = 1.0, 100.0


@flax.struct.dataclass
class Reconstruction:
    """What a codec makes of a batch.

    Attributes:
        x_hat: `[B, H, W, 3]`, near [0, 1] (not clipped, so that gradients survive).
        bits: by latent name the bits of each image, `[B]`.
        aux: intermediates that a loss may name, such as `"y_hat"`.
    """

    x_hat: jax.Array
    bits: dict[str, jax.Array]
    aux: dict[str, jax.Array]


class Codec(NamedTuple):
    """A codec is four pure functions over one tree of parameters.

    Attributes:
        init: `(image [B, H, W, 3], key) -> params`.
        forward: `(params, image, quality [B], key) -> Reconstruction`; differentiable, what
            training sees. Height and width are multiples of `stride`.
        compress: `(params, tables, image, quality, range_coder) -> segments`: a uint8
            image `[H, W, 3]` of any size to entropy-coded bytes, one item a tile. Runs on
            the host.
        latents: `(params, tables, segments, (H, W), quality, range_coder) -> y_hat`: what
            the segments say, float32 `[H', W', C]`, the same to the bit on every machine.
        decompress: as `latents`, but on to the uint8 image `[H, W, 3]`.
        tables: `params -> tables`: the integer frequencies that both directions code with.
            Computed once, when weights are exported.
        check: `params -> (bound, params)`: proves `latents` exact, or raises ValueError. The
            parameters are the same, but for biases on the edge between two integers.
        stride: what height and width must divide by in `forward`.
    """

    init: Callable[..., Params]
    forward: Callable[..., Reconstruction]
    compress: Callable[..., list[bytes]]
    latents: Callable[..., np.ndarray]
    decompress: Callable[..., np.ndarray]
    tables: Callable[[Params], Any]
    check: Callable[[Params], tuple[float, Params]]
    stride: int


class Rescaler(NamedTuple):
    """A rescaler is four pure functions too; its file is an ordinary JPEG or WebP thumbnail.

    Attributes:
        init, forward: as a `Codec`'s; the thumbnail goes through a standard codec at
            `quality` on the way, and `aux` holds what the losses need.
        downscale: `(params, image) -> thumbnail`: uint8 `[H, W, 3]` of any size to uint8
            `[ceil(H / scale), ceil(W / scale), 3]`. Runs on the host, tile by tile.
        upscale: `(params, thumbnail, (H, W), latent, seed) -> image`, uint8 likewise; `latent`
            is "mean", "zero" or "sample", `seed` the seed of samples.
        scale: the factor.
        stride: what height and width must divide by in `forward`.
    """

    init: Callable[..., Params]
    forward: Callable[..., Reconstruction]
    downscale: Callable[..., np.ndarray]
    upscale: Callable[..., np.ndarray]
    scale: int
    stride: int


Loss = Callable[[Batch, Reconstruction], tuple[jax.Array, Metrics]]
