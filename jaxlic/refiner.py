"""Decoded files with a sample of the detail that they leave out: `jaxlic decompress --refine`.

    file -> latents and picture, of the codec that wrote it -> refiner -> picture

The file does not change, nor what is decoded of it: a refiner is a model beside the codec, its
parent. How it is asked to draw is the reader's choice, and goes into the picture's caption.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxlic import models, refining
from jaxlic.api import ImageCodec
from jaxlic.codecs.refined import START
from jaxlic.core import Builder
from jaxlic.diffusion.samplers import ddim
from jaxlic.diffusion.schedule import MAX_LOG_SNR, cosine, grid
from jaxlic.errors import Error, ModelError
from jaxlic.files import bitstream
from jaxlic.files.images import Picture
from jaxlic.files.shelf import card, shipped
from jaxlic.models import Model
from jaxlic.ops.tiling import TILE, area

MAX_STEPS = 64
EDGE = 512  # Of tiles that are chosen from.
HIGHEST = 60.0  # The highest quality that the shipped refiner was trained for.
VISIBLE = 2.0  # Levels of 255: a tile whose residual is predicted below is left as it is.
_SHARE, _POWER = 0.24, 0.8  # See `predicted_residual`.


class How(NamedTuple):
    """How a refiner is asked to draw.

    Attributes:
        steps: evaluations of the network, 1 to 64. With the shipped weights one sharpens,
            two draw texture, and from four on smooth pictures get grain.
        strength: how much of what is drawn is added, 0 to 1.
        seed: of the noise, 0 or more.
        noise: its deviation, 0 to 1, over the one that was trained for; less gives less grain.
    """

    steps: int = 2
    strength: float = 1.0
    seed: int = 0
    noise: float = 0.8

    def text(self) -> str:
        """For captions."""
        how = f"steps {self.steps}, strength {self.strength:g}, noise {self.noise:g}"
        return f"{how}, seed {self.seed}"


def refiner_for(
    codec: ImageCodec, model: str | None = None, *, builders: Sequence[Builder] = ()
) -> Model:
    """The shipped refiner of a codec, or the one named.

    Args:
        codec: whose pictures are to be refined.
        model: id or folder; None for the codec's own, if it was trained with one, or else the
            shipped one that has the codec as its parent.
        builders: as of `jaxlic.load`.

    Raises:
        ModelError: if there is none, or it refines the pictures of another codec.
    """
    if model is None:
        if codec.codec.refiner is not None:
            return codec.model
        own = [name for name in shipped() if is_refiner(name) and _of(name, codec)]
        if not own:
            raise ModelError(f"no refiner ships for files of {codec.model.id}")
        model = own[0]
    if not is_refiner(model):
        raise ModelError(f"{model}: is no refiner")
    base = _parent(model)
    if base is None:
        raise ModelError(f"{model}: does not say whose pictures it refines: it has no parent")
    if card(base)["id"] != codec.model.id:
        raise ModelError(f"{model}: refines no pictures of {codec.model.id}")
    if models.load_model(base, builders=builders).pixels != codec.model.pixels:
        raise ModelError(f"{model}: refines pictures of another {codec.model.id} than this one")
    return models.load_model(model, builders=builders)


def is_refiner(model: str) -> bool:
    """Whether a model has a refiner; reads no weights. Raises ModelError if there is none."""
    return str(card(model)["builder"]).startswith("refined.")


def decode(
    codec: ImageCodec,
    refiner: Model,
    data: bytes,
    how: How | None = None,
    *,
    auto: bool = False,
    budget: float | None = None,
    max_pixels: int = bitstream.MAX_PIXELS,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Picture:
    """The picture in a file, refined; `text` and a note say how, and how much of it.

    The same build, device and arguments give the same pixels, `budget` apart: how far that
    reaches depends on the machine.

    Args:
        codec: the one that wrote the file.
        refiner: of `refiner_for`.
        data: the file.
        how: None for the defaults.
        auto: refine the tiles of 512 pixels alone whose missing detail is predicted to be seen
            (`predicted_residual` of `VISIBLE` or more).
        budget: seconds that refining should take, its compilation included, as far as that
            can be told beforehand; tiles with the largest predicted residual come first.
            None for no limit.
        max_pixels: as of `ImageCodec.decode`.
        tell: called with the evaluations done and the evaluations in all.

    Raises:
        BitstreamError: as of `ImageCodec.decode`.
        Error: if `how` or `budget` is out of range.
    """
    how = how or How()
    _check(how, budget)
    shares: list[float] = []
    qualities: list[float] = []
    if _deterministic(refiner):
        how = how._replace(steps=1)

    def finish(rgb: np.ndarray, y_hat: np.ndarray, quality: float) -> np.ndarray:
        refined, share = _refined(refiner, rgb, y_hat, quality, how, auto, budget, tell)
        shares.append(share)
        qualities.append(quality)
        return refined

    picture = codec.decode(data, finish=finish, max_pixels=max_pixels)
    why = "too little time" if budget is not None else "nothing is missed that would be seen"
    why = why if how.strength else "strength 0"
    share = f"{100 * shares[0]:.3g} % of the pixels"
    drawn = f"{share} refined, {how.text()}" if shares[0] else f"nothing was refined ({why})"
    drawn += ": what that adds is drawn, and not in the file" if shares[0] else ""
    note = drawn
    if shares[0] and qualities[0] > HIGHEST:
        note += f"; above quality {HIGHEST:g} little is missing, and no refiner was trained"
    text = f"jaxlic: {drawn}; model {refiner.id} {refiner.pixels.hex()}"
    return dataclasses.replace(picture, notes=(*picture.notes, note), text=text)


def predicted_residual(image: np.ndarray, unit: float) -> float:
    """What a decoded picture probably lacks: a standard deviation, in levels of 255.

    A power of the picture's mean gradient, times the quality's unit, fitted to 179 tiles of the
    training photographs. There its logarithm and that of the true one correlate by 0.91 to 0.94
    at qualities 10, 25 and 50.

    Args:
        image: uint8 `[H, W, 3]`, as decoded.
        unit: the refiner's deviation at the quality, in levels of 255.
    """
    grey = image.astype(np.float32).mean(-1)
    slope = sum(
        float(np.abs(np.diff(grey, axis=a)).mean()) for a in (0, 1) if grey.shape[a] > 1
    )
    return unit * float(np.sqrt(_SHARE * slope**_POWER))


def _parent(model):
    """The codec that a refiner has as its parent; a student's is that of its teacher."""
    parent = card(model).get("parent")
    return _parent(parent) if parent is not None and is_refiner(parent) else parent


