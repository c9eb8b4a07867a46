"""Standard codecs: bytes of JPEG, WebP, AVIF, JPEG XL and grey PNG, and back.

`avif-best` is as near to the best squared error that libaom reaches through Pillow as patience
goes: speed 2 (0 takes four times as long for about 1 % fewer bits), full chroma, tuned for
PSNR rather than for the eye, as its default is, with the directional filter and the steps of
chroma that libaom leaves out of still images.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from jaxlic.errors import ImageError
from jaxlic.files import jxl
from jaxlic.files.exif import ASCII, EXIF_IFD, USER_COMMENT
from jaxlic.files.opening import MAX_PIXELS, opened

_JPEG_ICC = 255 * 65_519  # In numbered segments.
_MAX_SIDES = {"JPEG": 65_500, "WEBP": 16_383}
_BEST_AVIF = {"tune": "psnr", "enable-cdef": "1", "enable-chroma-deltaq": "1"}
# By name the format, as Pillow calls it, and how it is written.
CODECS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {"optimize": True, "subsampling": "4:2:0"}),
    "jpeg-progressive": (
        "JPEG",
        {"optimize": True, "progressive": True, "subsampling": "4:2:0"},
    ),
    "webp": ("WEBP", {"method": 6}),
    "avif": ("AVIF", {}),
    "avif-best": (
        "AVIF",
        {"codec": "aom", "speed": 2, "subsampling": "4:4:4", "advanced": _BEST_AVIF},
    ),
    "jxl": ("JXL", {"effort": 7}),
    "jxl-9": ("JXL", {"effort": 9}),
}
_FAST: dict[str, dict[str, Any]] = {"jpeg": {"optimize": False}, "webp": {"method": 4}}


def encode(
    rgb: np.ndarray,
    codec: str,
    quality: int,
    *,
    fast: bool = False,
    comment: str | None = None,
    icc: bytes | None = None,
) -> bytes:
    """The bytes of a file by a standard codec, set as in `CODECS`.

    Args:
        rgb: uint8 `[H, W, 3]`.
        codec: "jpeg" (4:2:0, optimised Huffman tables; noise of more than a byte a pixel has
            default ones, for Pillow cannot), "jpeg-progressive" (likewise), "webp" (method 6),
            "avif" (Pillow's defaults), "avif-best" (see above), "jxl" and "jxl-9"
            (libjxl, effort 7 and 9; need imagecodecs).
        quality: in the codec's own scale, 0 to 100.
        fast: same pixels for JPEG (default Huffman tables), WebP by method 4.
        comment: stored in the file's EXIF data, for `images.comment_of`.
        icc: the colour profile to store.

    Raises:
        ImageError: if the codec is not one of these or is not built in, or the image or the
            profile is too long for it.
    """
    from PIL import Image

    if codec not in CODECS:
        raise ImageError(f"codecs are {', '.join(CODECS)}, got {codec!r}")
    format_, settings = CODECS[codec]
    if format_ == "JXL":
        return jxl.imagecodecs().jpegxl_encode(rgb, level=quality, **settings)
    extra = settings | (_FAST.get(codec, {}) if fast else {})
    if comment is not None:
        extra["exif"] = _exif(comment)
    if icc is not None:
        check_profile(icc, format_)
        extra["icc_profile"] = icc
    if max(rgb.shape[:2]) > _MAX_SIDES.get(format_, MAX_PIXELS):
        raise ImageError(f"{codec} holds at most {_MAX_SIDES[format_]} pixels a side")
    out = io.BytesIO()
    try:
        Image.fromarray(rgb).save(out, format_, quality=int(quality), **extra)
    except (KeyError, OSError, ValueError) as error:
        # What is optimised must fit a buffer of Pillow's, a byte a pixel: noise does not.
        if extra.get("optimize"):
            return encode(rgb, "jpeg", quality, fast=True, comment=comment, icc=icc)
        raise ImageError(f"this Pillow cannot write {codec}") from error
    return out.getvalue()


def decode(data: bytes, codec: str) -> np.ndarray:
    """The pixels of what `encode` wrote, uint8 `[H, W, 3]`.

    Raises:
        ImageError: if JPEG XL cannot be decoded, or an image is too large. Pillow raises much
            else on damaged files.
    """
    format_, _ = CODECS[codec]
    if format_ == "JXL":
        return jxl.decode(data)
    with opened(io.BytesIO(data), format_).image as image:
        return np.asarray(image.convert("RGB"))


def encoder(codec: str) -> str:
    """Who encodes: the library, its version and how it is set; any other writes other files.

    Raises:
        ImageError: if it is not there.
    """
    import PIL
    from PIL import features

    format_, settings = CODECS[codec]
    if format_ == "JXL":
        return f"{jxl.imagecodecs().jpegxl_version()} {settings}"
    version = features.version({"JPEG": "jpg", "WEBP": "webp", "AVIF": "avif"}[format_])
    if version is None:
        raise ImageError(f"this Pillow cannot write {codec}")
    return f"Pillow {PIL.__version__}, {format_} {version} {settings}"


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


def description(text: str) -> bytes:
    """EXIF data in which `text` describes the image."""
    from PIL import ExifTags, Image

    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = text
    return exif.tobytes()


def libraries() -> dict[str, str]:
    """Versions of the libraries in C beneath, by name."""
    from PIL import features

    names = {"libjpeg-turbo": "libjpeg_turbo", "libwebp": "webp", "libavif": "avif"}
    return {name: features.version(key) or "not built in" for name, key in names.items()}
