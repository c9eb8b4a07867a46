"""The pictures that one cut file stands for, and where they differ.

A file that ends before its last level names a set of pictures: detail that it does not hold is
drawn (`entropy/detail.py`). An auditor wants to know which pixels that concerns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from jaxlic.api import ImageCodec
from jaxlic.entropy.detail import DRAWN, Detail
from jaxlic.errors import Error
from jaxlic.files import bitstream, levels
from jaxlic.files.images import NOTHING_DRAWN, Picture

MAP_SCALE = 16  # Grey levels of a map for one level of 255 of spread.


def members(
    codec: ImageCodec,
    data: bytes,
    *,
    level: int | None = None,
    detail: Detail = DRAWN,
    samples: int = 1,
    max_pixels: int = bitstream.MAX_PIXELS,
) -> Iterator[Picture]:
    """Some of the pictures that a file stands for; each says in `text` which it is.

    Args:
        codec: the one that wrote it.
        data: the file.
        level: how many levels to use, None for all that are whole.
        detail: sampler and seed; its member is the first.
        samples: how many pictures.
        max_pixels: as of `ImageCodec.decode`.

    Raises:
        BitstreamError: as of `ImageCodec.decode`.
        UsageError: if the file has not so many levels.
        Error: if `samples` is below 1, or `detail` is none.
    """
    if samples < 1:
        raise Error(f"samples must be 1 or more, got {samples}")
    detail.check()
    data = levels.truncate(data, level=level)
    whole, written = levels.count(data)
    for number in range(detail.member, detail.member + samples):
        own = detail._replace(member=number)
        picture = codec.decode(data, detail=own, max_pixels=max_pixels)
        # Nothing is cut off that was asked to be left out.
        notes = picture.notes if level is None else ()
        if whole < written and own.sampler != "mean":
            notes += (f"detail beyond level {whole} is drawn, and not in the file",)
        yield dataclasses.replace(picture, notes=notes, text=caption(whole, written, own))


def open_to_drawing(data: bytes, level: int | None = None) -> bool:
    """Whether a file, used up to `level`, leaves detail to draw. Raises as `members` does."""
    whole, written = levels.count(levels.truncate(data, level=level))
    return whole < written


def caption(whole: int, written: int, detail: Detail) -> str:
    """What a picture's file says of how it was made."""
    if written == 1:
        return f"jaxlic: {NOTHING_DRAWN}"
    if whole == written:
        return f"jaxlic: level {whole} of {written}, {NOTHING_DRAWN}"
    if detail.sampler == "mean":
        return f"jaxlic: level {whole} of {written}, sampler mean, {NOTHING_DRAWN}"
    return (
        f"jaxlic: level {whole} of {written}, detail drawn, sampler {detail.sampler}, "
        f"seed {detail.seed}, member {detail.member}"
    )


def map_caption(count: int, member: str) -> str:
    """What a map's file says, of the number of members and the `caption` of one."""
    white = f"white where {count} members spread by {256 // MAP_SCALE} levels of 255 or more"
    return f"{member.rpartition(', member')[0]}: black where nothing depends on that, {white}"


def spread_map(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Which pixels depend on what was drawn: the spread of members, uint8 `[H, W]`.

    The largest standard deviation of the three colours, times 16: black where all members
    agree, white where it is 16 levels of 255 or more.

    Raises:
        Error: if there are fewer than two pictures.
    """
    spread = Spread()
    for picture in pictures:
        spread.add(picture)
    return spread.drawn()


class Spread:
    """Sums over members as they come: 24 bytes a pixel, however many (to 66,000) there are."""

    def __init__(self) -> None:
        self.count = 0
        self.total = self.squares = np.zeros(0, np.uint32)

    def add(self, picture: np.ndarray) -> None:
        """Counts one, uint8 `[H, W, 3]`, in."""
        if not self.count:
            self.total = np.zeros(picture.shape, np.uint32)
            self.squares = np.zeros(picture.shape, np.uint32)
        for row, total, squares in zip(picture, self.total, self.squares, strict=True):
            total += row
            squares += np.square(row, dtype=np.uint32)
        self.count += 1

    def drawn(self) -> np.ndarray:
        """As `spread_map`."""
        if self.count < 2:
            raise Error("a map takes two members or more")
        out = np.empty(self.total.shape[:2], np.uint8)
        for row, total, squares in zip(out, self.total, self.squares, strict=True):
            mean = total / self.count
            variance = np.maximum(squares / self.count - mean**2, 0).max(axis=-1)
            row[:] = np.minimum(np.rint(MAP_SCALE * np.sqrt(variance)), 255)
        return out
