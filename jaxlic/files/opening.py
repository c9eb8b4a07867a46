"""Opens images by what they hold: few formats, sizes known before pixels, no program started.

Pillow's own `open` is left alone: it asks dozens of plug-ins, one of which starts programs,
and has limits that hold for a whole process.
"""

from __future__ import annotations

import functools
import os
import pathlib
from typing import Any, BinaryIO, NamedTuple

from jaxlic.errors import ImageError
from jaxlic.files import jxl, png

Bytes = bytes | bytearray | memoryview
MAX_PIXELS = 100_000_000
_TILE_WIDTH, _TILE_LENGTH = 322, 323


class Opened(NamedTuple):
    """An image whose size is known and whose pixels are still to be decoded.

    Attributes:
        image: Pillow's.
        icc: its profile.
        notes: what was ignored.
    """

    image: Any
    icc: bytes | None
    notes: tuple[str, ...]


def given(source: str | pathlib.Path | Bytes) -> str | pathlib.Path | bytes:
    """What an image is read from. Raises ImageError if it is neither a name nor bytes."""
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if not isinstance(source, bytes | str | os.PathLike):
        raise ImageError(f"an image is a file or its bytes, got {type(source).__name__}")
    return source


def kind(prefix: bytes) -> str | None:
    """The format whose file begins like that, by Pillow's name; at least 16 bytes."""
    if prefix.startswith(png.MAGIC):
        return "PNG"
    if prefix.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if prefix.startswith(b"RIFF") and prefix[8:12] == b"WEBP":
        return "WEBP"
    if prefix[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if prefix.startswith(b"BM"):
        return "BMP"
    if prefix.startswith((jxl.CODESTREAM, jxl.CONTAINER)):
        return "JXL"
    return None


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Raises ImageError if an image has more pixels than are allowed."""
    if width * height > max_pixels:
        raise ImageError(f"an image of {width}x{height} pixels is over {amount(max_pixels)}")


def amount(pixels: int) -> str:
    """A number of pixels in words."""
    return f"{pixels / 1e6:g} megapixels" if pixels >= 1_000_000 else f"{pixels:,} pixels"


def opened(file: BinaryIO, format_: str, *, max_pixels: int = MAX_PIXELS) -> Opened:
    """Opens all but JPEG XL.

    Args:
        file: of a `kind` that Pillow decodes.
        format_: that kind.
        max_pixels: the most that is allowed.

    Raises:
        ImageError: if it has more pixels. Plug-ins raise much else on damaged files.
    """
    prepared = png.prepare(file) if format_ == "PNG" else png.Prepared(file)
    if format_ == "WEBP":  # Memory for all of it is taken when the plug-in opens it.
        file.seek(0)
        check_size(*webp_size(file.read(30)), max_pixels)
    prepared.file.seek(0)
    image = _plugin(format_)(prepared.file)
    check_size(image.width, image.height, max_pixels)
    if format_ == "TIFF":
        tile = (image.tag_v2.get(tag, 1) for tag in (_TILE_WIDTH, _TILE_LENGTH))
        check_size(*tile, max(max_pixels, 4096 * 4096))
    icc = prepared.icc or image.info.get("icc_profile") or None
    return Opened(image, icc, prepared.notes)


def several(image: Any) -> bool:
    """Whether a file holds more than one picture; they are not counted."""
    return getattr(image, "is_animated", False) or "mp" in image.info


def _plugin(format_: str) -> Any:
    if format_ == "PNG":
        from PIL.PngImagePlugin import PngImageFile as Plugin
    elif format_ == "JPEG":
        from PIL.JpegImagePlugin import JpegImageFile as Plugin
    elif format_ == "WEBP":
        from PIL.WebPImagePlugin import WebPImageFile as Plugin
    elif format_ == "TIFF":
        return _tiff()
    elif format_ == "BMP":
        from PIL.BmpImagePlugin import BmpImageFile as Plugin
    elif format_ == "AVIF":
        from PIL.AvifImagePlugin import AvifImageFile as Plugin
    else:
        raise ValueError(f"no plug-in reads {format_}")
    return Plugin


@functools.cache
def _tiff() -> Any:
    from PIL import Image
    from PIL.TiffImagePlugin import TiffImageFile

    class Tiff(TiffImageFile):
        """Pillow's, but for its warning above 89 megapixels; sizes were checked."""

        def load_prepare(self) -> None:
            if self._im is None:
                self.im = Image.core.new(self.mode, self._tile_size)
            super().load_prepare()

    return Tiff


def webp_size(prefix: bytes) -> tuple[int, int]:
    """Width and height in the first 30 bytes of a WebP file."""
    name, body = prefix[12:16], prefix[20:]

    def number(i: int, length: int) -> int:
        return int.from_bytes(body[i : i + length], "little")

    if len(prefix) == 30 and name == b"VP8X":
        return 1 + number(4, 3), 1 + number(7, 3)
    if len(prefix) == 30 and name == b"VP8 ":
        return number(6, 2) & 0x3FFF, number(8, 2) & 0x3FFF
    if len(body) >= 5 and name == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise ImageError("damaged image (no WebP header)")
