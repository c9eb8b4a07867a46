"""A codec of two matrices, for tests of the loop: real training that compiles in a second.

python -m train tests/train/toy.py --workdir DIR --data FOLDER
"""

import functools

import jax
import jax.numpy as jnp
import optax

from jaxlic import prng
from jaxlic.codecs.hyperprior import lmbda
from jaxlic.core import Builder, Codec, Geometry, Reconstruction
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.models import Spec
from train.experiment import Experiment

CHANNELS = 6


def _init(image, key):
    into = jax.random.normal(prng.stream(key, "into"), (3, CHANNELS))
    back = jax.random.normal(prng.stream(key, "back"), (CHANNELS, 3)) / CHANNELS
    return {"params": {"into": into, "back": back}}


def _forward(params, image, quality, key, *, width=1.0):
    """Noise of `width` instead of rounding; the bits are those of a Laplacian, about."""
    weights = params["params"]
    y = (image - 0.5) @ weights["into"] * quality[:, None, None, None]
    y_hat = y + width * jax.random.uniform(key, y.shape, minval=-0.5, maxval=0.5)
    x_hat = y_hat / quality[:, None, None, None] @ weights["back"] + 0.5
    bits = jnp.sum(jnp.log2(1 + jnp.abs(y_hat)), axis=(1, 2, 3))
    return Reconstruction(x_hat, {"y": bits}, {"y_hat": y_hat})


def _assemble(model, width=1.0):
    forward = functools.partial(_forward, width=width)
    return Codec(_init, forward, *(None,) * 6, Geometry(8, 1, CHANNELS, 0))


def experiment(
    *,
    steps: int = 40,
    batch: int = 8,
    crop: int = 16,
    learning_rate: float = 1e-3,
    accumulate: int = 1,
    max_skipped: int = 3,
    log_every: int = 10,
    eval_every: int = 0,
    save_minutes: float = 5.0,
    init_from: str | None = None,
    seed: int = 0,
) -> Experiment:
    return Experiment(
        name="toy",
        spec=Spec("toy", {}),
        builders=(Builder("toy", dict, _assemble),),
        loss=rate_distortion(lmbda),
        optimizer=optax.adam(learning_rate),
        crop=crop,
        batch=batch,
        steps=steps,
        accumulate=accumulate,
        max_skipped=max_skipped,
        log_every=log_every,
        eval_every=eval_every,
        save_minutes=save_minutes,
        init_from=init_from,
        seed=seed,
    )
