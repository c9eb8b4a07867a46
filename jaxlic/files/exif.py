"""What EXIF data say that matters here: a comment, and which way is up."""

from __future__ import annotations

from typing import Any

import numpy as np

EXIF_IFD, USER_COMMENT, ASCII = 0x8769, 0x9286, b"ASCII\0\0\0"
UPRIGHT, CLOCKWISE = 1, 6
_ORIENTATION = 0x0112
_UNDEFINED = b"\0" * 8


def comment(image: Any) -> str | None:
    """The comment of an open image of Pillow's, at most 200 printable characters, or None."""
    try:
        text = image.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT)
    except Exception:  # Damaged metadata is no metadata.
        return None
    text = bytes(text) if isinstance(text, bytes) else str(text or "").encode()
    text = text.removeprefix(ASCII).removeprefix(_UNDEFINED)
    text = text.decode("ascii", "ignore").strip("\0 \r\n")
    return text if 0 < len(text) <= 200 and text.isprintable() else None


def orientation(image: Any) -> int:
    """How an open image of Pillow's is to be turned: EXIF's number, 1 to 8; 1 if unknown."""
    try:
        number = image.getexif().get(_ORIENTATION)
    except Exception:
        return UPRIGHT
    return number if number in range(1, 9) else UPRIGHT


def oriented(pixels: np.ndarray, number: int) -> np.ndarray:
    """Stored pixels `[H, W, ...]` as EXIF's orientation says that they are shown."""
    if number > 4:
        pixels = pixels.swapaxes(0, 1)
    if number in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if number in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def undone(pixels: np.ndarray, number: int) -> np.ndarray:
    """The inverse of `oriented`."""
    return oriented(pixels, {6: 8, 8: 6}.get(number, number))
