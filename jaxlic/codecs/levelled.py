"""From a model in levels to a codec: files that can be cut, and members for training.

The model says `code(y, coder)` once, as in `codecs/transform.py`. What a level does not hold is
drawn from what the entropy model says of it (`entropy/detail.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient

from jaxlic import prng
from jaxlic.codecs.bound import binder
from jaxlic.codecs.transform import TransformModel, transform_codec
from jaxlic.core import Codec, Params, Reconstruction
from jaxlic.entropy.coder import Coder, Estimator, Reader, Writer
from jaxlic.entropy.detail import MEAN, Detail, Drawn, Kept, Masked, Routed
from jaxlic.entropy.range_coder import RangeCoder
from jaxlic.entropy.tables import TableSets
from jaxlic.ops import quantisation
from jaxlic.ops.quantisation import Quantiser


class LevelledModel(TransformModel, Protocol):
    """A `TransformModel` whose entropy path is exact and whose latent comes in levels.

    `level_of` says, by the name of each answer that `code` asks for, in that order, which level
    it belongs to, from 0 on; `levels` how many there are. An answer may depend on those before
    it, and levels never fall. `sent` says where, in a latent `[B, h, w, C]`, the first `level`
    `[B]` levels hold anything, as 1 and 0. `synthesis` takes how many levels are known, `[B]`.
    """

    @property
    def level_of(self) -> dict[str, int]: ...

    @property
    def levels(self) -> int: ...

    def sent(self, shape: tuple[int, ...], level: jax.Array) -> jax.Array: ...

    def synthesis(
        self,
        y_hat: jax.Array,
        quality: jax.Array,
        size: jax.Array | None = None,
        level: jax.Array | None = None,
    ) -> jax.Array: ...


def levelled_codec(
    model: LevelledModel,
    *,
    samples: int = 1,
    analyse_again: bool = True,
    drawn: float = 0.75,
    quantise: Quantiser = quantisation.split,
) -> Codec:
    """The codec; its files have `model.levels` levels.

    `forward` codes all levels, and draws `samples` members for each image at a random level,
    stratified over the batch; detail of a share of them, `drawn`, is drawn, that of the others
    is the mean. `x_hat` is the picture of all levels. In `aux`, by image: `"level"` `[B]`, from
    1 on; `"level_bits"` `[B, L]`, the estimated bits that each level adds; `"sent"`
    `[B, h, w, C]`, where the coarse plane is sent; and, stacked, first of all levels and then
    of the members, `[1 + samples, B, ...]`: `"latents"`, `"pictures"`, `"again"`, the pictures
    analysed again (or, to save that, the latents), and `"told"`, latents as far as they were
    sent, with means for the rest and zeros where the coarse plane was not: nothing that was
    drawn.

    Raises:
        ValueError: if `drawn` is no share.
    """
    if not 0 <= drawn <= 1:
        raise ValueError(f"drawn must be within 0 to 1, got {drawn}")
    base, levels, bound = transform_codec(model), model.level_of, binder(model)

    def forward(
        params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        coder = Estimator(quantise, key)
        how = samples, analyse_again, drawn
        aux = model.apply(params, image, quality, coder, key, *how, method=_members)
        bits = [jnp.zeros(image.shape[0]) for _ in range(model.levels)]
        for name, level in levels.items():
            bits[level] = bits[level] + coder.bits[name]
        aux["level_bits"] = jnp.stack(bits, axis=1)
        aux["y_hat"] = aux["latents"][0]
        return Reconstruction(aux["pictures"][0], coder.bits, aux)

    def code(params: Params, y: np.ndarray, coder: Coder, quality: float) -> np.ndarray:
        size, one = np.array(y.shape[:2], np.int32), np.full(1, quality, np.float32)
        return np.asarray(bound(params).code(y[None], coder, one, size))[0]

    def encode(
        params: Params,
        tables: TableSets,
        y: np.ndarray,
        quality: float,
        range_coder: RangeCoder,
    ) -> list[bytes]:
        encoders = [range_coder.encoder(tables) for _ in range(model.levels)]
        writers = [Writer(encoder, tables) for encoder in encoders]
        code(params, y, Routed(levels, writers), quality)
        return [encoder.finish() for encoder in encoders]

    def decode(
        params: Params,
        tables: TableSets,
        payloads: Sequence[bytes],
        quality: float,
        shape: tuple[int, int],
        range_coder: RangeCoder,
        detail: Detail | None = None,
    ) -> np.ndarray:
        decoders = [range_coder.decoder(payload, tables) for payload in payloads]
        drawn = Drawn(detail or MEAN, tables, {n: i for i, n in enumerate(levels)})
        coders = [Reader(decoder) for decoder in decoders]
        missing = [drawn] * (model.levels - len(coders))
        unknown = np.full((*shape, model.latents), np.nan, np.float32)
        y_hat = code(params, unknown, Routed(levels, [*coders, *missing]), quality)
        for decoder in decoders:
            decoder.finish()
        return y_hat

    return base._replace(
        forward=forward,
        encode=encode,
        decode=decode,
        geometry=base.geometry._replace(levels=model.levels),
        search=None,
    )


def _members(
    module: LevelledModel,
    x: jax.Array,
    quality: jax.Array,
    coder: Estimator,
    key: jax.Array,
    samples: int,
    analyse_again: bool,
    drawn: float,
) -> dict[str, jax.Array]:
    """What training sees of one batch: see `levelled_codec`."""
    batch = x.shape[0]
    strata = (jnp.arange(batch) + jax.random.uniform(prng.stream(key, "level"))) / batch
    level = 1 + jnp.floor(module.levels * strata).astype(jnp.int32)
    level = jax.random.permutation(prng.stream(key, "order"), level)
    y, kept = module.analysis(x, quality), Kept(coder)
    y_hat = module.code(y, kept, quality)

    def repeated(a: jax.Array) -> jax.Array:
        return jnp.tile(a, (samples, *[1] * (a.ndim - 1)))

    spread = jax.random.bernoulli(prng.stream(key, "spread"), drawn, (samples * batch,))
    masked = Masked(
        module.level_of,
        repeated(level),
        {name: repeated(a) for name, a in kept.answers.items()},
        prng.stream(key, "draw"),
        spread.astype(jnp.float32),
    )
    members = module.code(stop_gradient(repeated(y)), masked, repeated(quality))
    silent = Masked(
        module.level_of, level, kept.answers, prng.stream(key, "draw"), jnp.zeros(batch)
    )
    sent = module.sent(y_hat.shape, level)
    told = sent * stop_gradient(module.code(stop_gradient(y), silent, quality))
    every = jnp.concatenate([jnp.full(batch, module.levels), repeated(level)])
    latents = jnp.concatenate([y_hat, members])
    qualities = jnp.tile(quality, 1 + samples)
    pictures = module.synthesis(latents, qualities, level=every)
    again = module.analysis(pictures, qualities) if analyse_again else latents
    apart = (1 + samples, batch)
    return {
        "level": level,
        "sent": sent,
        "told": jnp.stack([stop_gradient(y_hat), *[told] * samples]),
        "latents": latents.reshape(*apart, *latents.shape[1:]),
        "pictures": pictures.reshape(*apart, *pictures.shape[1:]),
        "again": again.reshape(*apart, *again.shape[1:]),
    }
