"""What spatial context has to gain: correlation left in a codec's normalised latents.

    python -m tests.benchmarks.correlation photos/ [--model base] [--quality 50]

For each group of channels the share of the bits and the correlation of (y - mean) / scale with
its neighbours in the latent, mean and scale being the hyperprior's, over the elements whose
scale exceeds half a quantisation step. Where it is high, more steps of spatial context pay.
"""

from __future__ import annotations

import argparse
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.codecs.dkic import LEARNED_SLICES as GROUPS
from jaxlic.entropy.models import LEVELS, MAX_SCALE, MIN_SCALE
from jaxlic.files import images
from jaxlic.models import build, load_model
from jaxlic.ops.tiling import padded

NEIGHBOURS = {"right": (0, 1), "below": (1, 0), "diagonal": (1, 1), "two right": (0, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--model", default="base", help="a hyperprior without context")
    parser.add_argument("--quality", type=float, default=50)
    parser.add_argument("--limit", type=int, default=16, help="images")
    args = parser.parse_args()
    model = load_model(args.model)
    module = build(model.spec)
    sums = np.zeros((len(GROUPS), len(NEIGHBOURS), 2))
    bits = np.zeros(len(GROUPS))
    for path in images.find(args.folder)[: args.limit]:
        image = images.read(path).rgb[:1024, :1024]
        height, width = padded(*image.shape[:2], module.stride)
        pads = ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0))
        x = np.pad(image, pads, mode="edge")[None].astype(np.float32) / 255
        residual, counted = _latent(module, model.params, x, args.quality)
        first = 0
        for g, count in enumerate(GROUPS):
            part = residual[..., first : first + count]
            bits[g] += counted[..., first : first + count].sum()
            for n, (i, j) in enumerate(NEIGHBOURS.values()):
                rows, columns = part.shape[:2]
                a, b = part[: rows - i, : columns - j], part[i:, j:]
                both = np.isfinite(a) & np.isfinite(b)
                a, b = a[both], b[both]
                sums[g, n] += (a * b).sum(), 0.5 * (a * a + b * b).sum()
            first += count
    print(f"{args.model}, quality {args.quality:g}\n{'channels':12}{'bits':>7}", end="")
    print("".join(f"{name:>11}" for name in NEIGHBOURS))
    first = 0
    for g, count in enumerate(GROUPS):
        cells = "".join(f"{a / b if b else 0:>11.3f}" for a, b in sums[g])
        print(f"{first:>4} to {first + count:<5}{bits[g] / bits.sum():>6.1%}{cells}")
        first += count


def _latent(module, params, x, quality):
    """The normalised latent `[h, w, C]`, NaN where the scale is small, and its bits."""

    def run(module, x, q):
        found = []

        def coder(name, y, model, size=None):
            found.append((y, model))
            return jnp.floor(y - model.offset + 0.5) + model.offset

        module.code(module.analysis(x, q), coder, q)
        y, model = found[-1]
        step = np.log(MAX_SCALE / MIN_SCALE) / (LEVELS - 1)
        scale = MIN_SCALE * jnp.exp(step * model.indexes)
        rounded = jnp.floor(y - model.offset + 0.5)
        normal = jnp.where(scale > 0.5, (y - model.offset) / scale, jnp.nan)
        return normal[0], model.bits(rounded + model.offset)[0]

    q = jnp.full(1, quality, jnp.float32)
    function = jax.jit(lambda params, x: module.apply(params, x, q, method=run))
    return tuple(np.asarray(a) for a in function(params, x))


if __name__ == "__main__":
    main()
