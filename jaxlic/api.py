"""`jaxlic.load`: a codec with its weights, for people who have an image and want a file."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from jaxlic import coding, forks, models
from jaxlic.account import name_of, numbered
from jaxlic.core import Builder, Codec, Finish
from jaxlic.effort import Track, untracked
from jaxlic.effort import compress as searched
from jaxlic.entropy import range_coder
from jaxlic.entropy.detail import Detail
from jaxlic.errors import BitstreamError, ImageError, ModelError
from jaxlic.files import bitstream, classic, held
from jaxlic.files.bitstream import File, Header
from jaxlic.files.images import Picture
from jaxlic.files.opening import check_size
from jaxlic.models import Model
from jaxlic.ops.tiling import padded, tiles
from jaxlic.thumbnail import ImageRescaler

DEFAULT_MODEL = "pyramid-3"  # And commands.options.MODEL.
DEFAULT_QUALITY = 40.0


@dataclasses.dataclass(frozen=True)
class ImageCodec:
    """Images to bytes and back.

    Attributes:
        model: the pure functions (`model.codec`), parameters and tables underneath.
        counts: how many windows of images may be in one call of the device, descending to 1;
            each is a program to compile.
    """

    model: Model
    counts: Sequence[int] = coding.COUNTS

    def compress(
        self,
        image: np.ndarray | Picture,
        quality: float = DEFAULT_QUALITY,
        *,
        effort: int = 0,
        coder: str = range_coder.NAMES[0],
        max_pixels: int = bitstream.MAX_PIXELS,
        track: Track = untracked,
    ) -> bytes:
        """Compresses one image to the bytes of a `.jlic` file.

        Args:
            image: uint8 `[H, W, 3]` (or `[H, W]` grey, `[H, W, 4]` with alpha), or a
                `Picture`; up to 100 megapixels.
            quality: in [1, 100], in steps of 0.01.
            effort: 0 to 3, how long to look for a better file (`docs/effort.md`).
            coder: "constriction" or "tfc".
            max_pixels: the most that `image` may have; 100 megapixels at most.
            track: as of `effort.compress`.

        Raises:
            Error: if image, quality, effort or coder is not as above.
        """
        if not effort:
            return self.compress_many([image], quality, coder=coder, max_pixels=max_pixels)[0]
        (picture,), chosen, hundredths = _asked([image], quality, coder, max_pixels)
        payloads = searched(
            self.codec,
            self.model.params,
            self.model.tables,
            picture.rgb,
            hundredths / bitstream.QUALITY_STEPS,
            effort=effort,
            range_coder=chosen,
            counts=self.counts,
            track=track,
        )
        return self._packed(picture, payloads, hundredths, chosen.number)

    def compress_many(
        self,
        images: Sequence[np.ndarray | Picture],
        quality: float = DEFAULT_QUALITY,
        *,
        coder: str = range_coder.NAMES[0],
        max_pixels: int = bitstream.MAX_PIXELS,
        pool: Executor | None = None,
    ) -> list[bytes]:
        """As `compress`, for images whose windows go to the device together.

        Each becomes the bytes that it becomes alone. Images that have much the same size gain
        most; `pool` is for threads that code what the device has done while it does the next.
        """
        pictures, chosen, hundredths = _asked(images, quality, coder, max_pixels)
        m = self.model
        coded = coding.compress_batch(
            self.codec,
            m.params,
            m.tables,
            [picture.rgb for picture in pictures],
            [hundredths / bitstream.QUALITY_STEPS] * len(pictures),
            range_coder=chosen,
            counts=self.counts,
            pool=pool,
        )
        return [
            self._packed(picture, payloads, hundredths, chosen.number)
            for picture, payloads in zip(pictures, coded, strict=True)
        ]

    def decompress(self, data: bytes, *, max_pixels: int = bitstream.MAX_PIXELS) -> np.ndarray:
        """The image in a `.jlic` file: uint8 `[H, W, 3]`, or `[H, W, 4]` if it has alpha.

        A file of a few hundred bytes may hold 100 megapixels, and cost minutes and more than
        a GB. Where files come from anybody, set `max_pixels`: more are refused at once.

        Raises:
            BitstreamError: if the file is damaged, is larger, or another model wrote it.
        """
        picture = self.decode(data, max_pixels=max_pixels)
        if picture.alpha is None:
            return picture.rgb
        return np.concatenate([picture.rgb, picture.alpha[..., None]], axis=-1)

    def decode(
        self,
        data: bytes,
        *,
        detail: Detail | None = None,
        finish: Finish | None = None,
        max_pixels: int = bitstream.MAX_PIXELS,
    ) -> Picture:
        """As `decompress`, with alpha and colour profile apart, and notes on what is missing.

        `detail` says what is drawn for levels that are not there; nothing, unless it is given.
        `finish` makes other pixels of them in the end, given the latents and the quality too;
        `jaxlic.refiner` does.

        Raises:
            BitstreamError: as of `decompress`. Error: if there is no such detail.
        """
        forks.check()
        file = bitstream.unpack(data)
        settings = self._settings(file, max_pixels)
        icc = bitstream.profile(file)
        h, m = file.header, self.model
        rgb = coding.decompress(
            self.codec,
            m.params,
            m.tables,
            file.payloads,
            counts=self.counts,
            detail=detail,
            finish=finish,
            **settings,
        )
        rgb, alpha = held.greyed(rgb) if h.grey else rgb, None
        if file.alpha is not None:
            try:
                alpha = classic.decode_grey(file.alpha, (h.height, h.width))
            except ImageError as error:
                raise BitstreamError(str(error)) from error
        notes = []
        if file.missing:
            notes = [f"holds level {len(file.ends)} of {h.levels}, the rest is cut off"]
        return Picture(rgb, alpha, icc, tuple(notes))

    def latents(self, data: bytes, *, max_pixels: int = bitstream.MAX_PIXELS) -> np.ndarray:
        """The decoded latents in a file: float32 `[H', W', C]`, the same on every machine.

        Raises:
            BitstreamError: if the file is damaged, is larger, or another model wrote it.
        """
        forks.check()
        file, m = bitstream.unpack(data), self.model
        settings = self._settings(file, max_pixels)
        return coding.latents(self.codec, m.params, m.tables, file.payloads, **settings)

    @property
    def codec(self) -> Codec:
        """The pure functions."""
        assert isinstance(self.model.codec, Codec)
        return self.model.codec

    def _packed(
        self, picture: Picture, payloads: list[list[bytes]], quality: int, coder: int
    ) -> bytes:
        m, codec = self.model, self.codec
        header = Header(
            m.number,
            m.stream,
            quality,
            *picture.rgb.shape[:2],
            coder,
            tiles=len(payloads),
            levels=codec.geometry.levels,
            exact=codec.exact,
            grey=held.is_grey(picture.rgb),
        )
        alpha = None if picture.alpha is None else classic.encode_grey(picture.alpha)
        icc = None if picture.icc is None else bitstream.deflate(picture.icc)
        return bitstream.pack(File(header, tuple(map(tuple, payloads)), alpha, icc))

    def _settings(self, file: File, max_pixels: int) -> dict[str, Any]:
        """What decoding needs to know of a file, once it is this model's and plausible."""
        h, m, g = file.header, self.model, self.codec.geometry
        try:
            check_size(h.width, h.height, max_pixels)
        except ImageError as error:
            raise BitstreamError(str(error)) from error
        if h.fingerprint != (m.v1 if h.version == 1 else m.stream):
            raise BitstreamError(
                f"written by model {name_of(h)}, not by {m.id} ({m.stream.hex()})"
            )
        expected = sum(1 for _ in tiles(*padded(h.height, h.width, g.stride), 0))
        if h.tiles != expected or h.levels != g.levels:
            raise BitstreamError(
                f"holds {h.tiles} tiles of {h.levels} levels, but such an image has "
                f"{expected} of {g.levels}"
            )
        return dict(
            shape=(h.height, h.width),
            quality=h.quality / bitstream.QUALITY_STEPS,
            range_coder=range_coder.numbered(h.coder),
        )


