"""What jobs do to images: compress, measure, make thumbnails. Windows of many go together."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxlic import api, coding
from jaxlic.core import Builder
from jaxlic.entropy import range_coder
from jaxlic.errors import UsageError
from jaxlic.files import images
from jaxlic.files.images import Picture
from jaxlic.metrics.scores import psnr
from jaxlic.ops.tiling import padded
from jaxlic.thumbnail import FORMATS, ImageRescaler

COMMANDS = ("compress", "eval", "downscale")
Kind = tuple[tuple[int, int], ...]  # Sizes that programs are compiled for.

_TOGETHER = (8, 1)  # Windows in a call of an accelerator; a CPU gains nothing by more than one.


class Coded(NamedTuple):
    """An image at one quality.

    Attributes:
        data: the bytes of its file.
        psnr: in dB, of RGB, if it was asked for.
        notes: what was lost.
    """

    data: bytes
    psnr: float | None = None
    notes: tuple[str, ...] = ()


class Task(NamedTuple):
    """What is done to every image of a job.

    Attributes:
        model: its id.
        stream, pixels: its fingerprints, in hexadecimal.
        qualities: at which every image is coded.
        suffix: what is added to a source's name; "" if no output is kept.
        max_pixels: the most that an image may have.
        kind: height and width of an image to what has to be compiled for it: images that have
            it in common are done together.
        warm: compiles all that some kinds need.
        run: images to their results, one for every quality.
    """

    model: str
    stream: str
    pixels: str
    qualities: tuple[float, ...]
    suffix: str
    max_pixels: int
    kind: Callable[[int, int], Kind]
    warm: Callable[[Iterable[Kind]], None]
    run: Callable[[Sequence[Picture]], list[list[Coded]]]


def task(
    command: str,
    arguments: dict[str, Any],
    *,
    builders: Sequence[Builder] = (),
    threads: int = 2,
) -> Task:
    """The task of a job.

    Args:
        command: one of `COMMANDS`.
        arguments: "model", "qualities", "max_pixels", "psnr"; "coder" of codecs, "scale" and
            "format" of thumbnails.
        builders: architectures of the caller's.
        threads: how many code beside the device.

    Raises:
        Error: if the model is not there, or not of the right kind.
    """
    pool = ThreadPoolExecutor(threads, "coding")
    model = api.load(arguments["model"], builders=builders)
    if command == "downscale":
        return _downscale(model, arguments, pool)
    if not isinstance(model, api.ImageCodec):
        raise UsageError(f"{arguments['model']}: makes thumbnails (batch downscale)")
    return _compress(model, arguments, pool, keep=command == "compress")


def _compress(
    codec: api.ImageCodec, arguments: dict[str, Any], pool: ThreadPoolExecutor, keep: bool
) -> Task:
    counts = (1,) if jax.default_backend() == "cpu" else _TOGETHER
    codec = dataclasses.replace(codec, counts=counts)
    measure, limit = arguments["psnr"], arguments["max_pixels"]
    qualities, m = tuple(arguments["qualities"]), codec.model
    coder = range_coder.named(arguments["coder"])
    done: set[tuple[int, int]] = set()

    def warm(kinds: Iterable[Kind]) -> None:
        sizes = sorted({size for kind in kinds for size in kind} - done)
        random.shuffle(sizes)  # Workers of a machine then find what others have compiled.
        coding.warm(
            codec.codec,
            m.params,
            m.tables,
            sizes,
            range_coder=coder,
            counts=counts,
            decode=measure,
        )
        done.update(sizes)

    def measured(picture: Picture, data: bytes) -> Coded:
        return Coded(data, psnr(picture.rgb, codec.decode(data).rgb) if measure else None)

    def run(pictures: Sequence[Picture]) -> list[list[Coded]]:
        results: list[list[Coded]] = [[] for _ in pictures]
        for quality in qualities:
            files = codec.compress_many(
                pictures, quality, coder=arguments["coder"], max_pixels=limit, pool=pool
            )
            for found, coded in zip(results, pool.map(measured, pictures, files), strict=True):
                found.append(coded)
        return results

    return Task(
        model=m.id,
        stream=m.stream.hex(),
        pixels=m.pixels.hex(),
        qualities=qualities,
        suffix=".jlic" if keep else "",
        max_pixels=limit,
        kind=lambda height, width: tuple(sorted(coding.buffers(codec.codec, (height, width)))),
        warm=warm,
        run=run,
    )


def _downscale(
    rescaler: api.ImageCodec | ImageRescaler,
    arguments: dict[str, Any],
    pool: ThreadPoolExecutor,
) -> Task:
    if not isinstance(rescaler, ImageRescaler):
        raise UsageError(f"{arguments['model']}: is a codec (batch compress), not a rescaler")
    format_, scale = arguments["format"], rescaler.scale
    if scale != arguments["scale"]:
        raise UsageError(f"{arguments['model']}: has scale {scale}, not {arguments['scale']}")
    (quality,) = arguments["qualities"]
    suffix, m = next(s for s, f in FORMATS.items() if f == format_), rescaler.model
    done: set[Kind] = set()

    def one(picture: Picture) -> list[Coded]:
        data = rescaler.encode(picture, format_, int(quality))
        value = None
        if arguments["psnr"]:
            small, shape = images.read(data).rgb, picture.rgb.shape[:2]
            value = psnr(picture.rgb, rescaler.upscale(small, shape))
        lost = () if picture.alpha is None else ("its transparency is dropped",)
        return [Coded(data, value, lost)]

    def warm(kinds: Iterable[Kind]) -> None:
        new = set(kinds) - done
        list(pool.map(lambda k: one(Picture(np.zeros((*k[0], 3), np.uint8))), sorted(new)))
        done.update(new)

    return Task(
        model=m.id,
        stream=m.stream.hex(),
        pixels=m.pixels.hex(),
        qualities=(quality,),
        suffix=f".x{scale}{suffix}",
        max_pixels=arguments["max_pixels"],
        kind=lambda height, width: (padded(height, width, m.codec.stride),),
        warm=warm,
        run=lambda pictures: list(pool.map(one, pictures)),
    )