def _of(model, codec):
    parent = _parent(model)
    return parent is not None and card(parent)["id"] == codec.model.id


def _refined(refiner, image, y_hat, quality, how, auto, budget, tell):
    """The refined pixels, and the share of them that is."""
    began, some = time.monotonic(), auto or budget is not None
    if how.strength == 0:
        return image, 0.0
    edge = EDGE if some else TILE
    places = refining.places(refiner.codec, image.shape[:2], edge=edge)
    chosen = list(range(len(places)))
    if some:
        unit = 255 * refiner.codec.refiner.deviation(quality)
        needs = [predicted_residual(image[_pixels(place, image)], unit) for place in places]
        chosen.sort(key=lambda i: -needs[i])
        chosen = [i for i in chosen if not auto or needs[i] >= VISIBLE]
    if budget is not None:
        wanted = [places[i] for i in chosen]
        left = budget - (time.monotonic() - began)
        own = refiner.codec, refiner.params
        chosen = chosen[: refining.affordable(*own, wanted, left, steps=how.steps, edge=edge)]
    if not chosen:
        return image, 0.0
    levels = grid(cosine, how.steps, start=START)
    if _deterministic(refiner):
        levels = np.array([-MAX_LOG_SNR, np.inf])
    done = itertools.count(1)
    refined = refining.refine(
        refiner.codec,
        refiner.params,
        image,
        y_hat,
        quality,
        ddim(levels),
        jax.random.key(how.seed, impl="threefry2x32"),
        strength=how.strength,
        noise=how.noise,
        edge=edge,
        chosen=chosen,
        tell=lambda evaluations: tell(next(done), len(chosen) * how.steps),
    )
    height, width = image.shape[:2]
    pixels = sum(image[_pixels(places[i], image)].size // 3 for i in chosen)
    return refined, pixels / (height * width)


def _deterministic(model):
    return model.codec.refiner.deterministic


def _pixels(place, image):
    """The part of a picture that is in a tile, as an index."""
    return area(place.start, np.minimum(place.stop, image.shape[:2]))


def _check(how, budget):
    if not 1 <= how.steps <= MAX_STEPS or int(how.steps) != how.steps:
        raise Error(f"steps must be 1 to {MAX_STEPS}, got {how.steps}")
    if not 0 <= how.strength <= 1:
        raise Error(f"strength must be in [0, 1], got {how.strength}")
    if not 0 <= how.noise <= 1:
        raise Error(f"noise must be in [0, 1], got {how.noise}")
    if not 0 <= how.seed < 2**31:
        raise Error(f"seed must be 0 or more and below 2**31, got {how.seed}")
    if budget is not None and not 0 < budget < float("inf"):
        raise Error(f"budget must be seconds, more than 0, got {budget}")
