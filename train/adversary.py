"""Training against a critic: both in one tree of parameters, one step for both.

The tree of the codec gets a branch `"critic"`. The loss is the sum of the codec's, which sees
the critic as a constant, and the critic's, which sees the codec's pictures as constants: one
gradient of the sum is the gradient of each with respect to its own. (Alternating steps would
show the critic's latest parameters to the codec; here both move at once.)
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax.lax import stop_gradient

from jaxlic import prng
from jaxlic.core import Codec, Params, Reconstruction
from jaxlic.ops.bounds import clip

CRITIC = "critic"


def with_critic(codec: Codec, critic: nn.Module) -> Codec:
    """A `levelled_codec` whose `forward` shows its pictures to a critic.

    Args:
        codec: gives `aux` as `levelled_codec` does.
        critic: `(picture, latent) -> logits`, such as `PatchCritic`.

    Returns:
        The codec, with the branch in its parameters and in `aux`, stacked as `"pictures"` are,
        `[1 + M, B, h, w, 1]`: `"fake"`, logits for the codec to raise; `"real_seen"` and
        `"fake_seen"`, of image and pictures, for the critic to learn from. What it is told of a
        picture is what was sent (`"told"` of `levelled_codec`): never what was drawn, which it
        would only have to look for in the picture.
    """

    def init(image: jax.Array, key: jax.Array) -> Params:
        params = codec.init(image, key)
        size = (image.shape[0], *(n // codec.geometry.latent_stride for n in image.shape[1:3]))
        latent = jnp.zeros((*size, codec.geometry.latents))
        fresh = critic.init(prng.stream(key, CRITIC), image, latent)["params"]
        return {**params, CRITIC: fresh}

    def forward(
        params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        rec = codec.forward(codec_alone(params), image, quality, key)
        aux = rec.aux
        told = stop_gradient(aux["told"])

        def logits(weights: Params, pictures: jax.Array) -> jax.Array:
            flat = (a.reshape(-1, *a.shape[2:]) for a in (pictures, told))
            found = jnp.asarray(critic.apply({"params": weights}, *flat))
            return found.reshape(*pictures.shape[:2], *found.shape[1:])

        pictures, weights = clip(aux["pictures"], 0.0, 1.0), params[CRITIC]
        seen = {
            "fake": logits(stop_gradient(weights), pictures),
            "fake_seen": logits(weights, stop_gradient(pictures)),
            "real_seen": logits(weights, jnp.broadcast_to(image, pictures.shape)),
        }
        return Reconstruction(rec.x_hat, rec.bits, {**aux, **seen})

    return codec._replace(init=init, forward=forward)


def codec_alone(params: Params) -> Params:
    """Parameters without a critic's."""
    return {name: a for name, a in params.items() if name != CRITIC}


def beside_a_critic(
    optimizer: optax.GradientTransformation, critic: optax.GradientTransformation
) -> optax.GradientTransformation:
    """`optimizer` for a codec and `critic` for the other branch, each clipping what it does."""

    def labels(params: Params) -> Params:
        return {name: CRITIC if name == CRITIC else "codec" for name in params}

    return optax.partition({"codec": optimizer, CRITIC: critic}, labels)
