"""Measures of what became of an image, by name, for evaluation: `"ms-ssim"`, `"dists=FILE"`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.errors import Error
from jaxlic.metrics import frechet
from jaxlic.metrics.perceptual import METRICS, Perceptual, perceptual
from jaxlic.ops import distortion, jnd

Judge = Callable[[np.ndarray, np.ndarray], dict[str, float]]

SET = "fd-effnetlite0"  # Of all images together.
JND = ("jnd_share", "jnd_excess")
AGREEMENT = "agreement-effnetlite0"  # Whether a network still sees the same.
NAMES = ("ms-ssim", "gmsd", "mesh", "jnd", "st-lpips", *METRICS, SET, AGREEMENT)
_SMALLEST = {"ms-ssim": 161, "gmsd": 4, "mesh": 64}
_PLAIN: dict[str, Callable[..., jax.Array]] = {
    "ms-ssim": distortion.ms_ssim,
    "gmsd": distortion.gmsd,
    "mesh": lambda x, y: 255 * jnp.sqrt(distortion.mesh(x, y)),  # Levels of 255.
}


def parse(text: str) -> dict[str, str | None]:
    """`"gmsd,dists=vgg.safetensors"` to a dictionary of names and files.

    Raises:
        Error: if a name is not known, or needs a file and has none, or the reverse.
    """
    wanted: dict[str, str | None] = {}
    for item in filter(None, text.split(",")):
        name, equals, path = item.partition("=")
        if name not in NAMES:
            raise Error(f"metrics are {', '.join(NAMES)}, got {name!r}")
        ships = (
            not name.startswith(("lpips", "dists", "fd-", "agree")) and name != "st-lpips-vgg"
        )
        if not ships and not path:
            raise Error(f"{name} needs its network: {name}=FILE (docs/perceptual.md)")
        if equals and ships:
            raise Error(f"{name} takes no file")
        wanted[name] = path or None
    return wanted


def columns(names: Sequence[str]) -> list[str]:
    """What the measures are called in records."""
    found: list[str] = []
    for name in names:
        if name != SET:
            found += JND if name == "jnd" else [name.replace("-", "_")]
    return found


def judge(wanted: dict[str, str | None]) -> Judge:
    """The measures of single images as one function of two uint8 images, NaN if too small.

    Compiled once for each size of image.

    Raises:
        ModelError: if a network cannot be read.
    """
    functions: dict[str, Callable[..., jax.Array]] = {
        name: _PLAIN[name] for name in wanted if name in _PLAIN
    }
    networks: dict[str, Perceptual] = {}
    for name, path in wanted.items():
        if name == AGREEMENT:
            functions[name] = _agreement(path)
        elif name not in _PLAIN and name not in ("jnd", SET):
            metric = "st-lpips-alex" if name == "st-lpips" else name
            networks[name] = perceptual(metric, path=path)

    def small(name: str, image: jax.Array) -> bool:
        return min(image.shape[:2]) < _SMALLEST.get(name, 32)

    @jax.jit
    def features(image):
        y = image[None].astype(jnp.float32) / 255
        return {n: [] if small(n, image) else a.features(y) for n, a in networks.items()}

    @jax.jit
    def measure(image, known, back):
        x, y = (a[None].astype(jnp.float32) / 255 for a in (back, image))
        found: dict[str, jax.Array] = {}
        for name in wanted:
            column = name.replace("-", "_")
            if name == "jnd":
                found |= zip(JND, jnd.violations(x, y, jnd.jnd_map(y)), strict=True)
            elif name != SET and small(name, image):
                found[column] = jnp.full(1, jnp.nan)
            elif name in networks:
                network = networks[name]
                found[column] = network.between(network.features(x), known[name])
            elif name != SET:
                found[column] = functions[name](x, y)
        return {name: value[0] for name, value in found.items()}

    last: dict[str, Any] = {}  # An original comes again at every quality.

    def of(image: np.ndarray, back: np.ndarray) -> dict[str, float]:
        if image.shape != back.shape:
            raise ValueError(f"images of {image.shape} and {back.shape} cannot be compared")
        if not last or not np.array_equal(last["image"], image):
            last.clear()  # Features take much memory: those of one original at a time.
            last.update(image=image.copy(), known=features(image))
        return {k: float(v) for k, v in measure(image, last["known"], back).items()}

    return of


def agreement(answer: Callable[[np.ndarray], Any], name: str = "agreement") -> Judge:
    """Whether a program of yours answers of the decoded image what it answers of the original.

    As `judge` of `evaluate`, for which dictionaries of several judges may be joined; columns
    whose names begin with "agreement" are what `jaxlic kpi` calls a task.

    Args:
        answer: uint8 `[H, W, 3]` to anything that can be compared with `==`.
        name: of the column, 1.0 or 0.0.
    """
    last: dict[str, Any] = {}

    def compare(image: np.ndarray, back: np.ndarray) -> dict[str, float]:
        if not last or not np.array_equal(last["image"], image):
            last.update(image=image.copy(), answer=answer(image))
        return {name: float(bool(answer(back) == last["answer"]))}

    return compare


def _agreement(path: str | None) -> Callable[..., jax.Array]:
    logits = frechet.classifier(str(path))

    def same(x: jax.Array, y: jax.Array) -> jax.Array:
        return (logits(x).argmax(axis=-1) == logits(y).argmax(axis=-1)).astype(jnp.float32)

    return same


def collector(wanted: dict[str, str | None]) -> frechet.Collector | None:
    """What gathers features for the measure of all images together, if that is wanted.

    Raises:
        ModelError: if its network cannot be read.
    """
    path = wanted.get(SET)
    return None if path is None else frechet.Collector(frechet.extractor(path))


def is_agreement(column: str) -> bool:
    """Whether a column holds answers, 1 or 0, of which no BD-rate is made."""
    return column.startswith("agreement")


def scaled(column: str, value: np.ndarray) -> np.ndarray:
    """A measure such that more is better: dB for what ends at 0 or 1, % for agreement."""
    if column.startswith("psnr"):
        return value
    if is_agreement(column):
        return 100 * value
    rest = 1 - value if "ssim" in column else value
    return -10 * np.log10(np.maximum(rest, 1e-6))
