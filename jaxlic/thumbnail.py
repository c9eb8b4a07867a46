"""Ordinary JPEG and WebP thumbnails that grow back: what `jaxlic.load("sain-x2")` returns.

A thumbnail's file says, in its EXIF comment, which model made it and how large the image
was. Viewers ignore that; other programs may drop it.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jaxlic import images
from jaxlic.images import Picture

if TYPE_CHECKING:
    from jaxlic.checkpoint import Model

FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
DEFAULT_QUALITY = 80
QUALITIES = (30, 95)

_NOTE = re.compile(r"jaxlic ([\w.-]{1,60}) ([0-9a-f]{8}) ([24]) (\d{1,6})x(\d{1,6})")


class Note(NamedTuple):
    """What a thumbnail says of itself.

    Attributes:
        model: id of the model that made it.
        fingerprint: of the model's weights, eight hexadecimal digits.
        scale: 2 or 4.
        shape: height and width of the image.
    """

    model: str
    fingerprint: str
    scale: int
    shape: tuple[int, int]

    def text(self) -> str:
        """The note as it is written."""
        height, width = self.shape
        return f"jaxlic {self.model} {self.fingerprint} {self.scale} {width}x{height}"


def note_of(path: str | pathlib.Path) -> Note | None:
    """The note in an image file, or None: then jaxlic did not make it, or it was removed."""
    match = _NOTE.fullmatch(images.comment_of(path) or "")
    if match is None:
        return None
    model, fingerprint, scale, width, height = match.groups()
    return Note(model, fingerprint, int(scale), (int(height), int(width)))


@dataclasses.dataclass(frozen=True)
class ImageRescaler:
    """Images to thumbnails and back.

    Attributes:
        model: the pure functions (`model.codec`) and parameters underneath.
    """

    model: Model

    @property
    def scale(self) -> int:
        """The factor, 2 or 4."""
        return self.model.codec.scale

    def downscale(self, image: np.ndarray) -> np.ndarray:
        """The thumbnail of an image.

        Args:
            image: uint8 `[H, W, 3]`, up to 100 megapixels.

        Returns:
            uint8 `[ceil(H / scale), ceil(W / scale), 3]`.

        Raises:
            ValueError: if image is not as above.
        """
        _check(image)
        return self.model.codec.downscale(self.model.params, image)

    def upscale(
        self,
        thumbnail: np.ndarray,
        shape: tuple[int, int] | None = None,
        *,
        latent: str = "mean",
        seed: int = 0,
    ) -> np.ndarray:
        """The image of a thumbnail, which may have been through JPEG or WebP.

        Args:
            thumbnail: uint8 `[h, w, 3]`.
            shape: of the image; None for scale times the thumbnail's.
            latent: what stands in for what was lost: the "mean" of its distribution, "zero"
                or a "sample".
            seed: of the sample; the same seed gives the same image.

        Returns:
            uint8 `[H, W, 3]`.

        Raises:
            ValueError: if an argument is not as above, or thumbnail and shape do not match.
        """
        _check(thumbnail)
        full = tuple(n * self.scale for n in thumbnail.shape[:2])
        shape = full if shape is None else tuple(shape)
        if full[0] * full[1] > images.MAX_PIXELS:
            raise ValueError(f"an image of {full[1]}x{full[0]} is over 100 megapixels")
        if self.reduced(shape) != thumbnail.shape[:2]:
            raise ValueError(
                f"an image of {shape[1]}x{shape[0]} has no thumbnail of "
                f"{thumbnail.shape[1]}x{thumbnail.shape[0]}"
            )
        return self.model.codec.upscale(self.model.params, thumbnail, shape, latent, seed)

    def reduced(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Shape of the thumbnail of an image of this shape."""
        return -(-shape[0] // self.scale), -(-shape[1] // self.scale)

    def encode(
        self, image: np.ndarray | Picture, format_: str = "jpeg", quality: int = DEFAULT_QUALITY
    ) -> bytes:
        """The bytes of a thumbnail's file, with a note for `jaxlic.restore`.

        Args:
            image: uint8 `[H, W, 3]` or a `Picture`, whose transparency is dropped.
            format_: "jpeg" or "webp".
            quality: the format's own, 30 to 95.

        Raises:
            ValueError: if an argument is not as above.
        """
        picture = image if isinstance(image, Picture) else Picture(np.asarray(image))
        if format_ not in FORMATS.values():
            raise ValueError(f"formats are jpeg and webp, got {format_!r}")
        if not QUALITIES[0] <= quality <= QUALITIES[1]:
            raise ValueError(f"quality must be in [30, 95], got {quality}")
        comment = self.note(picture.rgb.shape[:2]).text()
        small = self.downscale(picture.rgb)
        return images.encode(small, format_, quality, comment=comment, icc=picture.icc)

    def note(self, shape: tuple[int, int]) -> Note:
        """What the thumbnail of an image of this shape says."""
        return Note(self.model.id, self.model.fingerprint.hex(), self.scale, shape)


def _check(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"an image is uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    if image.shape[0] * image.shape[1] > images.MAX_PIXELS:
        raise ValueError(
            f"an image of {image.shape[1]}x{image.shape[0]} is over 100 megapixels"
        )
