"""One training step: a pure function `(state, batch) -> (state, metrics)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.struct
import flax.traverse_util
import jax
import jax.numpy as jnp
import optax

from jaxlic import prng
from jaxlic.core import MAX_QUALITY, MIN_QUALITY, Batch, Metrics, Params
from train.experiment import ConfigError, Experiment


@flax.struct.dataclass
class TrainState:
    """Everything that changes. No keys: they are derived from the seed and the step."""

    step: jax.Array
    params: Params
    opt_state: Any
    ema: Params


def init_state(e: Experiment, start: Params | None = None) -> TrainState:
    """The state before the first step; arrays of `start` replace fresh ones (`adopt`)."""
    example = jnp.zeros((1, e.codec.stride, e.codec.stride, 3))
    params = e.codec.init(example, prng.stream(jax.random.key(e.seed), "init"))
    if start is not None:
        params, _ = adopt(params, start)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        opt_state=e.optimizer.init(params),
        ema=jax.tree.map(jnp.copy, params),
    )


def adopt(fresh: Params, start: Params) -> tuple[Params, list[str]]:
    """`fresh` with the arrays of `start` wherever place and shape agree.

    Returns:
        The parameters, and the places that stayed fresh.

    Raises:
        ConfigError: if none do.
    """
    fresh = flax.traverse_util.flatten_dict(fresh, sep="/")
    start = flax.traverse_util.flatten_dict(start, sep="/")
    taken = {
        name: start[name]
        for name, a in fresh.items()
        if name in start and start[name].shape == a.shape
    }
    if not taken:
        raise ConfigError("the weights to start from have no array in common with the model")
    params = flax.traverse_util.unflatten_dict({**fresh, **taken}, sep="/")
    return params, [name for name in fresh if name not in taken]


def draw_quality(
    key: jax.Array, batch: int, between: tuple[float, float] = (MIN_QUALITY, MAX_QUALITY)
) -> jax.Array:
    """One quality an image, `[batch]`: uniform over a range, stratified over the batch."""
    strata = jnp.arange(batch) + jax.random.uniform(key, (batch,))
    return between[0] + (between[1] - between[0]) * strata / batch


def make_step(e: Experiment) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
    """The step of experiment `e`. The batch is uint8 images `[B, H, W, 3]` as `"image"`.

    They carry `e.margin` pixels more than the crop on every side, for `e.maps`.
    """

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = prng.stream(jax.random.key(e.seed), "train", state.step)
        image = batch["image"].astype(jnp.float32) / 255
        inside = slice(e.margin, -e.margin or None)
        maps = {name: f(image)[:, inside, inside] for name, f in e.maps.items()}
        image = image[:, inside, inside]
        if "target" in batch:  # A file of the user's own goes before a computed one.
            maps["target"] = batch["target"].astype(jnp.float32)[:, inside, inside] / 255
        quality = draw_quality(prng.stream(key, "quality"), image.shape[0], e.qualities)
        batch = {**batch, **maps, "image": image, "quality": quality}

        def loss(params: Params) -> tuple[jax.Array, Metrics]:
            rec = e.codec.forward(params, image, quality, prng.stream(key, "forward"))
            return e.loss(batch, rec)

        gradients, metrics = jax.grad(loss, has_aux=True)(state.params)
        updates, opt_state = e.optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        # The average starts short, so that early exports are not the initialisation.
        decay = jnp.minimum(e.ema_decay, (1 + state.step) / (10 + state.step))
        ema = jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, state.ema, params)
        squares = (jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradients))
        metrics["gradient_norm"] = jnp.sqrt(sum(squares))
        return TrainState(state.step + 1, params, opt_state, ema), metrics

    return step
