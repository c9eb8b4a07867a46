"""Image files: reading them as they come, writing them whole. The only user of Pillow."""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
import tempfile
import warnings
from typing import Any

import numpy as np

from jaxlic.errors import ImageError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".jxl"})
MAX_PIXELS = 100_000_000
_MAX_SIDES = {"jpeg": 65_500, "webp": 16_383}
_EXIF_IFD, _USER_COMMENT, _ASCII = 0x8769, 0x9286, b"ASCII\0\0\0"


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image as users have them.

    Attributes:
        rgb: uint8 `[H, W, 3]`.
        alpha: uint8 `[H, W]`, or None where all is opaque.
        icc: the ICC profile of `rgb`, or None for sRGB.
        notes: what was lost in reading, one sentence each.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


def find(folder: pathlib.Path) -> list[pathlib.Path]:
    """All files below `folder` that look like images, sorted by path."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def read(path: str | pathlib.Path) -> Picture:
    """Reads an image file: upright (EXIF orientation applied), as 8-bit RGB.

    Grey, palette and CMYK images become RGB (CMYK through its profile if it has one), 16-bit
    ones are reduced to 8 bits, of animations the first frame is taken; `notes` says so.

    Raises:
        ImageError: if the file is missing, damaged, no image, or over 100 megapixels.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() == ".jxl":
        return Picture(_read_jxl(path))
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.MAX_IMAGE_PIXELS = None
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ImageError(
                        f"{path}: {image.width}x{image.height} is over 100 megapixels"
                    )
                notes = _notes(image)
                image.load()
                icc = image.info.get("icc_profile") or None
                image = ImageOps.exif_transpose(image)
                return _normalise(image, icc, notes)
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: is a folder") from error
    except PermissionError as error:
        raise ImageError(f"{path}: permission denied") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: not an image that can be read") from error
    except Exception as error:  # Decoders raise a wide range of types on damaged files.
        raise ImageError(f"{path}: damaged image ({error})") from error


def read_rgb(path: str | pathlib.Path) -> np.ndarray:
    """Just the pixels, uint8 `[H, W, 3]`. Raises as `read` does."""
    return read(path).rgb


def write(path: str | pathlib.Path, picture: Picture) -> None:
    """Writes `picture` in the format that the suffix names, all or nothing.

    Raises:
        ImageError: if the suffix names no format, or the format cannot hold the picture.
    """
    path = pathlib.Path(path)
    from PIL import Image

    image = Image.fromarray(picture.rgb)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    format_ = Image.registered_extensions().get(path.suffix.lower())
    if format_ is None or format_ not in Image.SAVE:
        raise ImageError(f"{path}: cannot write images of type {path.suffix or '(none)'}")
    options = {"lossless": True} if format_ == "WEBP" else {}
    if format_ == "JPEG":
        options = {"quality": 95, "subsampling": 0}
    out = io.BytesIO()
    try:
        image.save(out, format_, icc_profile=picture.icc, **options)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: {error}") from error
    write_bytes(path, out.getvalue())


def write_bytes(path: str | pathlib.Path, data: bytes) -> None:
    """Writes a file under a temporary name and renames it, so that none is ever half there.

    Raises:
        ImageError: if the folder is missing or not writable.
    """
    path = pathlib.Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(data)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            pathlib.Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error


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
        comment: stored in the file's EXIF data, for `comment_of`.
        icc: the colour profile to store.

    Raises:
        ImageError: if the codec is not one of these or is not built in, or the image is too
            long for it.
    """
    from PIL import Image

    if codec == "jxl":
        return _imagecodecs().jpegxl_encode(rgb, level=quality, effort=7)
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
    from PIL import Image

    if codec == "jxl":
        return _imagecodecs().jpegxl_decode(data)
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def comment_of(path: str | pathlib.Path) -> str | None:
    """The comment that `encode` stored in an image file; None if there is none.

    Any program may have written the file: the text is at most 200 printable characters, and
    whoever uses it must check it.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                text = image.getexif().get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    except Exception:  # Damaged metadata is no metadata.
        return None
    text = bytes(text) if isinstance(text, bytes) else str(text or "").encode()
    text = text.removeprefix(_ASCII).decode("ascii", "ignore").rstrip("\0 ")
    return text if 0 < len(text) <= 200 and text.isprintable() else None


def _exif(comment: str) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = _ASCII + comment.encode("ascii")
    return exif.tobytes()


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
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                if image.mode != "L" or (image.height, image.width) != tuple(shape):
                    raise ImageError("the alpha plane does not match the image")
                return np.asarray(image)
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"damaged alpha plane ({error})") from error


def _read_jxl(path: pathlib.Path) -> np.ndarray:
    codecs = _imagecodecs()
    try:
        pixels = codecs.jpegxl_decode(path.read_bytes())
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except Exception as error:
        raise ImageError(f"{path}: damaged image ({error})") from error
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return np.ascontiguousarray(np.broadcast_to(pixels[..., :3], (*pixels.shape[:2], 3)))


def _imagecodecs():
    try:
        import imagecodecs
    except ImportError as error:
        raise ImageError("JPEG XL needs `pip install imagecodecs`") from error
    return imagecodecs


def _notes(image) -> tuple[str, ...]:
    notes = []
    raw = " ".join(str(tile[3]) for tile in image.tile if len(tile) > 3)
    if ";16" in raw or ";16" in image.mode or image.mode in ("I", "F"):
        notes.append("reduced from 16 to 8 bits a channel")
    if image.mode == "CMYK":
        notes.append("converted from CMYK to RGB")
    if getattr(image, "n_frames", 1) > 1:
        notes.append("only the first of its frames is kept")
    return tuple(notes)


def _normalise(image, icc, notes) -> Picture:
    from PIL import Image

    if image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.uint16)
        image = Image.fromarray((pixels >> 8).astype(np.uint8))
    elif image.mode == "I":
        pixels = np.clip(np.asarray(image), 0, 65535)
        image = Image.fromarray((pixels >> 8).astype(np.uint8))
    elif image.mode == "F":
        image = Image.fromarray(np.clip(np.asarray(image), 0, 255).astype(np.uint8))
    elif image.mode == "CMYK" and icc is not None:
        image, icc = _cmyk_to_srgb(image, icc), None
    if icc is not None and icc[16:20] != b"RGB ":
        icc = None
    alpha = None
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        rgb, alpha = rgba[..., :3], rgba[..., 3]
        alpha = None if alpha.min() == 255 else np.ascontiguousarray(alpha)
    else:
        rgb = np.asarray(image.convert("RGB"))
    return Picture(np.ascontiguousarray(rgb), alpha, icc, notes)


def _cmyk_to_srgb(image, icc):
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except ImageCms.PyCMSError:
        return image.convert("RGB")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
