"""Measures of what became of an image, by name, for evaluation: `"ms-ssim"`, `"dists=FILE"`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.errors import Error
from jaxlic.metrics import frechet
from jaxlic.metrics.perceptual import METRICS, perceptual
from jaxlic.ops import distortion, jnd

Judge = Callable[[np.ndarray, np.ndarray], dict[str, float]]

SET = "fd-effnetlite0"  # Of all images together.
JND = ("jnd_share", "jnd_excess")
NAMES = ("ms-ssim", "gmsd", "jnd", "st-lpips", *METRICS, SET)
_SMALLEST = {"ms-ssim": 161, "gmsd": 4}
_PLAIN = {"ms-ssim": distortion.ms_ssim, "gmsd": distortion.gmsd}


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
        ships = not name.startswith(("lpips", "dists", "fd-")) and name != "st-lpips-vgg"
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
    functions = {name: _PLAIN[name] for name in wanted if name in _PLAIN}
    for name, path in wanted.items():
        if name not in _PLAIN and name not in ("jnd", SET):
            metric = "st-lpips-alex" if name == "st-lpips" else name
            functions[name] = perceptual(metric, path=path).distance

    @jax.jit
    def measure(image, back):
        x, y = (a[None].astype(jnp.float32) / 255 for a in (back, image))
        found: dict[str, jax.Array] = {}
        for name in wanted:
            if name == "jnd":
                found |= zip(JND, jnd.violations(x, y, jnd.jnd_map(y)), strict=True)
            elif name != SET:
                small = min(image.shape[:2]) < _SMALLEST.get(name, 32)
                value = jnp.full(1, jnp.nan) if small else functions[name](x, y)
                found[name.replace("-", "_")] = value
        return {name: value[0] for name, value in found.items()}

    return lambda image, back: {k: float(v) for k, v in measure(image, back).items()}


def collector(wanted: dict[str, str | None]) -> frechet.Collector | None:
    """What gathers features for the measure of all images together, if that is wanted.

    Raises:
        ModelError: if its network cannot be read.
    """
    path = wanted.get(SET)
    return None if path is None else frechet.Collector(frechet.extractor(path))


def scaled(column: str, value: np.ndarray) -> np.ndarray:
    """A measure such that more is better: dB for what ends at 0 or 1."""
    if column.startswith("psnr"):
        return value
    rest = 1 - value if "ssim" in column else value
    return -10 * np.log10(np.maximum(rest, 1e-6))
