"""Models of ours as round trips, by the names of their curves."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxlic import api, refiner
from jaxlic.core import Builder
from jaxlic.entropy.detail import DRAWN, MEAN, Detail
from jaxlic.errors import UsageError
from jaxlic.files import classic
from jaxlic.files import levels as cut
from jaxlic.report.round_trip import RoundTrip
from jaxlic.rescaling.bicubic import RestoredBicubic
from jaxlic.rescaling.rescaler import rescaler
from jaxlic.thumbnail import ImageRescaler

MODEL_QUALITIES = (1, 5, 15, 25, 35, 45, 55, 65, 75, 85, 95)
THUMBNAIL_QUALITIES = (30, 50, 70, 80, 90)
REFINED = "refined"
BICUBIC = {"bicubic-x2": 2, "bicubic-x4": 4}


def learned(
    model: str | pathlib.Path,
    qualities: Sequence[float] | None = None,
    *,
    builders: Sequence[Builder] = (),
) -> dict[str, tuple[RoundTrip, Sequence[float]]]:
    """A model of ours by the names of its curves, for `evaluate`.

    A codec has one; its file is complete, header and checksums included. A codec in levels has
    two, whose qualities are levels: of one file at `api.DEFAULT_QUALITY`, cut, with what it
    lost drawn and with its mean. A rescaler has two, for thumbnails in JPEG and WebP; so have
    `bicubic-x2` and `bicubic-x4`. `MODEL/refined` is a codec's files, refined.
    """
    own, _, ending = str(model).rpartition("/")
    if ending == REFINED and not pathlib.Path(model).exists():
        return _refined(api.load_codec(own, builders=builders), str(model), qualities)
    if model in BICUBIC:
        plain = rescaler(RestoredBicubic(BICUBIC[model], width=0))
        down, up = (lambda x: plain.downscale({}, x)), (lambda x, s: plain.upscale({}, x, s))
        return _thumbnails(str(model), down, up, qualities)
    codec = api.load(model, builders=builders)
    if isinstance(codec, ImageRescaler):
        note = codec.note
        return _thumbnails(str(model), codec.downscale, codec.upscale, qualities, note)

    settings = f"stream {codec.model.stream.hex()}, weights {codec.model.pixels.hex()}"
    if codec.codec.geometry.levels > 1:
        return _in_levels(str(model), codec, qualities, settings)
    there_and_back = RoundTrip(
        codec.compress,
        lambda data, shape: codec.decompress(data),
        whole=False,
        span=(1, 100),
        settings=settings,
    )
    return {str(model): (there_and_back, qualities or MODEL_QUALITIES)}


def _refined(codec, name, qualities):
    model, how = refiner.refiner_for(codec), refiner.How()

    def decode(data: bytes, shape: tuple[int, int]) -> np.ndarray:
        return refiner.decode(codec, model, data, how).rgb

    settings = f"stream {codec.model.stream.hex()}, refiner {model.pixels.hex()}, {how.text()}"
    there_and_back = RoundTrip(
        codec.compress,
        decode,
        {"kind": "refined", "seed": how.seed},
        whole=False,
        span=(1, 100),
        settings=settings,
    )
    return {name: (there_and_back, qualities or MODEL_QUALITIES)}


def _in_levels(name, codec, levels, settings):
    count, last = codec.codec.geometry.levels, {}  # An image is compressed once for all levels.
    if not all(level in range(1, count + 1) for level in levels or ()):
        raise UsageError(f"{name}: qualities are levels here, 1 to {count}")

    def encode(image: np.ndarray, level: float) -> bytes:
        if last.get("image") is not image:
            last.update(image=image, data=codec.compress(image))
        return cut.truncate(last["data"], level=int(level))

    def curve(detail: Detail, generated: dict[str, Any] | None) -> RoundTrip:
        def decode(data: bytes, shape: tuple[int, int]) -> np.ndarray:
            return codec.decode(data, detail=detail).rgb

        whole = f"{settings}, quality {api.DEFAULT_QUALITY:g}, sampler {detail.sampler}"
        return RoundTrip(encode, decode, generated, span=(1, count), settings=whole)

    qualities = tuple(levels or range(1, count + 1))
    return {
        f"{name}/mean": (curve(MEAN, None), qualities),
        f"{name}/drawn": (curve(DRAWN, {"kind": "sampled", "seed": DRAWN.seed}), qualities),
    }


def _thumbnails(name, down, up, qualities, note=None):
    last: dict[str, Any] = {}  # An image is reduced once for all qualities.

    def through(format_: str) -> RoundTrip:
        def encode(image: np.ndarray, quality: float) -> bytes:
            if last.get("image") is not image:
                last.update(image=image, small=down(image))
            comment = None if note is None else note(image.shape[:2]).text()
            return classic.encode(last["small"], format_, round(quality), comment=comment)

        settings = f"thumbnail in {format_}: {classic.encoder(format_)}"
        return RoundTrip(
            encode,
            lambda data, shape: up(classic.decode(data, format_), shape),
            settings=settings,
        )

    qualities = qualities or THUMBNAIL_QUALITIES
    return {f"{name}/{f}": (through(f), qualities) for f in ("jpeg", "webp")}
