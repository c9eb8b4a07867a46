"""Pictures that a `.jlic` file can hold: whatever is accepted can be read again."""

from __future__ import annotations

import numpy as np

from jaxlic.core import MAX_QUALITY, MIN_QUALITY
from jaxlic.errors import Error
from jaxlic.files import bitstream
from jaxlic.files.images import Picture
from jaxlic.files.opening import check_size


def check(picture: Picture, max_pixels: int) -> None:
    """Raises Error if a file cannot hold `picture`, or it has more pixels."""
    rgb, alpha = picture.rgb, picture.alpha
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise Error(f"an image is uint8 [H, W, 3], got {rgb.dtype} {list(rgb.shape)}")
    if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != rgb.shape[:2]):
        raise Error(
            f"alpha is uint8 {list(rgb.shape[:2])}, got {alpha.dtype} {list(alpha.shape)}"
        )
    _check_shape(rgb.shape, max_pixels)


def _check_shape(shape: tuple[int, ...], max_pixels: int) -> None:
    height, width = shape[:2]
    check_size(width, height, min(max_pixels, bitstream.MAX_PIXELS))
    if max(height, width) > bitstream.MAX_SIDE:
        raise Error(f"{width}x{height} has a side of over {bitstream.MAX_SIDE} pixels")


def picture(image: np.ndarray, max_pixels: int = bitstream.MAX_PIXELS) -> Picture:
    """Of an array: uint8 `[H, W, 3]`, `[H, W]` grey or `[H, W, 4]` with alpha.

    Raises:
        Error: if it is none of these or has more pixels, before anything is copied.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise Error(f"an image is uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    _check_shape(image.shape, max_pixels)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    if image.shape[-1] == 4:
        return Picture(np.ascontiguousarray(image[..., :3]), image[..., 3].copy())
    if image.shape[-1] != 3:
        raise Error(f"an image has 3 or 4 channels, got {image.shape[-1]}")
    return Picture(image)


def is_grey(rgb: np.ndarray) -> bool:
    """Whether the channels of `[H, W, 3]` are equal."""
    return all(np.array_equal(rgb[..., 0], rgb[..., k]) for k in (1, 2))


def greyed(rgb: np.ndarray) -> np.ndarray:
    """uint8 `[H, W, 3]`, each channel its luma (BT.601, in 256ths)."""
    r, g, b = (rgb[..., k].astype(np.uint16) for k in range(3))
    luma = ((77 * r + 150 * g + 29 * b + 128) >> 8).astype(np.uint8)
    return np.repeat(luma[..., None], 3, axis=-1)


def check_quality(quality: float) -> None:
    """Raises Error unless it is a number of the scale."""
    number = isinstance(quality, int | float | np.number)
    if not number or not MIN_QUALITY <= quality <= MAX_QUALITY:
        raise Error(f"quality must be in [1, 100], got {quality}")
