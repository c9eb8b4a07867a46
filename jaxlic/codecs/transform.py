"""From a transform model to a codec: the same data flow, asked three ways."""

from __future__ import annotations

from typing import Protocol

import jax
import jax.numpy as jnp

from jaxlic.core import Codec, Params, Reconstruction
from jaxlic.entropy.coder import Coder, Estimator
from jaxlic.ops import quantisation
from jaxlic.ops.quantisation import Quantiser


class TransformModel(Protocol):
    """What a learned codec must say: a linen module with these methods."""

    stride: int

    def analysis(self, x: jax.Array, quality: jax.Array) -> jax.Array: ...

    def code(self, y: jax.Array, coder: Coder, quality: jax.Array) -> jax.Array: ...

    def synthesis(self, y_hat: jax.Array, quality: jax.Array) -> jax.Array: ...


def transform_codec(model: TransformModel, *, quantise: Quantiser = quantisation.mixed) -> Codec:
    """The codec of `model`; `quantise` is what rounding becomes in training."""

    def run(module, x, quality, coder):
        y_hat = module.code(module.analysis(x, quality), coder, quality)
        return module.synthesis(y_hat, quality), y_hat

    def init(image: jax.Array, key: jax.Array) -> Params:
        coder = Estimator(quantisation.hard, key)
        quality = jnp.ones(image.shape[0])
        return model.init(key, image, quality, coder, method=run)

    def forward(
        params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        coder = Estimator(quantise, key)
        x_hat, y_hat = model.apply(params, image, quality, coder, method=run)
        return Reconstruction(x_hat, coder.bits, {"y_hat": y_hat})

    return Codec(init, forward, None, None, None, None, model.stride)
