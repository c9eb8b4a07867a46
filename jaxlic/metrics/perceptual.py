"""Distances in the features of pretrained networks, with the weights they were calibrated for.

ST-LPIPS with AlexNet ships. For the others the heads ship, and the networks, which cannot be
had without a download, come from a file of the user's (`python -m jaxlic.metrics.convert
--help`). A file names what it was converted from, and nothing else is taken: a number under one
of these names is always that of the published weights. ST-LPIPS is not LPIPS: other networks,
other numbers.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.errors import ModelError
from jaxlic.files.weights import SHIPPED, load_arrays
from jaxlic.metrics import features
from jaxlic.metrics.features import Pyramid, Weights

_HEADS = SHIPPED / "perceptual-heads" / "weights.safetensors"
# The SHA-256 of the published files begins so; torchvision has it in the files' names.
_SOURCES = {
    "st-lpips-alex": "b356b382f96010f7",
    "st-lpips-vgg": "44597da68f49c183",
    "lpips-alex": "7be5be79",
    "lpips-vgg": "397923af",
    "dists": "397923af",
}
_NETWORKS: dict[str, tuple[Pyramid, int]] = {
    "st-lpips-alex": (features.shift_tolerant_alexnet, 5),
    "st-lpips-vgg": (features.shift_tolerant_vgg16, 13),
    "lpips-alex": (features.alexnet, 5),
    "lpips-vgg": (features.vgg16, 13),
    "dists": (features.dists_vgg16, 13),
}
METRICS = tuple(_NETWORKS)


class Perceptual(NamedTuple):
    """A calibrated feature distance.

    Attributes:
        network: what makes features from weights and images.
        weights: of its convolutions.
        heads: how much each channel of each feature counts, `[C]` each; for DISTS `[2, C]`,
            texture and structure.
    """

    network: Pyramid
    weights: Weights
    heads: Sequence[jax.Array]

    def features(self, x: jax.Array) -> list[jax.Array]:
        """Of `[B, H, W, 3]` in [0, 1]; what feature-wise losses take."""
        return self.network(self.weights, x)

    def distance(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Between images `[B, H, W, 3]` in [0, 1]: `[B]`, 0 for equal ones; differentiable.

        Raises:
            ValueError: if the images are not alike, RGB, and of 32 pixels a side or more.
        """
        if x.shape != y.shape:
            raise ValueError(f"images of {x.shape} and {y.shape} cannot be compared")
        return self.between(self.features(x), self.features(y))

    def between(self, x: list[jax.Array], y: list[jax.Array]) -> jax.Array:
        """The distance of images whose `features` are known, such as those of an original."""
        pairs = zip(x, y, self.heads, strict=True)
        if self.network is features.dists_vgg16:
            return 1 - sum(_texture_and_structure(a, b, head) for a, b, head in pairs)
        return sum(_unit_difference(a, b, head) for a, b, head in pairs)


def perceptual(
    metric: str = "st-lpips-alex", *, path: str | pathlib.Path | None = None
) -> Perceptual:
    """A distance by its name.

    st-lpips-alex, st-lpips-vgg: Ghildyal & Liu 2022, arXiv:2207.13686. lpips-alex, lpips-vgg:
    Zhang et al. 2018, arXiv:1801.03924, version 0.1. dists: Ding et al. 2020, arXiv:2004.07728.

    Args:
        metric: one of `METRICS`.
        path: of the converted network; only "st-lpips-alex" does without (it ships, float16).

    Raises:
        ModelError: if the weights are missing, damaged, or not those the metric was made for.
    """
    if metric not in METRICS:
        raise ModelError(f"perceptual metrics are {', '.join(METRICS)}, got {metric!r}")
    if path is None:
        if metric != "st-lpips-alex":
            raise ModelError(
                f"the network of {metric} does not ship: convert it with "
                "`python -m jaxlic.metrics.convert` and give its path"
            )
        path = SHIPPED / "st-lpips-alex" / "weights.safetensors"
    arrays, source = load_arrays(path)
    if not source.startswith(_SOURCES[metric]):
        raise ModelError(f"{path}: is not the published network of {metric}")
    return assemble(metric, arrays)


def assemble(metric: str, arrays: dict[str, np.ndarray]) -> Perceptual:
    """A distance from any weights of the right names; its values mean nothing by themselves.

    Raises:
        ModelError: if the arrays `conv{i}/kernel`, `conv{i}/bias` (and, for ST-LPIPS,
            `head{i}`) are not those of the network.
    """
    function, layers = _NETWORKS[metric]
    names = [f"conv{i}/{part}" for i in range(layers) for part in ("kernel", "bias")]
    own = [f"head{i}" for i in range(5)] if metric.startswith("st-") else []
    if set(names + own) != set(arrays):
        raise ModelError(f"these are not the weights of a network for {metric}")
    own_arrays = {name: jnp.asarray(a, jnp.float32) for name, a in arrays.items()}
    weights = {
        f"conv{i}": {part: own_arrays[f"conv{i}/{part}"] for part in ("kernel", "bias")}
        for i in range(layers)
    }
    if own:
        return Perceptual(function, weights, [own_arrays[name] for name in own])
    shipped, _ = load_arrays(_HEADS)
    count = 6 if metric == "dists" else 5
    heads = [jnp.asarray(shipped[f"{metric}/head{i}"]) for i in range(count)]
    return Perceptual(function, weights, heads)


def over_views(
    distance: Callable[[jax.Array, jax.Array], jax.Array],
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The mean of a distance at full and at half size, each pair turned its own way.

    What a network can be fooled with at one scale and one way up it mostly sees at another, so
    an image that is trained against this distance is fitted less to the one network's blind
    spots. Image i of a batch is turned by symmetry i of the square's eight: no key is taken,
    for what is where in a batch is random already.

    Args:
        distance: of two batches of square images `[B, H, H, 3]`, `[B]`; H / 2 must suit it.

    Source: the idea is E-LPIPS's (Kettunen et al. 2019, arXiv:1906.03973); the views are ours.
    """

    def seen(x: jax.Array, y: jax.Array) -> jax.Array:
        x, y = _turned(x), _turned(y)
        return (distance(x, y) + distance(_halved(x), _halved(y))) / 2

    return seen


def _turned(x):
    def turn(a, way):
        a = a.swapaxes(0, 1) if way & 1 else a
        return a[:: -1 if way & 2 else 1, :: -1 if way & 4 else 1]

    return jnp.stack([turn(a, i % 8) for i, a in enumerate(x)])


def _halved(x):
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))


def _unit_difference(a, b, head):
    """Squared difference of features of unit length, by channel; mean over positions."""
    return jnp.mean(jnp.square(_unit(a) - _unit(b)) @ head, axis=(1, 2))


def _unit(a):
    square = jnp.sum(jnp.square(a), axis=-1, keepdims=True)
    # The root has no slope at zero; there, none is taken.
    length = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    return a / (length + 1e-10)


def _texture_and_structure(a, b, head):
    """Similarity of means and of what varies, by channel."""
    mean_a, mean_b = a.mean(axis=(1, 2)), b.mean(axis=(1, 2))
    var_a, var_b = a.var(axis=(1, 2)), b.var(axis=(1, 2))
    covariance = (a * b).mean(axis=(1, 2)) - mean_a * mean_b
    c = 1e-6
    texture = (2 * mean_a * mean_b + c) / (mean_a**2 + mean_b**2 + c)
    structure = (2 * covariance + c) / (var_a + var_b + c)
    return texture @ head[0] + structure @ head[1]