def load(
    model: str | pathlib.Path = DEFAULT_MODEL, *, builders: Sequence[Builder] = ()
) -> ImageCodec | ImageRescaler:
    """Loads a shipped model by its id, or an exported one by its folder.

    What comes back is an `ImageCodec`, or an `ImageRescaler` if the model makes thumbnails.
    No global state is touched: to keep compiled programs between processes, as the command
    line does, call `jaxlic.keep_compiled()` once.

    Args:
        model: id or folder.
        builders: architectures of your own that the model may name.

    Raises:
        ModelError: if it cannot be loaded, or refines files of another model.
    """
    loaded = models.load_model(model, builders=builders)
    parent = loaded.card.get("parent")
    if isinstance(loaded.codec, Codec) and loaded.codec.refiner is not None and parent:
        raise ModelError(f"{model}: refines files of {parent} (jaxlic decompress --refine)")
    return (ImageCodec if isinstance(loaded.codec, Codec) else ImageRescaler)(loaded)


def load_codec(
    model: str | pathlib.Path = DEFAULT_MODEL, *, builders: Sequence[Builder] = ()
) -> ImageCodec:
    """As `load`, for codecs alone. Raises ModelError for rescalers too."""
    loaded = load(model, builders=builders)
    if not isinstance(loaded, ImageCodec):
        raise ModelError(f"{model}: makes thumbnails (jaxlic downscale), not .jlic files")
    return loaded


def load_for(
    data: bytes,
    model: str | pathlib.Path | None = None,
    *,
    builders: Sequence[Builder] = (),
) -> ImageCodec:
    """The codec that wrote a file: `model`, or the shipped one that the file names.

    Raises:
        BitstreamError: if the file is damaged or no shipped model has its number.
    """
    header = bitstream.unpack(data).header
    if model is not None:
        return load_codec(model, builders=builders)
    name = numbered(header.model)
    if name is None:
        raise BitstreamError(
            f"written by model {name_of(header)}, which is not shipped; name it"
        )
    return load_codec(name)


def _asked(images, quality, coder, max_pixels):
    """The pictures, the entropy coder, and the quality in hundredths. Raises Error."""
    forks.check()
    pictures = [x if isinstance(x, Picture) else held.picture(x, max_pixels) for x in images]
    held.check_quality(quality)
    for picture in pictures:
        held.check(picture, max_pixels)
    return pictures, range_coder.named(coder), round(quality * bitstream.QUALITY_STEPS)
