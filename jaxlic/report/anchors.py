"""What models are compared with: standard codecs, real files, and where these are kept."""

from __future__ import annotations

import functools
import hashlib
import pathlib
from collections.abc import Callable

import numpy as np

from jaxlic.errors import ImageError
from jaxlic.files import classic, disk, ffmpeg

STANDARD = (*classic.CODECS, *ffmpeg.CODECS)
OPTIONAL = tuple(ffmpeg.CODECS)  # Left out where a user has not the program.
# In the codec's own scale; where that is a QP, the largest less it (`ffmpeg.qp_of`).
QUALITIES = {
    "jpeg": (5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90),
    "jpeg-progressive": (5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90),
    "webp": (0, 5, 15, 30, 45, 60, 70, 80, 85, 90, 95),
    "avif": (15, 25, 35, 45, 55, 65, 75, 80, 85),
    "avif-best": (20, 35, 50, 65, 80),
    "jxl": (20, 35, 50, 60, 70, 80, 85, 90),
    "jxl-9": (20, 35, 50, 60, 70, 80, 85, 90),
    "hevc": (9, 14, 19, 24, 29, 34, 39),
    "vvc": (18, 23, 28, 33, 38, 43, 48),
}

RoundTrip = Callable[[np.ndarray, float], tuple[int, np.ndarray]]


def missing(codec: str) -> str | None:
    """Why a codec of `STANDARD` cannot be had here, in a line; None if it can."""
    try:
        _encoder(codec)
    except ImageError as error:
        return str(error)
    return None


def standard(codec: str, *, keep: pathlib.Path | None = None) -> RoundTrip:
    """A codec of `STANDARD` as (image, quality) -> (bytes of the file, decoded image).

    Args:
        codec: its name.
        keep: a folder where files are written as they are made. A file that is there is taken
            instead of being made again if image, quality, encoder, its version and its
            settings are the same.

    Raises:
        ImageError: from the round trip, if it cannot be encoded or a file that was kept is
            damaged.
    """

    def round_trip(image: np.ndarray, quality: float) -> tuple[int, np.ndarray]:
        path = None if keep is None else keep / _name(codec, image, int(quality))
        if path is None or not path.exists():
            data = _encode(image, codec, int(quality))
            if path is not None:
                disk.write_bytes(path, data)
            return len(data), _decode(data, codec, image.shape[:2])
        data = disk.read_bytes(path)
        try:
            back = _decode(data, codec, image.shape[:2])
        except Exception as error:  # Plug-ins raise of a wide range of types.
            raise ImageError(f"{path}: damaged image ({error})") from error
        if back.shape != image.shape:
            raise ImageError(f"{path}: is of another image")
        return len(data), back

    return round_trip


def _encode(image: np.ndarray, codec: str, quality: int) -> bytes:
    module = ffmpeg if codec in ffmpeg.CODECS else classic
    return module.encode(image, codec, quality)


def _decode(data: bytes, codec: str, size: tuple[int, int]) -> np.ndarray:
    if codec in ffmpeg.CODECS:
        return ffmpeg.decode(data, codec, size)
    return classic.decode(data, codec)


@functools.cache
def _encoder(codec: str) -> str:
    module = ffmpeg if codec in ffmpeg.CODECS else classic
    return module.encoder(codec)


def _name(codec: str, image: np.ndarray, quality: int) -> str:
    """What a file is called: codec, quality, and a digest of all that it depends on."""
    key = f"{_encoder(codec)} {quality} {image.shape}".encode()
    digest = hashlib.sha256(key + image.tobytes()).hexdigest()[:32]
    suffix = codec if codec in ffmpeg.CODECS else classic.CODECS[codec][0].lower()
    return f"{codec}-{quality}-{digest}.{suffix}"
