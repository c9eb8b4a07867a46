"""What models are compared with: standard codecs, real files, and where these are kept."""

from __future__ import annotations

import functools
import hashlib
import pathlib
import zlib

import numpy as np

from jaxlic.errors import ImageError
from jaxlic.files import classic, disk, ffmpeg
from jaxlic.report.round_trip import RoundTrip

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


def missing(codec: str) -> str | None:
    """Why a codec of `STANDARD` cannot be had here, in a line; None if it can."""
    try:
        _encoder(codec)
    except ImageError as error:
        return str(error)
    return None


def standard(codec: str, *, keep: pathlib.Path | None = None) -> RoundTrip:
    """A codec of `STANDARD`; as (image, quality) -> (bytes of the file, decoded image) too.

    Args:
        codec: its name.
        keep: a folder where files are written as they are made. A file that is there is taken
            instead of being made again if image, quality, encoder, its version and its
            settings are the same.

    Raises:
        ImageError: from the round trip, if it cannot be encoded or a file that was kept is
            damaged.
    """
    taken: dict[int, pathlib.Path] = {}  # By checksum: where a file came from.

    def encode(image: np.ndarray, quality: float) -> bytes:
        path = None if keep is None else keep / _name(codec, image, int(quality))
        if path is None or not path.exists():
            data = _encode(image, codec, int(quality))
            if path is not None:
                disk.write_bytes(path, data)
            return data
        data = disk.read_bytes(path)
        taken[zlib.crc32(data)] = path
        return data

    def decode(data: bytes, size: tuple[int, int]) -> np.ndarray:
        path = taken.get(zlib.crc32(data)) if taken else None
        if path is None:
            return _decode(data, codec, size)
        try:
            back = _decode(data, codec, size)
        except Exception as error:  # Plug-ins raise of a wide range of types.
            raise ImageError(f"{path}: damaged image ({error})") from error
        if back.shape[:2] != tuple(size):
            raise ImageError(f"{path}: is of another image")
        return back

    highest = ffmpeg.qp_of(codec, 0) if codec in ffmpeg.CODECS else 100
    settings = missing(codec) or _encoder(codec)
    return RoundTrip(encode, decode, span=(0, highest), timed=keep is None, settings=settings)


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
