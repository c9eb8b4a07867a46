"""Image files: reading them as they come, writing them whole."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import pathlib
from collections.abc import Generator
from typing import Any, BinaryIO

import numpy as np

from jaxlic.errors import FileError, ImageError
from jaxlic.files import disk, exif, jxl, opening
from jaxlic.files.classic import check_profile, description
from jaxlic.files.opening import MAX_PIXELS, Bytes

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".jxl"})
WRITTEN = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
NOTHING_DRAWN = "no detail drawn"  # A caption that says so may be lost without a word.
_READ = "PNG, JPEG, WebP, TIFF, BMP or JPEG XL"


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image as users have them.

    Attributes:
        rgb: uint8 `[H, W, 3]`.
        alpha: uint8 `[H, W]`, or None where all is opaque.
        icc: the ICC profile of `rgb`, or None for sRGB.
        notes: what was lost in reading, one sentence each.
        comment: what a file's EXIF data say, where it is short and printable.
        text: how the picture was made; written to files as their description.
        orientation: of the file's EXIF data, 1 to 8; it has been applied.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    notes: tuple[str, ...] = ()
    comment: str | None = None
    text: str | None = None
    orientation: int = exif.UPRIGHT


def find(folder: pathlib.Path) -> list[pathlib.Path]:
    """All files below `folder` that look like images, sorted by path."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def read(
    source: str | pathlib.Path | Bytes, *, name: str = "", max_pixels: int = MAX_PIXELS
) -> Picture:
    """Reads an image: upright (EXIF orientation applied), as 8-bit RGB.

    It is PNG, JPEG, WebP, TIFF, BMP or JPEG XL, whatever its name ends in. Grey, palette and
    CMYK images become RGB (CMYK through its profile if it has one), more than 8 bits are
    reduced to 8, of several frames the first is taken; `notes` says so. The size is checked
    before any pixel is decoded.

    Args:
        source: a regular file, or the bytes of one.
        name: what errors call it, where it is bytes: the object that they are of.
        max_pixels: the most that are decoded.

    Raises:
        ImageError: if the file is missing, damaged, not such an image, or has more pixels.
    """
    source = opening.given(source)
    name = name if isinstance(source, bytes) else str(source)
    with _file(source, name) as (file, format_):
        if format_ == "JXL":
            return _read_jxl(disk.read_bounded(file, name), max_pixels)
        image, icc, notes = opening.opened(file, format_, max_pixels=max_pixels)
        with image:
            notes += _notes(image)
            # First: loading a TIFF turns it and forgets that it did.
            comment, turned = exif.comment(image), exif.orientation(image)
            image.load()
            from PIL import ImageOps

            picture = _normalise(ImageOps.exif_transpose(image), icc, notes)
            return dataclasses.replace(picture, comment=comment, orientation=turned)


def read_rgb(path: str | pathlib.Path) -> np.ndarray:
    """Just the pixels, uint8 `[H, W, 3]`. Raises as `read` does."""
    return read(path).rgb


def write(path: str | pathlib.Path, picture: Picture) -> tuple[str, ...]:
    """Writes `picture` in the format that the suffix names, all or nothing.

    Returns:
        Notes on what that format could not hold.

    Raises:
        ImageError: if the suffix names no format, the format cannot hold the picture, or the
            file cannot be written.
    """
    suffix = pathlib.Path(path).suffix.lower()
    if suffix not in WRITTEN:
        raise ImageError(f"{path}: cannot write images of type {suffix or '(none)'}")
    try:
        disk.write_bytes(path, encoded(picture, WRITTEN[suffix]))
    except FileError as error:
        raise ImageError(_named(f"{path}: ", error)) from error
    notes = []
    if suffix == ".bmp" and picture.icc is not None:
        notes.append("BMP holds no colour profile: it is dropped")
    if suffix == ".bmp" and picture.text is not None and NOTHING_DRAWN not in picture.text:
        notes.append(f"BMP holds no caption, which says: {picture.text}")
    return tuple(notes)


def encoded(picture: Picture, format_: str = "PNG") -> bytes:
    """The bytes of an image file: one of the values of `WRITTEN`.

    Raises:
        ImageError: if the format cannot hold the picture.
    """
    from PIL import Image

    image = Image.fromarray(picture.rgb)
    if picture.alpha is not None:
        if format_ in ("JPEG", "BMP"):
            raise ImageError(f"{format_} holds no transparency; write PNG, WebP or TIFF")
        image.putalpha(Image.fromarray(picture.alpha))
    if picture.icc is not None:
        check_profile(picture.icc, format_)
    options: dict[str, Any] = {}
    if format_ == "WEBP":  # Exact: colours are kept where nothing shows them.
        options = {"lossless": True, "exact": True}
    if format_ == "JPEG":
        options = {"quality": 95, "subsampling": 0}
    if picture.text is not None:
        options |= _described(picture.text, format_)
    out = io.BytesIO()
    try:
        image.save(out, format_, icc_profile=picture.icc, **options)
    except (OSError, ValueError) as error:
        raise ImageError(str(error)) from error
    return out.getvalue()


