"""What a context is worth: contexts trained alike on the same latents.

    python -m tests.benchmarks.contexts photos/ [--model pyramid-3] [--steps 300] [--seeds 0,1]
        [--contexts 4,2,2,2,2 4,2,2,2,2m 1,1,1,1,1m]

A context is its passes, and an `m` if it sees magnitudes. The transforms and the hyperprior of
the model stay as they are; every context starts fresh and gets the same crops in the same
order. Measured on photographs that none is trained on: estimated bits but for channels that
have no context, and bits plus the price that the encoder puts on errors (`error_price`), for
where bits are dear it rounds more to zero. Per cent of those of the first context that is
trained; the first row is the model's own, trained longer, as it is.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxlic import models, prng
from jaxlic.codecs.hyperprior import Hyperprior, lmbda
from jaxlic.entropy.coder import Estimator
from jaxlic.entropy.context import SpatialChannelContext
from jaxlic.entropy.models import IndexedGaussian
from jaxlic.ops import quantisation
from train.crops import crops, split
from train.parts import by_part
from train.sources import images_at

QUALITIES = (10.0, 25.0, 40.0, 55.0, 70.0)


class Latents(NamedTuple):
    """Of some crops: `[N, h, w, C]`, the model's mean and scale index, features; `[N]`."""

    y: jax.Array | np.ndarray
    offset: jax.Array | np.ndarray
    indexes: jax.Array | np.ndarray
    features: jax.Array | np.ndarray
    quality: jax.Array | np.ndarray
    hyper_bits: jax.Array | np.ndarray


