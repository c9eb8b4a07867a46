"""Images one just-noticeable difference from one's own photographs, to train towards.

By smoothing: all detail below the threshold is taken out. Or by search: the lowest quality of
a standard codec at which at most a share of the pixels exceeds its threshold. The second is
nearer to how such images were made in studies with people, and carries the codec's marks.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.errors import TargetError
from jaxlic.files import classic, disk, images
from jaxlic.files.images import Picture
from jaxlic.ops import jnd

CODECS = ("jpeg", "webp", "avif")
SMOOTH = "smooth"
_SETTINGS = "targets.json"


def smooth(image: np.ndarray, *, scale: float = 1.0) -> np.ndarray:
    """`ops.jnd.smoothed` of a uint8 image `[H, W, 3]`, rounded towards the image.

    So no sample is farther from it than its threshold, also after rounding.
    """
    x = image.astype(np.float32)
    soft = 255 * np.asarray(_smoothed(image[None], scale)[0])
    return np.where(soft < x, np.ceil(soft), np.floor(soft)).astype(np.uint8)


def search(
    image: np.ndarray, codec: str, *, scale: float = 1.0, share: float = 0.05
) -> tuple[np.ndarray, int]:
    """The image at the lowest quality of a codec that is hardly seen, and that quality.

    Args:
        image: uint8 `[H, W, 3]`.
        codec: one of `CODECS`.
        scale: how many thresholds a pixel may be off.
        share: of the pixels, in [0, 1], that may be off by more.

    Returns:
        The decoded image, and the quality, found by bisection; 100 if none is enough.
    """
    threshold = scale * np.asarray(_threshold(image[None]))
    low, high, best = 1, 100, None
    while low < high or best is None:
        quality = (low + high) // 2
        back = classic.decode(classic.encode(image, codec, quality), codec)
        seen = float(_share(back[None], image[None], threshold)[0])
        if seen <= share or quality == 100:
            high, best = quality, back
            if low == high:
                break
        else:
            low = quality + 1
    return best, high


def write_targets(
    folder: pathlib.Path,
    out: pathlib.Path,
    *,
    method: str = SMOOTH,
    scale: float = 1.0,
    share: float = 0.05,
) -> Iterator[tuple[pathlib.Path, str]]:
    """Writes a target for every image below `folder`; yields each file with what was done.

    Targets are PNGs of the same name below `out`. Those that are there already are checked for
    their size and kept, so that a run that was stopped goes on.

    Raises:
        TargetError: if `out` holds targets of other settings, or one of another size.
        jaxlic.files.images.ImageError: if a file is no image.
    """
    settings = {"method": method, "scale": scale}
    if method != SMOOTH:
        settings["share"] = share
    recorded = out / _SETTINGS
    if recorded.is_file() and json.loads(recorded.read_text()) != settings:
        raise TargetError(f"{out}: holds targets of other settings; choose another folder")
    disk.write_bytes(recorded, (json.dumps(settings) + "\n").encode())
    for file in images.find(folder):
        target = (out / file.relative_to(folder)).with_suffix(".png")
        image = images.read_rgb(file)
        if target.is_file():
            if images.read_rgb(target).shape != image.shape:
                raise TargetError(f"{target}: is not of the size of {file}")
            yield file, "kept"
            continue
        if method == SMOOTH:
            result, note = smooth(image, scale=scale), "smoothed"
        else:
            result, quality = search(image, method, scale=scale, share=share)
            note = f"{method} {quality}"
        target.parent.mkdir(parents=True, exist_ok=True)
        images.write(target, Picture(result))
        yield file, note


@jax.jit
def _smoothed(image: Any, scale: Any) -> jax.Array:
    return jnd.smoothed(image.astype(jnp.float32) / 255, scale=scale)


@jax.jit
def _threshold(image: Any) -> jax.Array:
    return jnd.jnd_map(image.astype(jnp.float32) / 255)


@jax.jit
def _share(back: Any, image: Any, threshold: Any) -> jax.Array:
    x, y = (a.astype(jnp.float32) / 255 for a in (back, image))
    return jnd.violations(x, y, threshold)[0]