def _described(text: str, format_: str) -> dict[str, Any]:
    """What makes Pillow write a caption where viewers look for one."""
    if format_ == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_text("Description", text)
        return {"pnginfo": info}
    if format_ in ("JPEG", "WEBP"):
        return {"exif": description(text)}
    return {"description": text} if format_ == "TIFF" else {}


def comment_of(source: str | pathlib.Path | bytes) -> str | None:
    """The comment that `classic.encode` stored in an image file; None if there is none.

    Any program may have written the file: the text is at most 200 printable characters, and
    whoever uses it must check it.
    """
    try:
        name = "" if isinstance(source, bytes) else str(source)
        with (
            _file(source, name) as (file, format_),
            opening.opened(file, format_).image as image,
        ):
            return exif.comment(image)
    except ImageError:
        return None


@contextlib.contextmanager
def _file(source: str | pathlib.Path | bytes, name: str) -> Generator[tuple[BinaryIO, str]]:
    """An open file and its format. What is raised inside becomes one type of error."""
    of_bytes = isinstance(source, bytes)
    prefix = f"{name}: " if name else ""
    try:
        with io.BytesIO(source) if of_bytes else disk.open_regular(source) as file:
            format_ = opening.kind(file.read(16))
            if format_ is None:
                raise ImageError(f"not an image that can be read ({_READ})")
            if file.seek(0, os.SEEK_END) > disk.MAX_BYTES and format_ != "TIFF":
                raise ImageError("is larger than 1 GiB")  # Others may be read whole.
            file.seek(0)
            yield file, format_
    except FileError as error:
        raise ImageError(_named(prefix, error)) from error
    except MemoryError:
        raise
    except Exception as error:  # Decoders raise a wide range of types on damaged files.
        raise ImageError(f"{prefix}damaged image ({error})") from error


def _named(prefix: str, error: FileError) -> str:
    return str(error) if str(error).startswith(prefix) else f"{prefix}{error}"


def _read_jxl(data: bytes, max_pixels: int) -> Picture:
    head = jxl.header(data)
    opening.check_size(head.width, head.height, max_pixels)
    pixels = jxl.decode(data)
    notes = []
    if head.bits > 8:
        notes.append(f"reduced from {head.bits} to 8 bits a channel")
    if head.animated:
        notes.append("only the first of its frames is kept")
    if head.profile:
        notes.append("its colour profile cannot be read and is lost")
    elif not head.srgb:
        notes.append("its colours are not sRGB, but are kept as if they were")
    if pixels.dtype.kind == "f":
        pixels = np.clip(np.nan_to_num(pixels.astype(np.float32)), 0, 1)
        pixels = np.rint(255 * pixels).astype(np.uint8)
    elif head.bits != 8:
        full = (1 << head.bits) - 1
        pixels = (
            pixels >> (head.bits - 8) if head.bits > 8 else pixels * (255 // full)
        ).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    alpha = np.ascontiguousarray(pixels[..., -1]) if pixels.shape[-1] in (2, 4) else None
    rgb = pixels[..., :3] if pixels.shape[-1] > 2 else pixels[..., :1]
    rgb = np.ascontiguousarray(np.broadcast_to(rgb, (*pixels.shape[:2], 3)))
    if alpha is not None and head.premultiplied:
        whole = np.maximum(alpha, 1)[..., None].astype(np.uint16)
        rgb = np.minimum((rgb * np.uint16(255) + whole // 2) // whole, 255).astype(np.uint8)
    if alpha is not None and alpha.min() == 255:
        alpha = None
    return Picture(rgb, alpha, None, tuple(notes))


def _notes(image: Any) -> tuple[str, ...]:
    notes = []
    raw = " ".join(str(tile[3]) for tile in image.tile if len(tile) > 3)
    if ";16" in raw or ";16" in image.mode or image.mode == "I":
        notes.append("reduced from 16 to 8 bits a channel")
    if image.mode == "CMYK":
        notes.append("converted from CMYK to RGB")
    if opening.several(image):
        notes.append("only the first of its frames is kept")
    return tuple(notes)


def _normalise(image: Any, icc: bytes | None, notes: tuple[str, ...]) -> Picture:
    from PIL import Image

    if image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.uint16)
        image = Image.fromarray((pixels >> 8).astype(np.uint8))
    elif image.mode == "I":
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ImageError("has pixels of 32 bits, whose range is not known: convert it")
        image = Image.fromarray((pixels >> 8).astype(np.uint8))
    elif image.mode == "F":
        raise ImageError("has floating-point pixels, whose range is not known: convert it")
    elif image.mode == "CMYK" and icc is not None:
        image, icc = _cmyk_to_srgb(image, icc), None
    if icc is not None and icc[16:20] != b"RGB ":
        icc, notes = None, (*notes, "its colour profile is not one of RGB and is dropped")
    alpha = None
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        rgb, alpha = rgba[..., :3], rgba[..., 3]
        alpha = None if alpha.min() == 255 else np.ascontiguousarray(alpha)
    else:
        rgb = np.asarray(image.convert("RGB"))
    return Picture(np.ascontiguousarray(rgb), alpha, icc, notes)


def _cmyk_to_srgb(image: Any, icc: bytes) -> Any:
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")