def main() -> None:
    args = _parser().parse_args()
    model = models.load_model(args.model)
    module = models.build(model.spec)
    assert isinstance(module, Hyperprior) and module.context is not None
    own = {"params": model.params["params"]["context"]}
    source = images_at(args.folder)
    chosen, held = split(source, 16)
    rng = np.random.default_rng(0)
    batches = crops(source, chosen, size=256, batch=8, seed=0)
    images = (batches[k]["image"] for k in range(args.crops // 8))
    seen = gather(module, model.params, ((i, rng.uniform(1, 100, 8)) for i in images))
    middles = (middle(source[i], 384)[None] for i in held)
    tests = gather(
        module, model.params, ((m, np.full(1, q)) for m in middles for q in QUALITIES)
    )
    print(f"{args.model}, {args.steps} steps of 8 crops, {len(held)} photographs held out")
    print(
        f"{'context':14}{'seed':>5}{'all':>9}" + "".join(f"{f'q {q:g}':>9}" for q in QUALITIES)
    )
    before = measured(module.context, module, own, tests)
    base: dict[int, np.ndarray] = {}
    for name in args.contexts:
        passes = tuple(int(n) for n in name.removesuffix("m").split(","))
        context = module.context.clone(passes=passes, magnitudes=name.endswith("m"))
        for seed in (int(s) for s in args.seeds.split(",")):
            params = trained(context, module, seen, args.steps, seed, args.rate)
            found = measured(context, module, params, tests)
            if seed not in base:
                base[seed] = found
                _line("as it is", seed, before / found)
            _line(name, seed, found / base[seed])


def _line(name: str, seed: int, ratio: np.ndarray) -> None:
    for what, row in zip(("bits", "bits and errors"), 100 * (ratio.T - 1), strict=True):
        cells = "".join(f"{a:>+8.2f}%" for a in (row.mean(), *row))
        print(f"{name:14}{seed:>5}{cells}  {what}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--model", default="pyramid-3", help="a codec with a context")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--crops", type=int, default=1600, help="to train on, 256x256")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--contexts", nargs="+", default=["4,2,2,2,2", "4,2,2,2,2m"])
    return parser


def middle(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of an image, at most `side` each way and a multiple of 128."""
    height, width = (min(side, n) // 128 * 128 for n in image.shape[:2])
    top, left = ((n - m) // 2 for n, m in zip(image.shape, (height, width), strict=False))
    return image[top : top + height, left : left + width]


def gather(module: Hyperprior, params, examples: Iterator[tuple[np.ndarray, np.ndarray]]):
    """What the context is told of each batch of images, and what it shall code."""

    def ask(m: Hyperprior, x, quality):
        y = m.analysis(x, quality)[..., : m.latents - m.extra]
        coder = Estimator(quantisation.hard, jax.random.key(0))
        z_hat = coder("z", m.hyper_analysis(y, quality, None), m.prior(), None)
        model, features = m.hyper_synthesis(z_hat, quality, None)
        offset, indexes = (a[..., : y.shape[-1]] for a in (model.offset, model.indexes))
        return Latents(y, offset, indexes, features, quality, coder.bits["z"])

    run = jax.jit(lambda x, q: module.apply(params, x, q, method=ask))
    found = []
    for image, quality in examples:
        x = jnp.asarray(image, jnp.float32) / 255
        found.append(jax.device_get(run(x, jnp.asarray(quality, jnp.float32))))
    if len({batch.y.shape for batch in found}) > 1:
        return found
    return [Latents(*(np.concatenate(parts) for parts in zip(*found, strict=True)))]


def bits(context, params, given: Latents, price: float, quantise, key):
    """`[B]` each: bits of the latent, squared error of its rounding in steps."""
    model = IndexedGaussian(given.offset, given.indexes, price=price)
    coder = Estimator(quantise, key)
    y_hat = context.apply(
        params, given.y, coder, model, given.features, given.quality, method="code"
    )
    return sum(coder.bits.values()), jnp.sum(jnp.square(y_hat - given.y), axis=(1, 2, 3))


def trained(context: SpatialChannelContext, module: Hyperprior, seen, steps, seed, rate):
    """A fresh context after `steps` steps on the latents `seen`."""
    (given,) = seen
    optimizer = by_part(
        {"context": rate, "linear": 1e-5},
        with_muon={"context"},
        warmup=20,
        falling=int(0.7 * steps),
        steps=steps,
    )
    pixels = given.y[0, ..., 0].size * module.latent_stride**2

    def loss(params, batch, key):
        cost, _ = bits(
            context, unwrapped(params), batch, module.error_price, quantisation.split, key
        )
        weight = (lmbda(batch.quality, between=module.lambdas) / 0.015) ** -0.3 / pixels
        return jnp.mean(weight * cost)

    @jax.jit
    def step(params, state, batch, key):
        gradient = jax.grad(loss)(params, batch, key)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    key, rng = jax.random.key(seed), np.random.default_rng(seed)
    example = Latents(*(jnp.asarray(a[:1]) for a in given))
    fresh = context.init(
        key,
        example.y,
        Estimator(quantisation.hard, key),
        IndexedGaussian(example.offset, example.indexes),
        example.features,
        example.quality,
        method="code",
    )
    params = {"params": {"context": fresh["params"]}}
    state = optimizer.init(params)
    for k in range(steps):
        rows = rng.integers(0, len(given.y), 8)
        batch = Latents(*(jnp.asarray(a[rows]) for a in given))
        params, state = step(params, state, batch, prng.stream(key, f"{k}"))
    return unwrapped(params)


def unwrapped(params):
    """The context's own parameters."""
    return {"params": params["params"]["context"]}


def measured(context, module: Hyperprior, params, tests) -> np.ndarray:
    """`[qualities, 2]`: bits, and bits plus the price of errors, of all photographs."""
    run = jax.jit(
        lambda given: bits(
            context, params, given, module.error_price, quantisation.hard, jax.random.key(0)
        )
    )
    sums = np.zeros((len(QUALITIES), 2))
    for batch in tests:
        for k in range(len(batch.y)):
            given = Latents(*(jnp.asarray(a[k : k + 1]) for a in batch))
            cost, error = run(given)
            total = float(cost[0] + given.hyper_bits[0])
            where = QUALITIES.index(float(given.quality[0]))
            sums[where] += total, total + module.error_price * float(error[0])
    return sums


if __name__ == "__main__":
    main()
