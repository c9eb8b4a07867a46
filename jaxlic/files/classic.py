"""Standard codecs: bytes of JPEG, WebP, AVIF, JPEG XL and grey PNG, and back."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from jaxlic.errors import ImageError
from jaxlic.files import jxl
from jaxlic.files.opening import MAX_PIXELS, opened

EXIF_IFD, USER_COMMENT, ASCII = 0x8769, 0x9286, b"ASCII\0\0\0"
_JPEG_ICC = 255 * 65_519  # In numbered segments.
_MAX_SIDES = {"jpeg": 65_500, "webp": 16_383}


def encode(
    rgb: np.ndarray,
    codec: str,
    quality: int,
    *,
    fast: bool = False,
    comment: str | None = None,
    icc: bytes | None = None,
) -> bytes:
    """A standard codec at its slowest common setting, as evaluation compares with.

    Args:
        rgb: uint8 `[H, W, 3]`.
        codec: "jpeg" (4:2:0, optimised Huffman tables), "webp" (method 6), "avif" (Pillow's
            default speed) or "jxl" (libjxl, effort 7; needs imagecodecs).
        quality: in the codec's own scale, 0 to 100.
        fast: same pixels for JPEG (default Huffman tables), WebP by method 4.
        comment: stored in the file's EXIF data, for `images.comment_of`.
        icc: the colour profile to store.

    Raises:
        ImageError: if the codec is not one of these or is not built in, or the image or the
            profile is too long for it.
    """
    from PIL import Image

    if codec == "jxl":
        return jxl.imagecodecs().jpegxl_encode(rgb, level=quality, effort=7)
    options: dict[str, dict[str, Any]] = {
        "jpeg": {"optimize": not fast, "subsampling": "4:2:0"},
        "webp": {"method": 4 if fast else 6},
        "avif": {},
    }
    if codec not in options:
        raise ImageError(f"codecs are jpeg, webp, avif and jxl, got {codec!r}")
    extra = options[codec]
    if comment is not None:
        extra["exif"] = _exif(comment)
    if icc is not None:
        check_profile(icc, codec.upper())
        extra["icc_profile"] = icc
    if max(rgb.shape[:2]) > _MAX_SIDES.get(codec, MAX_PIXELS):
        raise ImageError(f"{codec} holds at most {_MAX_SIDES[codec]} pixels a side")
    out = io.BytesIO()
    try:
        Image.fromarray(rgb).save(out, codec.upper(), quality=int(quality), **extra)
    except (KeyError, OSError) as error:
        raise ImageError(f"this Pillow cannot write {codec}") from error
    return out.getvalue()


def decode(data: bytes, codec: str) -> np.ndarray:
    """The pixels of what `encode` wrote, uint8 `[H, W, 3]`."""
    if codec == "jxl":
        return jxl.decode(data)
    with opened(io.BytesIO(data), codec.upper()).image as image:
        return np.asarray(image.convert("RGB"))


def encode_grey(plane: np.ndarray) -> bytes:
    """A uint8 `[H, W]` plane as lossless PNG bytes."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(plane).save(out, "PNG", optimize=True)
    return out.getvalue()


def decode_grey(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    """The inverse of `encode_grey`.

    Raises:
        ImageError: if `data` is not a grey PNG of that shape; checked before decoding.
    """
    try:
        with opened(io.BytesIO(data), "PNG").image as image:
            if image.mode != "L" or (image.height, image.width) != tuple(shape):
                raise ImageError("the alpha plane does not match the image")
            return np.asarray(image)
    except ImageError:
        raise
    except Exception as error:  # Of a wide range of types.
        raise ImageError(f"damaged alpha plane ({error})") from error


def check_profile(icc: bytes, format_: str) -> None:
    """Raises ImageError if a format cannot hold a profile, where Pillow writes a broken one."""
    if format_ == "JPEG" and len(icc) > _JPEG_ICC:
        raise ImageError(f"JPEG holds no colour profile of {len(icc):,} bytes")


def _exif(comment: str) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = ASCII + comment.encode("ascii")
    return exif.tobytes()
