"""Weights of a lapped codec as a start for a larger one: `python -m train.extend`.

MODEL is `dkic`, `base` or a folder of such weights. The pyramid starts at zero and dynamic
groups are left out, so that OUT decodes to what MODEL would without them. What depends on
quality is read at the same lambda: the pyramid codec's scale goes on beyond theirs, where the
step sizes follow the lambda and all else stays as at its end. Latents that MODEL does not have
take gains and scales from the nearest ones that it has.

With `--sic` MODEL is a folder of the pyramid codec, and OUT a start for `configs/sic.py`: its
coarse plane codes as MODEL does, latents beyond its own are left out, and its context sees
magnitudes if MODEL's does.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
import re
import sys

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from jaxlic import models
from jaxlic.codecs import hyperprior, pyramid
from jaxlic.codecs.hyperprior import Hyperprior
from jaxlic.codecs.transform import transform_codec
from jaxlic.core import Params
from jaxlic.entropy.hyper import ACTIVATION, INDEX_FRACTION, QUALITY_LEVELS
from jaxlic.entropy.models import LEVELS, MAX_SCALE, MIN_SCALE
from jaxlic.errors import Error
from jaxlic.models import Spec
from jaxlic.nn.pyramid import ANCHORS
from jaxlic.ops.lapped import coefficients

# The blocks at 1/16 are those that a picture misses least: 0.1 dB or less each at qualities 9
# and 40, where one at 1/8 or above costs 0.2 to 5.
SIC = {"synthesis_depths": [1, 2, 3], "synthesis_blocks": [2, 0]}
_BLOCKS = re.compile(r"(params/synthesis_transform/ResidualBlock_)(\d+)(/.*)")


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m train.extend", description=__doc__)
    parser.add_argument("model", help="an id of shipped weights or a folder")
    parser.add_argument("out", type=pathlib.Path, help="the folder to write")
    parser.add_argument("--sic", action="store_true", help="a start for the codec sic")
    args = parser.parse_args(argv)
    try:
        start = flatten(models.load_params(args.model))
        known = models.card(args.model)["settings"]
        spec = Spec("pyramid.lapped", {})
        if args.sic:
            seen = {name: known[name] for name in ("magnitudes",) if name in known}
            spec = Spec("sic.lapped", seen | SIC)
        model = models.build(spec)
        init = jax.jit(transform_codec(model).init)
        fresh = flatten(init(jnp.zeros((1, model.stride, model.stride, 3)), jax.random.key(0)))
        flat = narrowed(start, fresh) if args.sic else extended(start, fresh, model)
        params = flax.traverse_util.unflatten_dict(flat, sep="/")
        told = {"id": "start", "number": 0}
        if args.sic and args.model in models.shipped():
            told["parent"] = args.model  # What is as there stays so to the bit.
        models.save_model(args.out, params, spec, told)
    except (Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def flatten(params: Params) -> dict[str, np.ndarray]:
    """Parameters by path, on the host."""
    return flax.traverse_util.flatten_dict(jax.device_get(params), sep="/")


def extended(
    start: dict[str, np.ndarray], fresh: dict[str, np.ndarray], model: Hyperprior
) -> dict[str, np.ndarray]:
    """`fresh`, the parameters of the pyramid codec `model`, with all that `start` can tell.

    Raises:
        Error: if `start` is not of the codec `base` or `dkic`.
    """
    out, gains = dict(fresh), start.get("params/gain/log_gain")
    if gains is None or len(gains) == ANCHORS:
        raise Error("what is extended is base, dkic, or weights of their kind (see also --sic)")
    known = start["params/gain/log_gain"].shape[1]
    for name, a in start.items():
        if name not in fresh:
            continue
        if name.endswith("/log_gain"):
            a = _resampled(a)
        if a.shape == fresh[name].shape:
            out[name] = a
    features, latents = model.analysis_transform.features, model.latents
    like = nearest(features, latents, known)
    for name in ("params/gain/log_gain", "params/inverse_gain/log_gain"):
        out[name] = _resampled(start[name])[:, like]
    level, span = _levels()
    head = "params/hyper_synthesis/"
    for part in ("mean", "index"):
        kernel, bias = (start[f"{head}{part}/{end}"] for end in ("kernel", "bias"))
        out[f"{head}{part}/kernel"] = kernel[..., like].copy()
        out[f"{head}{part}/bias"] = bias[like].copy()
    out[f"{head}mean/kernel"][..., known:] = 0
    out[f"{head}mean/bias"][known:] = 0
    shift = span + _fainter(features, latents, like)
    out[f"{head}index/bias"] += shift / (10 * 2**INDEX_FRACTION)
    # The integer level of quality, the last input of two layers, has another slope and zero.
    slope, zero = level
    for layer, unit in ((f"{head}up_0", 1), ("params/context/summarise/conv", 2**-ACTIVATION)):
        if layer + "/kernel" in start:
            kernel = start[layer + "/kernel"].copy()
            out[layer + "/bias"] = start[layer + "/bias"] + zero * unit * kernel[:, :, -1].sum(
                axis=(0, 1)
            )
            kernel[:, :, -1] *= slope
            out[layer + "/kernel"] = kernel
    return {name: np.ascontiguousarray(a) for name, a in out.items()}


def narrowed(
    start: dict[str, np.ndarray], fresh: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """`fresh` with the arrays of `start`, of which it may have the first columns alone.

    Of the synthesis's residual blocks it may have the last alone.

    Raises:
        Error: if there is nothing to take.
    """
    out, dropped = dict(fresh), len(_numbers(start)) - len(_numbers(fresh))
    for name, a in start.items():
        if block := _BLOCKS.match(name):
            name = f"{block[1]}{int(block[2]) - dropped}{block[3]}"
        wanted = fresh[name].shape if name in fresh else ()
        if wanted and a.shape[:-1] == wanted[:-1] and a.shape[-1] >= wanted[-1]:
            out[name] = np.ascontiguousarray(a[..., : wanted[-1]])
    if all(out[name] is fresh[name] for name in fresh):
        raise Error("the model has no array in common with the codec sic")
    return out


def _numbers(flat):
    """Of the residual blocks of the synthesis."""
    return {int(block[2]) for block in map(_BLOCKS.match, flat) if block}


def nearest(features: int, latents: int, known: int) -> np.ndarray:
    """For each latent the one of the first `known` of its colour with the nearest frequency."""
    places = _frequencies(features, latents)
    distance = np.abs(places[:, None] - places[None, :known]) @ np.array([1, 1, 1000.0])
    return distance.argmin(axis=1)


def _frequencies(features, latents):
    """(vertical, horizontal, colour) of each latent, as `merge_kernel` sorts them."""
    bands = []
    for channel, (u, v, colour) in enumerate(coefficients(features)):
        for s, t in itertools.product(range(2), range(2)):
            fu, fv = 2 * u + (s ^ (u & 1)), 2 * v + (t ^ (v & 1))
            bands.append((np.hypot(fu, fv) * (1 + bool(colour)), channel, s, t, fu, fv, colour))
    return np.array([band[4:] for band in sorted(bands)[:latents]], float)


def _fainter(features, latents, like):
    """By how many scale indices a latent is fainter than the one it takes after.

    Amplitudes of photographs fall with the square of the frequency, roughly.
    """
    radius = 1 + np.hypot(*_frequencies(features, latents)[:, :2].T)
    index = np.log(MAX_SCALE / MIN_SCALE) / (LEVELS - 1)
    return -2 * np.log(radius / radius[like]) / index


def _position():
    """Slope and zero of the old position in its range, 0 to 1, as a function of the new."""
    low, high = pyramid.LAMBDAS
    old = np.log(hyperprior.MAX_LMBDA / hyperprior.MIN_LMBDA)
    return np.log(high / low) / old, np.log(low / hyperprior.MIN_LMBDA) / old


def _resampled(table):
    """A table of gains, anchors first, read at the new anchors."""
    slope, zero = _position()
    at = np.clip(slope * np.linspace(0, 1, ANCHORS) + zero, 0, 1) * (len(table) - 1)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(len(table))))
    return (weights @ table).astype(np.float32)


def _levels():
    """Slope and zero of the old level of quality, and what is missing in the scale index."""
    slope, zero = _position()
    middle = slope / 2 + zero - 1 / 2
    return (slope, QUALITY_LEVELS * middle), 19 * middle


if __name__ == "__main__":
    sys.exit(main())
