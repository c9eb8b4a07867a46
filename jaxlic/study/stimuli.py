"""What observers are shown: originals and what codecs make of them, cut to a window.

Encoded is the whole photograph, shown its middle: two pictures must stand side by side on a
screen, a pixel of the picture on a pixel of the display.

Boosting makes small differences larger (Men et al. 2021, doi:10.1109/ACCESS.2021.3118295): the
error is doubled, the picture enlarged twice, and the page lets it flicker against the original.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxlic.errors import UsageError
from jaxlic.files import classic, images
from jaxlic.ops.resize import bicubic_up

AMPLIFICATION, ZOOM = 2, 2
SOURCE, TRAP = "source", "trap"
TRAP_QUALITY = 1  # Of JPEG: nobody who looks takes it for the original.
# Makes an image at a level: (image, its file, level) -> (bytes or None, image).
Make = Callable[[np.ndarray, pathlib.Path, float], tuple[int | None, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Codec:
    """What is compared, by the name it has in tables.

    Attributes:
        name: of a codec or of a folder of images.
        levels: qualities, or whatever the images of folders are numbered by.
        make: gives the image at a level.
    """

    name: str
    levels: tuple[float, ...]
    make: Make


@dataclasses.dataclass(frozen=True)
class Stimulus:
    """A picture of the study.

    Attributes:
        image: which photograph, from 0 on.
        codec: `SOURCE`, `TRAP`, or the name of a `Codec`.
        dlevel: the rank of its distortion in that codec, by squared error; 0 for the source.
        level: of the codec; 0 for the source and a trap.
        mse: mean squared error of the whole photograph, on the 8-bit scale.
        bytes: of the file, None where there was none to count.
        bpp: bits a pixel of the file, None likewise.
        pixels: what is shown, uint8 `[h, w, 3]`.
    """

    image: int
    codec: str
    dlevel: int
    level: float
    mse: float
    bytes: int | None
    bpp: float | None
    pixels: np.ndarray


def coded(
    name: str, levels: Sequence[float], round_trip: Callable[[np.ndarray, float], Any]
) -> Codec:
    """A codec of `report.evaluation` as a `Codec`."""

    def make(image: np.ndarray, file: pathlib.Path, level: float) -> tuple[int, np.ndarray]:
        return round_trip(image, level)

    return Codec(name, tuple(levels), make)


def folders(name: str, by_level: dict[float, pathlib.Path], root: pathlib.Path) -> Codec:
    """Images that are there already as a `Codec`: a folder a level, named as in `root`."""

    def make(image: np.ndarray, file: pathlib.Path, level: float) -> tuple[None, np.ndarray]:
        stem = by_level[level] / file.relative_to(root).with_suffix("")
        found = [stem.with_suffix(s) for s in sorted(images.SUFFIXES)]
        found = [path for path in found if path.is_file()]
        if not found:
            raise UsageError(f"{by_level[level]}: holds no image {file.stem}")
        return None, images.read_rgb(found[0])

    return Codec(name, tuple(by_level), make)


def of_image(
    number: int,
    file: pathlib.Path,
    codecs: Sequence[Codec],
    size: tuple[int, int],
    *,
    boosted: bool = False,
) -> Iterator[Stimulus]:
    """The source, every codec at every level, and the trap, of one photograph.

    Args:
        number: the photograph's.
        file: the photograph.
        codecs: what is compared.
        size: width and height of what is shown, at most; the middle is taken.
        boosted: shows twice the error, enlarged twice.

    Raises:
        UsageError: if an image of a folder is not as large as the photograph.
        jaxlic.files.images.ImageError: if a file is no image.
    """
    source = images.read_rgb(file)
    shown = _boosted if boosted else _plain

    def made(codec: str, level: float, size_: int | None, image: np.ndarray) -> Stimulus:
        if image.shape != source.shape:
            raise UsageError(f"{file}: {codec} at {level:g} is not of its size")
        error = float(np.mean(np.square(image.astype(np.float64) - source)))
        rate = None if size_ is None else 8 * size_ / (source.shape[0] * source.shape[1])
        pixels = shown(image, source, size)
        return Stimulus(number, codec, 0, level, error, size_, rate, pixels)

    yield made(SOURCE, 0, None, source)
    for codec in codecs:
        found = [made(codec.name, q, *codec.make(source, file, q)) for q in codec.levels]
        for rank, stimulus in enumerate(sorted(found, key=lambda s: s.mse), 1):
            yield dataclasses.replace(stimulus, dlevel=rank)
    data = classic.encode(source, "jpeg", TRAP_QUALITY)
    yield made(TRAP, 0, None, classic.decode(data, "jpeg"))


def _plain(image: np.ndarray, source: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return _middle(image, size)


def _boosted(image: np.ndarray, source: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Twice the error in a quarter of the window, enlarged by the bicubic kernel to fill it."""
    small = (size[0] // ZOOM, size[1] // ZOOM)
    pivot = _middle(source, small).astype(np.int16)
    error = _middle(image, small).astype(np.int16) - pivot
    pixels = np.clip(pivot + AMPLIFICATION * error, 0, 255).astype(np.uint8)
    large = bicubic_up(jnp.asarray(pixels[None], jnp.float32), ZOOM)[0]
    return np.clip(np.rint(np.asarray(large)), 0, 255).astype(np.uint8)


def _middle(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = min(image.shape[0], size[1]), min(image.shape[1], size[0])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
