"""Training against a critic."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxlic.core import Codec, Geometry, Reconstruction
from jaxlic.losses import adversarial
from jaxlic.losses.synonymous import synonymous_loss
from jaxlic.nn.critic import PatchCritic
from train.adversary import CRITIC, beside_a_critic, codec_alone, with_critic
from train.experiment import load_experiment
from train.step import init_state


def _toy():
    """A codec whose picture is the image times a number, and one member of half that."""

    def forward(params, image, quality, key):
        pictures = params["params"]["scale"] * jnp.stack([image, image / 2])
        level = jnp.ones(len(image), jnp.int32)
        latents = jnp.ones((2, len(image), 4, 4, 5))
        aux = {"pictures": pictures, "latents": latents, "told": latents, "level": level}
        aux["level_bits"] = jnp.ones((len(image), 3))
        return Reconstruction(pictures[0], {"z": jnp.ones(len(image))}, aux)

    def init(image, key):
        return {"params": {"scale": jnp.full((), 0.5)}}

    geometry = Geometry(16, 4, 5, 16)
    return Codec(init, forward, *[None] * 6, geometry)


LOSS = synonymous_loss(None, consistent=0.0, against=True)


@pytest.fixture(scope="module")
def codec():
    return with_critic(_toy(), PatchCritic(widths=(8, 8), told=3))


@pytest.fixture(scope="module")
def params(codec):
    return codec.init(jnp.zeros((1, 16, 16, 3)), jax.random.key(0))


def test_each_learns_from_its_own_loss(codec, params):
    image = jax.random.uniform(jax.random.key(0), (2, 16, 16, 3))

    def part(params, name):
        aux = codec.forward(params, image, jnp.full(2, 40.0), jax.random.key(1)).aux
        if name == "codec":
            return adversarial.generator(aux["fake"]).mean()
        return adversarial.critic(aux["real_seen"], aux["fake_seen"]).mean()

    def moved(tree):
        return any(np.abs(a).max() > 0 for a in jax.tree.leaves(tree))

    for name in ("codec", CRITIC):
        found = jax.grad(part)(params, name)
        assert moved(codec_alone(found)) == (name == "codec")
        assert moved(found[CRITIC]) == (name == CRITIC)


def test_a_critic_learns_to_tell_pictures_from_photographs(codec, params):
    optimizer = beside_a_critic(optax.sgd(0.0), optax.adam(1e-2))
    image = jax.random.uniform(jax.random.key(0), (2, 16, 16, 3))

    @jax.jit
    def step(params, state):
        def loss(params):
            rec = codec.forward(params, image, jnp.full(2, 40.0), jax.random.key(1))
            return LOSS({"image": image}, rec)

        slopes, metrics = jax.grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(slopes, state, params)
        return optax.apply_updates(params, updates), state, metrics

    state, losses = optimizer.init(params), []
    for _ in range(30):
        params, state, metrics = step(params, state)
        losses.append(float(metrics["critic"]))
    assert losses[-1] < 0.7 * losses[0]
    assert float(params["params"]["scale"]) == 0.5
    # Fooling it is part of the loss, with the weight of the distance.
    assert float(metrics["fooled"]) > np.log(2)


def test_the_config_trains_a_critic_that_is_not_exported():
    e = load_experiment(
        pathlib.Path(__file__).parents[2] / "configs" / "sic.py", {"adversarial": True}
    )
    shapes = jax.eval_shape(lambda: init_state(e))
    assert set(shapes.params) == {"params", CRITIC}
    assert set(codec_alone(shapes.ema)) == {"params"}
    kernels = [a for a in jax.tree.leaves(shapes.params[CRITIC]) if a.ndim == 4]
    assert (
        sum(a.size for a in kernels)
        == 3 * 3 * 320 * 12 + 4 * 4 * (15 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 512
    )
