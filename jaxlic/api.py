"""`jaxlic.load`: a codec with its weights, for people who have an image and want a file."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np

from jaxlic import bitstream, checkpoint, images, thumbnail
from jaxlic.bitstream import BitstreamError, File, Header
from jaxlic.checkpoint import Model, ModelError
from jaxlic.codecs.transform import padded, tiles
from jaxlic.core import MAX_QUALITY, MIN_QUALITY, Codec
from jaxlic.data import cache_folder
from jaxlic.entropy.range_coder import CONSTRICTION, RangeCoder
from jaxlic.images import Picture
from jaxlic.thumbnail import ImageRescaler

DEFAULT_MODEL = "base"
DEFAULT_QUALITY = 40.0
CODERS = ("constriction", "tfc")


@dataclasses.dataclass(frozen=True)
class ImageCodec:
    """Images to bytes and back.

    Attributes:
        model: the pure functions (`model.codec`), parameters and tables underneath.
    """

    model: Model

    def compress(
        self,
        image: np.ndarray | Picture,
        quality: float = DEFAULT_QUALITY,
        coder: str = CODERS[0],
    ) -> bytes:
        """Compresses one image to the bytes of a `.jlic` file.

        Args:
            image: uint8 `[H, W, 3]` (or `[H, W]` grey, `[H, W, 4]` with alpha), or a
                `Picture`; up to 100 megapixels.
            quality: in [1, 100], in steps of 0.01.
            coder: "constriction" or "tfc".

        Raises:
            ValueError: if image, quality or coder is not as above.
        """
        picture = image if isinstance(image, Picture) else _picture(image)
        if not MIN_QUALITY <= quality <= MAX_QUALITY:
            raise ValueError(f"quality must be in [1, 100], got {quality}")
        height, width = picture.rgb.shape[:2]
        if height * width > bitstream.MAX_PIXELS or max(height, width) > bitstream.MAX_SIDE:
            raise ValueError(f"an image of {width}x{height} is over 100 megapixels")
        range_coder = range_coder_named(coder)
        hundredths = round(quality * bitstream.QUALITY_STEPS)
        m = self.model
        segments = m.codec.compress(
            m.params, m.tables, picture.rgb, hundredths / bitstream.QUALITY_STEPS, range_coder
        )
        header = Header(m.number, m.fingerprint, hundredths, height, width, range_coder.number)
        alpha = None if picture.alpha is None else images.encode_grey(picture.alpha)
        return bitstream.pack(File(header, tuple(segments), alpha, picture.icc))

    def decompress(self, data: bytes) -> np.ndarray:
        """The image in a `.jlic` file: uint8 `[H, W, 3]`, or `[H, W, 4]` if it has alpha.

        Raises:
            BitstreamError: if the file is damaged or another model wrote it.
        """
        picture = self.decode(data)
        if picture.alpha is None:
            return picture.rgb
        return np.concatenate([picture.rgb, picture.alpha[..., None]], axis=-1)

    def decode(self, data: bytes) -> Picture:
        """As `decompress`, with alpha and colour profile apart. Raises BitstreamError."""
        file = parse(data)
        h, m = file.header, self.model
        if h.fingerprint != m.fingerprint:
            raise BitstreamError(
                f"written by model {_name(h)}, not by {m.id} ({m.fingerprint.hex()})"
            )
        rgb = m.codec.decompress(
            m.params,
            m.tables,
            file.segments,
            (h.height, h.width),
            h.quality / bitstream.QUALITY_STEPS,
            _range_coder_numbered(h.coder),
        )
        alpha = None
        if file.alpha is not None:
            try:
                alpha = images.decode_grey(file.alpha, (h.height, h.width))
            except images.ImageError as error:
                raise BitstreamError(str(error)) from error
        return Picture(rgb, alpha, file.icc)


def load(model: str | pathlib.Path = DEFAULT_MODEL) -> ImageCodec | ImageRescaler:
    """Loads a shipped model by its id, or an exported one by its folder.

    What comes back is an `ImageCodec`, or an `ImageRescaler` if the model makes thumbnails.

    Compiled programs are kept in the user's cache folder (`$JAXLIC_CACHE`), so that the
    second process starts fast. A compilation cache that is already configured is left alone.

    Raises:
        jaxlic.ModelError: if it cannot be loaded.
    """
    if jax.config.jax_compilation_cache_dir is None:
        try:
            (cache_folder() / "compiled").mkdir(parents=True, exist_ok=True)
        except OSError:
            pass  # A read-only home: everything works, only the start is slower.
        else:
            jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
            jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    loaded = checkpoint.load_model(model)
    return (ImageCodec if isinstance(loaded.codec, Codec) else ImageRescaler)(loaded)


def load_codec(model: str | pathlib.Path = DEFAULT_MODEL) -> ImageCodec:
    """As `load`, for codecs alone. Raises ModelError for a rescaler too."""
    loaded = load(model)
    if not isinstance(loaded, ImageCodec):
        raise ModelError(f"{model}: makes thumbnails (jaxlic downscale), not .jlic files")
    return loaded


def load_for(data: bytes, model: str | pathlib.Path | None = None) -> ImageCodec:
    """The codec that wrote a file: `model`, or the shipped one that the file names.

    Raises:
        BitstreamError: if the file is damaged or no shipped model has its number.
    """
    header = parse(data).header
    if model is not None:
        return load_codec(model)
    name = _numbered(header.model)
    if name is None:
        raise BitstreamError(f"written by model {_name(header)}, which is not shipped; name it")
    return load_codec(name)


def restore(
    path: str | pathlib.Path,
    *,
    scale: int | None = None,
    model: str | pathlib.Path | None = None,
    latent: str = "mean",
    seed: int = 0,
) -> Picture:
    """The image of a thumbnail's file, by the model that the file names.

    Args:
        path: a JPEG, a WebP, or any other image.
        scale: needed for files that jaxlic did not make; must agree with the others.
        model: id or folder; None for what the file says, or `sain-x2` or `sain-x4`.
        latent, seed: as in `ImageRescaler.upscale`.

    Returns:
        The image; what a user should know about it is in its `notes`.

    Raises:
        ImageError: if the file is no image, or does not say how it was made.
        ModelError: if the model is not there.
    """
    picture, note = images.read(path), thumbnail.note_of(path)
    notes, shape = list(picture.notes), None
    if note is None:
        if scale is None:
            raise images.ImageError(
                f"{path}: does not say how it was made; give a scale, 2 or 4"
            )
        notes.append("not made by jaxlic: expect no more than an ordinary enlargement")
    elif scale not in (None, note.scale):
        raise images.ImageError(f"{path}: was made at scale {note.scale}, not {scale}")
    elif model is None and note.model not in checkpoint.shipped():
        raise images.ImageError(
            f"{path}: made by model {note.model}, which is not shipped; name its folder"
        )
    if picture.alpha is not None:
        notes.append("its transparency is dropped")
    name = model or (f"sain-x{scale}" if note is None else note.model)
    rescaler = load(name)
    if not isinstance(rescaler, ImageRescaler):
        raise images.ImageError(f"{path}: model {name} is a codec, not a rescaler")
    wanted = scale if note is None else note.scale
    if rescaler.scale != wanted:
        raise images.ImageError(
            f"{path}: needs scale {wanted}, but {name} has {rescaler.scale}"
        )
    if note is not None:
        if note.fingerprint != rescaler.model.fingerprint.hex():
            notes.append(f"made with other weights ({note.model} {note.fingerprint})")
        if rescaler.reduced(note.shape) == picture.rgb.shape[:2]:
            shape = note.shape
        else:
            notes.append("resized or cropped since it was made: enlarged as it is")
    rgb = rescaler.upscale(picture.rgb, shape, latent=latent, seed=seed)
    return Picture(rgb, None, picture.icc, tuple(notes))


def parse(data: bytes) -> File:
    """Checks a file and takes it apart, without decoding. Raises BitstreamError."""
    return bitstream.unpack(data, count_tiles)


def count_tiles(height: int, width: int) -> int:
    """How many segments a file of this geometry has."""
    return sum(1 for _ in tiles(*padded(height, width, 64), 0))


def describe(data: bytes) -> dict[str, Any]:
    """What a file says of itself: model, quality, geometry, bytes. Raises BitstreamError."""
    file = parse(data)
    h = file.header
    coded = sum(map(len, file.segments))
    extra = {"alpha": len(file.alpha or b""), "icc": len(file.icc or b"")}
    return {
        "model": _name(h),
        "quality": h.quality / bitstream.QUALITY_STEPS,
        "width": h.width,
        "height": h.height,
        "coder": CODERS[h.coder] if h.coder < len(CODERS) else f"unknown ({h.coder})",
        "bytes": {
            "file": len(data),
            "header": file.header_size,
            "tiles": [len(segment) for segment in file.segments],
            "image": coded,
            **extra,
        },
        "bpp": 8 * len(data) / (h.height * h.width),
        "checksums": "ok",
    }


def range_coder_named(name: str) -> RangeCoder:
    """The entropy coder of that name.

    Raises:
        ValueError: if there is none, or it needs the extra `jaxlic[tfc]`.
    """
    if name == CODERS[0]:
        return CONSTRICTION
    if name == CODERS[1]:
        from jaxlic.entropy.tfc_coder import load_tfc

        return load_tfc()
    raise ValueError(f"coder must be one of {', '.join(CODERS)}, got {name!r}")


def _range_coder_numbered(number: int) -> RangeCoder:
    if number >= len(CODERS):
        raise BitstreamError(f"entropy coder {number} is not known to this release")
    try:
        return range_coder_named(CODERS[number])
    except ValueError as error:
        raise BitstreamError(str(error)) from error


def _name(h: Header) -> str:
    name = _numbered(h.model)
    return h.fingerprint.hex() if name is None else f"{name} ({h.fingerprint.hex()})"


def _numbered(number: int) -> str | None:
    """The shipped codec that files call by this number."""
    for name in checkpoint.shipped():
        card = checkpoint.card(name)
        if card["number"] == number and not checkpoint.is_rescaler(card["builder"]):
            return name
    return None


def _picture(image: np.ndarray) -> Picture:
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"an image is uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    if image.shape[-1] == 4:
        return Picture(np.ascontiguousarray(image[..., :3]), image[..., 3].copy())
    if image.shape[-1] != 3:
        raise ValueError(f"an image has 3 or 4 channels, got {image.shape[-1]}")
    return Picture(image)
