"""Ordinary JPEG and WebP thumbnails that grow back: what `jaxlic.load("sain-x2")` returns.

A thumbnail's file says, in its EXIF comment, which model made it and how large the image
was. Viewers ignore that; other programs may drop it.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from typing import Any, NamedTuple

import numpy as np

from jaxlic import forks, models
from jaxlic.core import Rescaler
from jaxlic.errors import Error, FileError, ImageError
from jaxlic.files import classic, exif, held, images
from jaxlic.files.images import Picture
from jaxlic.files.opening import Bytes, check_size
from jaxlic.models import Model
from jaxlic.rescaling.latent import LATENTS

FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
DEFAULT_QUALITY = 80
QUALITIES = (30, 95)

_ROUNDING = 2  # Levels between the colours of a pixel that files make of grey.
_NOTE = re.compile(r"jaxlic ([\w.-]{1,60}) ([0-9a-f]{8}) ([24]) ([1-9]\d{0,5})x([1-9]\d{0,5})")


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


def note_of(source: str | pathlib.Path | bytes) -> Note | None:
    """The note in an image file, or None: then jaxlic did not make it, or it was removed."""
    return _parse(images.comment_of(source))


def describe(data: bytes) -> dict[str, Any] | None:
    """What a thumbnail's file says of itself; None if it says nothing that jaxlic wrote.

    Width and height are the image's, and so are the pixels of `bpp`.
    """
    note = note_of(data)
    if note is None:
        return None
    height, width = note.shape
    return {
        "model": f"{note.model} ({note.fingerprint})",
        "scale": note.scale,
        "width": width,
        "height": height,
        "bytes": {"file": len(data)},
        "bpp": 8 * len(data) / (height * width),
    }


def _parse(comment: str | None) -> Note | None:
    match = _NOTE.fullmatch(comment or "")
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
    def _rescaler(self) -> Rescaler:
        assert isinstance(self.model.codec, Rescaler)
        return self.model.codec

    @property
    def scale(self) -> int:
        """The factor, 2 or 4."""
        return self._rescaler.scale

    def downscale(self, image: np.ndarray) -> np.ndarray:
        """The thumbnail of an image.

        Args:
            image: uint8 `[H, W, 3]`, up to 100 megapixels.

        Returns:
            uint8 `[ceil(H / scale), ceil(W / scale), 3]`, grey if the image is.

        Raises:
            Error: if image is not as above.
        """
        forks.check()
        image = _checked(image)
        small = self._rescaler.downscale(self.model.params, image)
        return held.greyed(small) if held.is_grey(image) else small

    def upscale(
        self,
        thumbnail: np.ndarray,
        shape: tuple[int, int] | None = None,
        *,
        latent: str = "mean",
        seed: int = 0,
        max_pixels: int = images.MAX_PIXELS,
    ) -> np.ndarray:
        """The image of a thumbnail, which may have been through JPEG or WebP.

        Args:
            thumbnail: uint8 `[h, w, 3]`.
            shape: of the image; None for scale times the thumbnail's.
            latent: what stands in for what was lost: the "mean" of its distribution, "zero"
                or a "sample".
            seed: of the sample, from 0 to 2^31 - 1; the same seed gives the same image.
            max_pixels: the most that the image may have.

        Returns:
            uint8 `[H, W, 3]`, grey if the thumbnail is.

        Raises:
            Error: if an argument is not as above, or thumbnail and shape do not match.
        """
        forks.check()
        thumbnail = _checked(thumbnail)
        height, width = (
            (n * self.scale for n in thumbnail.shape[:2]) if shape is None else _pair(shape)
        )
        if self.reduced((height, width)) != thumbnail.shape[:2]:
            raise Error(
                f"an image of {width}x{height} has no thumbnail of "
                f"{thumbnail.shape[1]}x{thumbnail.shape[0]}"
            )
        check_size(width, height, max_pixels)
        if latent not in LATENTS:
            raise Error(f"latent is one of {', '.join(LATENTS)}, got {latent!r}")
        if not _is_whole(seed) or not 0 <= seed < 1 << 31:
            raise Error(f"seed is a whole number from 0 to 2^31 - 1, got {seed!r}")
        shape = height, width
        grown = self._rescaler.upscale(self.model.params, thumbnail, shape, latent, seed)
        grey = np.ptp(thumbnail, axis=-1).max() <= _ROUNDING
        return held.greyed(grown) if grey else grown

    def reduced(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Shape of the thumbnail of an image of this shape."""
        return -(-shape[0] // self.scale), -(-shape[1] // self.scale)

    def encode(
        self, image: np.ndarray | Picture, format_: str = "jpeg", quality: int = DEFAULT_QUALITY
    ) -> bytes:
        """The bytes of a thumbnail's file, with a note for `jaxlic.restore`.

        Args:
            image: uint8 `[H, W, 3]` (or `[H, W]` grey, `[H, W, 4]` with alpha) or a `Picture`,
                up to 100 megapixels; transparency is dropped.
            format_: "jpeg" or "webp".
            quality: the format's own, a whole number from 30 to 95.

        Raises:
            Error: if an argument is not as above.
        """
        picture = image if isinstance(image, Picture) else held.picture(image)
        if format_ not in FORMATS.values():
            raise Error(f"formats are jpeg and webp, got {format_!r}")
        if not _is_whole(quality) or not QUALITIES[0] <= quality <= QUALITIES[1]:
            raise Error(f"quality must be a whole number in [30, 95], got {quality!r}")
        small = self.downscale(picture.rgb)
        comment = self.note(picture.rgb.shape[:2]).text()
        return classic.encode(small, format_, quality, comment=comment, icc=picture.icc)

    def note(self, shape: tuple[int, int]) -> Note:
        """What the thumbnail of an image of this shape says."""
        return Note(self.model.id, self.model.v1.hex(), self.scale, shape)


def restore(
    source: str | pathlib.Path | Bytes | Picture,
    *,
    scale: int | None = None,
    model: str | pathlib.Path | None = None,
    latent: str = "mean",
    seed: int = 0,
    max_pixels: int = images.MAX_PIXELS,
) -> Picture:
    """The image of a thumbnail's file, by the model that the file names.

    Args:
        source: a JPEG, a WebP, or any other image: a file, its bytes, or what `images.read`
            made of it.
        scale: needed for files that jaxlic did not make; must agree with the others.
        model: id or folder; None for what the file says, or `sain-x2` or `sain-x4`.
        latent, seed, max_pixels: as in `ImageRescaler.upscale`.

    Returns:
        The image; what a user should know about it is in its `notes`.

    Raises:
        ImageError: if the file is no image, does not say how it was made, does not fit the
            model or would be too large.
        ModelError: if the model is not there.
        Error: if an argument is not as above.
    """
    read = isinstance(source, Picture)
    picture = source if read else images.read(source, max_pixels=max_pixels)
    prefix = f"{source}: " if isinstance(source, str | os.PathLike) else ""
    note = _parse(picture.comment)
    notes, shape = list(picture.notes), None
    if note is None:
        if scale is None:
            raise ImageError(f"{prefix}does not say how it was made; give a scale, 2 or 4")
        notes.append("does not say that jaxlic made it; if not, expect an ordinary enlargement")
    elif scale not in (None, note.scale):
        raise ImageError(f"{prefix}was made at scale {note.scale}, not {scale}")
    elif model is None and note.model not in models.shipped():
        raise ImageError(
            f"{prefix}made by model {note.model}, which is not shipped; name its folder"
        )
    if picture.alpha is not None:
        notes.append("its transparency is dropped")
    name = model or (f"sain-x{scale}" if note is None else note.model)
    loaded = models.load_model(name)
    if not isinstance(loaded.codec, Rescaler):
        raise ImageError(f"{prefix}model {name} is a codec, not a rescaler")
    rescaler = ImageRescaler(loaded)
    wanted = scale if note is None else note.scale
    if rescaler.scale != wanted:
        raise ImageError(f"{prefix}needs scale {wanted}, but {name} has {rescaler.scale}")
    # The network knows thumbnails as they were made.
    small, turns = exif.undone(picture.rgb, picture.orientation), [picture.orientation]
    if note is not None:
        if note.fingerprint != rescaler.model.v1.hex():
            notes.append(f"made with other weights ({note.model} {note.fingerprint})")
        if rescaler.reduced(note.shape) == small.shape[:2]:
            shape = note.shape
        elif rescaler.reduced(note.shape[::-1]) == small.shape[:2]:
            whole = all(n % wanted == 0 for n in note.shape)
            edge = "" if whole else ": rows or columns at its edge may repeat the last"
            notes.append(f"turned since it was made{edge}")
            small, turns = exif.undone(small, exif.CLOCKWISE), [exif.CLOCKWISE, *turns]
        else:
            notes.append("resized or cropped since it was made: enlarged as it is")
    try:
        rgb = rescaler.upscale(small, shape, latent=latent, seed=seed, max_pixels=max_pixels)
    except FileError as error:
        raise ImageError(f"{prefix}{error}") from error
    for turn in turns:
        rgb = exif.oriented(rgb, turn)
    return Picture(rgb, None, picture.icc, tuple(notes))


def _checked(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise Error(f"an image is uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    check_size(image.shape[1], image.shape[0])
    return image


def _is_whole(number: Any) -> bool:
    return isinstance(number, int | np.integer)


def _pair(shape: tuple[int, ...]) -> tuple[int, int]:
    if np.shape(shape) != (2,) or not all(map(_is_whole, shape)) or min(shape) < 1:
        raise Error(f"shape is (height, width) in pixels, got {shape}")
    return int(shape[0]), int(shape[1])
