"""Fréchet distance between sets of images, in features of EfficientNet-Lite0.

What FID is (Heusel et al. 2017, arXiv:1706.08500) with another network and therefore with
other numbers, under its own name: FD-EffNetLite0. The network comes from a file of the user's
(`python -m jaxlic.metrics.convert --help`), and nothing but the published one is taken. On
patches, as Mentzer et al. 2020 (arXiv:2006.09965) take FID for compressed images. With fewer
patches than features (1280) the distance is too large; compare only what was measured on as
many.
"""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.errors import ModelError
from jaxlic.files.weights import load_arrays
from jaxlic.metrics import efficientnet

PATCH, _SHORTER = 224, 256
_SOURCE = "579344248a93e230"  # How the SHA-256 of the published file begins.


class Statistics(NamedTuple):
    """A Gaussian: mean `[F]` and covariance `[F, F]`, float64."""

    mean: np.ndarray
    covariance: np.ndarray


def extractor(path: str | pathlib.Path) -> Callable[[jax.Array], jax.Array]:
    """Features `[B, 1280]` of `[B, H, W, 3]` in [0, 1]; jittable, differentiable.

    Args:
        path: of the converted network.

    Raises:
        ModelError: if it cannot be read or is not the published one.
    """
    arrays, source = load_arrays(path)
    if not source.startswith(_SOURCE):
        raise ModelError(f"{path}: is not the published network of fd-effnetlite0")
    return assemble(arrays)


def assemble(arrays: dict[str, np.ndarray]) -> Callable[[jax.Array], jax.Array]:
    """As `extractor`, of any weights of the right names and shapes.

    Raises:
        ModelError: if they are not those of the network.
    """
    expected = {f"{name}/kernel": shape for name, shape in efficientnet.shapes().items()}
    expected |= {
        name.replace("kernel", "bias"): (shape[-1],) for name, shape in expected.items()
    }
    found = {n: a.shape for n, a in arrays.items() if not n.startswith("classifier/")}
    if found != expected:
        raise ModelError("these are not the weights of EfficientNet-Lite0")
    weights = {
        name: {
            part: jnp.asarray(arrays[f"{name}/{part}"], jnp.float32)
            for part in ("kernel", "bias")
        }
        for name in efficientnet.shapes()
    }
    return lambda x: efficientnet.efficientnet_lite0(weights, x)


def classifier(path: str | pathlib.Path) -> Callable[[jax.Array], jax.Array]:
    """Logits `[B, 1000]` of ImageNet's classes, of `[B, H, W, 3]` in [0, 1]; jittable.

    The middle 224 pixels after the shorter side was reduced to 256, as the network is tested.

    Args:
        path: of the converted network.

    Raises:
        ModelError: as `extractor`, or if it was converted without its classifier.
    """
    features, (arrays, _) = extractor(path), load_arrays(path)
    kernel, bias = (arrays.get(f"classifier/{part}") for part in ("kernel", "bias"))
    if kernel is None or bias is None or kernel.shape != (efficientnet.FEATURES, len(bias)):
        raise ModelError(f"{path}: has no classifier; convert the network again")

    def logits(x: jax.Array) -> jax.Array:
        height, width = x.shape[1:3]
        scale = _SHORTER / min(height, width)
        size = max(round(height * scale), _SHORTER), max(round(width * scale), _SHORTER)
        small = jax.image.resize(x, (len(x), *size, 3), "linear", antialias=True)
        top, left = ((n - PATCH) // 2 for n in size)
        middle = small[:, top : top + PATCH, left : left + PATCH]
        return features(middle) @ jnp.asarray(kernel, jnp.float32) + jnp.asarray(bias)

    return logits


def patches(image: np.ndarray, size: int = PATCH) -> np.ndarray:
    """Squares of `[H, W, 3]`: `[N, size, size, 3]`, on a grid and on one half a square off.

    The grid is centred. An image smaller than a square has none.
    """
    found = []
    for start in (0, size // 2):
        top, left = (n % size // 2 + start for n in image.shape[:2])
        for y in range(top, image.shape[0] - size + 1, size):
            for x in range(left, image.shape[1] - size + 1, size):
                found.append(image[y : y + size, x : x + size])
    return np.array(found).reshape(-1, size, size, 3)


def statistics(features: np.ndarray) -> Statistics:
    """Of `[N, F]`, N two or more.

    Raises:
        ValueError: if there are fewer.
    """
    features = np.asarray(features, np.float64)
    if len(features) < 2:
        raise ValueError(f"a covariance needs two patches, got {len(features)}")
    return Statistics(features.mean(axis=0), np.cov(features, rowvar=False))


def distance(a: Statistics, b: Statistics) -> float:
    """`|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`, at least 0.

    In float64 on the host: the roots of small eigenvalues have no digits left in float32.
    """
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    among = np.linalg.eigvalsh(root @ b.covariance @ root)
    between = np.sum(np.square(a.mean - b.mean))
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    return float(max(between + traces - 2 * np.sqrt(np.maximum(among, 0)).sum(), 0))


class Collector:
    """Gathers features of originals and of what codecs made of them, set by set."""

    def __init__(self, extract: Callable[[jax.Array], jax.Array]):
        self._extract = jax.jit(lambda x: extract(x.astype(jnp.float32) / 255))
        self._features: dict[tuple[str, float], list[np.ndarray]] = {}
        self._originals: dict[str, np.ndarray] = {}

    def add(self, key: tuple[str, float], image: np.ndarray, back: np.ndarray) -> None:
        """One image `[H, W, 3]`, uint8, and what became of it under `key`."""
        name = hashlib.sha256(image.tobytes()).hexdigest()
        if name not in self._originals:
            self._originals[name] = self._of(image)
        self._features.setdefault(key, []).append(self._of(back))

    def distances(self) -> dict[tuple[str, float], float]:
        """By key the distance to all originals; NaN for fewer than two patches."""
        originals = np.concatenate(list(self._originals.values()))
        if len(originals) < 2:
            return dict.fromkeys(self._features, float("nan"))
        reference = statistics(originals)
        return {
            key: distance(reference, statistics(np.concatenate(found)))
            for key, found in self._features.items()
        }

    def _of(self, image):
        found = [np.asarray(self._extract(p[None]))[0] for p in patches(image)]
        return np.array(found).reshape(-1, efficientnet.FEATURES)
