"""One training step: a pure function `(state, batch) -> (state, metrics)`."""

from __future__ import annotations

import functools
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
    stride = e.codec.stride
    if e.crop % stride:
        raise ConfigError(f"crop must be a multiple of {stride}, got {e.crop}")
    example = jnp.zeros((1, stride, stride, 3))
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

    They carry `e.margin` pixels more than the crop on every side, for `e.maps`. A step whose
    loss, gradient or update is not finite changes nothing but the count of steps, so that the
    next one sees other images; its metrics say so: `"skipped"` is 1.
    """
    inside = slice(e.margin, -e.margin or None)

    def gradient(params: Params, batch: Batch, key: jax.Array) -> tuple[Params, Metrics]:
        image = batch["image"].astype(jnp.float32) / 255
        maps = {name: f(image)[:, inside, inside] for name, f in e.maps.items()}
        image = image[:, inside, inside]
        if "target" in batch:  # A file of the user's own goes before a computed one.
            maps["target"] = batch["target"].astype(jnp.float32)[:, inside, inside] / 255
        seen = {**batch, **maps, "image": image}

        def loss(params: Params) -> tuple[jax.Array, Metrics]:
            return e.loss(seen, e.codec.forward(params, image, batch["quality"], key))

        return jax.grad(loss, has_aux=True)(params)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = prng.stream(jax.random.key(e.seed), "train", state.step)
        images = batch["image"].shape[0]
        quality = draw_quality(prng.stream(key, "quality"), images, e.qualities)
        batch, key = {**batch, "quality": quality}, prng.stream(key, "forward")
        gradients, metrics = accumulated(gradient, state.params, batch, key, e.accumulate)
        updates, opt_state = e.optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        # The average starts short, so that early exports are not the initialisation. What does
        # not move stays as it is to the bit.
        decay = jnp.minimum(e.ema_decay, (1 + state.step) / (10 + state.step))
        ema = jax.tree.map(lambda a, p: a + (1 - decay) * (p - a), state.ema, params)
        squares = (jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradients))
        metrics["gradient_norm"] = jnp.sqrt(sum(squares))
        watched = (metrics["loss"], metrics["gradient_norm"], params)
        finite = jnp.array([jnp.isfinite(a).all() for a in jax.tree.leaves(watched)]).all()
        metrics["skipped"] = 1.0 - finite
        after = TrainState(state.step, params, opt_state, ema)
        after = jax.tree.map(functools.partial(jnp.where, finite), after, state)
        return after.replace(step=state.step + 1), metrics

    return step


Gradient = Callable[[Params, Batch, jax.Array], tuple[Params, Metrics]]


def accumulated(
    gradient: Gradient, params: Params, batch: Batch, key: jax.Array, parts: int
) -> tuple[Params, Metrics]:
    """`gradient(params, batch, key)` as the mean of that of equal parts, one after the other.

    Every `parts`-th image makes a part: each has images of every device and of all qualities.
    With more than one the keys differ from part to part, and from that of the whole.
    """
    if parts == 1:
        return gradient(params, batch, key)

    def split(a):
        return a.reshape(-1, parts, *a.shape[1:]).swapaxes(0, 1)

    def add(total, part):
        number, images = part
        found = gradient(params, images, prng.stream(key, "part", number))
        return jax.tree.map(jnp.add, total, found), None

    pieces = jnp.arange(parts), jax.tree.map(split, batch)
    shapes = jax.eval_shape(gradient, params, jax.tree.map(lambda a: a[0], pieces[1]), key)
    zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    total, _ = jax.lax.scan(add, zeros, pieces)
    return jax.tree.map(lambda a: a / parts, total)
