"""Distances in the features of pretrained networks, with the weights they were calibrated for.

ST-LPIPS with AlexNet ships; with VGG-16 it takes a file converted from the same package
(`python -m train.features --help`). It is reported as ST-LPIPS, never as LPIPS: another
network, other numbers.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxlic.checkpoint import SHIPPED, ModelError, load_arrays
from jaxlic.nn.features import (
    Pyramid,
    Weights,
    shift_tolerant_alexnet,
    shift_tolerant_vgg16,
)

NETWORKS: dict[str, tuple[Pyramid, int]] = {
    "alex": (shift_tolerant_alexnet, 5),
    "vgg": (shift_tolerant_vgg16, 13),
}
_EPSILON = 1e-10


class Perceptual(NamedTuple):
    """A calibrated feature distance.

    Attributes:
        network: what makes features from weights and images.
        weights: of its convolutions.
        heads: how much each channel of each feature counts, `[C]` each.
    """

    network: Pyramid
    weights: Weights
    heads: Sequence[jax.Array]

    def features(self, x: jax.Array) -> list[jax.Array]:
        """Of `[B, H, W, 3]` in [0, 1]; what feature-wise losses take."""
        return self.network(self.weights, x)

    def distance(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Between images `[B, H, W, 3]` in [0, 1]: `[B]`, 0 for equal ones; differentiable.

        Squared differences of features of unit length, weighted by channel, averaged over
        positions and summed over the network's five depths (Zhang et al. 2018,
        arXiv:1801.03924, eq. 1).

        Raises:
            ValueError: if the images are not alike, RGB, and of 32 pixels a side or more.
        """
        if x.shape != y.shape:
            raise ValueError(f"images of {x.shape} and {y.shape} cannot be compared")
        total = jnp.zeros(x.shape[0])
        for a, b, head in zip(self.features(x), self.features(y), self.heads, strict=True):
            total += jnp.mean(jnp.square(_unit(a) - _unit(b)) @ head, axis=(1, 2))
        return total


def st_lpips(network: str = "alex", path: str | pathlib.Path | None = None) -> Perceptual:
    """ST-LPIPS (Ghildyal & Liu 2022, arXiv:2207.13686).

    Args:
        network: "alex", whose weights ship (float16), or "vgg".
        path: of converted weights; needed for "vgg".

    Raises:
        ModelError: if the weights are missing, damaged or of another network.
    """
    if network not in NETWORKS:
        raise ModelError(f"networks are {', '.join(NETWORKS)}, got {network!r}")
    if path is None:
        if network != "alex":
            raise ModelError(
                f"the weights of ST-LPIPS with {network} do not ship: convert them with "
                "`python -m train.features` and give their path"
            )
        path = SHIPPED / "st-lpips-alex" / "weights.safetensors"
    return assemble(network, load_arrays(path))


def assemble(network: str, arrays: dict[str, jax.Array]) -> Perceptual:
    """A distance from arrays `conv{i}/kernel`, `conv{i}/bias`, `head{i}`. Raises ModelError."""
    function, layers = NETWORKS[network]
    names = [f"conv{i}/{part}" for i in range(layers) for part in ("kernel", "bias")]
    names += [f"head{i}" for i in range(5)]
    if set(names) != set(arrays):
        raise ModelError(f"these are not the weights of ST-LPIPS with {network}")
    arrays = {name: jnp.asarray(a, jnp.float32) for name, a in arrays.items()}
    weights = {
        f"conv{i}": {part: arrays[f"conv{i}/{part}"] for part in ("kernel", "bias")}
        for i in range(layers)
    }
    return Perceptual(function, weights, [arrays[f"head{i}"] for i in range(5)])


def _unit(features):
    square = jnp.sum(jnp.square(features), axis=-1, keepdims=True)
    # The root has no slope at zero; there, none is taken.
    length = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    return features / (length + _EPSILON)
