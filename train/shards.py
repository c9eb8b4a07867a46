"""Images in shards, decoded when they are drawn: ArrayRecord files and WebDataset tars.

What is known of a set of shards before anything is drawn is its index: name, size and place of
each image. `python -m train.pack` writes one beside the shards, `index.json`; of other shards
one is made at the first start and kept in the user's cache.
"""

from __future__ import annotations

import dataclasses
import json
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxlic.errors import ImageError
from jaxlic.files import disk, images
from jaxlic.files.opening import MAX_PIXELS
from train import array_records, tars
from train.data import DataError

INDEX = "index.json"
_VERSION = "jaxlic shards 1"


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of shard.

    Attributes:
        suffix: of the names of its files.
        pattern: of those that are taken for its files.
        stays: whether records are read where they are, also in a store; else its files are
            copied to the user's cache.
        module: has its `scan`, `Reader` and `write`.
    """

    suffix: str
    pattern: re.Pattern[str]
    stays: bool
    module: Any


FORMATS = {
    # TFDS names its files x.array_record-00000-of-00010.
    "arrayrecord": Format(
        ".arrayrecord", re.compile(r"\.array_?record(-\d+-of-\d+)?$"), False, array_records
    ),
    "webdataset": Format(".tar", re.compile(r"\.tar$"), True, tars),
}


@dataclasses.dataclass(frozen=True)
class Index:
    """What is in a set of shards.

    Attributes:
        format: a key of `FORMATS`.
        shards: `(name, bytes)` of each file, in order.
        names: of the images.
        sizes: int64 `[N, 2]`, heights and widths.
        places: int64 `[N, 4]`: number of the shard, offset or number in it, bytes, CRC-32.
        skipped: `(name, reason)` of what could not be read.
    """

    format: str
    shards: Sequence[tuple[str, int]]
    names: Sequence[str]
    sizes: np.ndarray
    places: np.ndarray
    skipped: Sequence[tuple[str, str]] = ()


@dataclasses.dataclass(frozen=True)
class Shards:
    """Images in shards: a `train.crops.Source`.

    Attributes:
        index: what is in them.
        read: gives the bytes at a place.
    """

    index: Index
    read: Callable[[int, int, int], bytes]

    @property
    def names(self) -> Sequence[str]:
        return self.index.names

    @property
    def sizes(self) -> np.ndarray:
        return self.index.sizes

    @property
    def skipped(self) -> Sequence[tuple[str, str]]:
        return self.index.skipped

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> np.ndarray:
        """Image i as uint8 `[H, W, 3]`, decoded now.

        Raises:
            ImageError: if its bytes are broken, or another size than the index says.
            jaxlic.errors.FileError: if the shard cannot be read.
        """
        name = self.names[i]
        height, width = (int(n) for n in self.sizes[i])
        try:
            *place, crc = (int(n) for n in self.index.places[i])
            data = self.read(*place)
            if zlib.crc32(data) != crc:  # Much damage decodes, to other pixels.
                raise ImageError("its bytes are not those that its index knows")
            # No more than it was when it was indexed is ever decoded.
            rgb = images.read(data, name=name, max_pixels=height * width).rgb
        except ImageError as error:
            text = str(error)
            raise ImageError(text if text.startswith(name) else f"{name}: {text}") from error
        if rgb.shape[:2] != (height, width):
            raise ImageError(f"{name}: is not of {width}x{height} pixels, as its index says")
        return rgb


def reading(index: Index, urls: Sequence[str]) -> Shards:
    """The images of shards that lie at `urls`."""
    counts = np.zeros(len(urls), np.int64)
    np.maximum.at(counts, index.places[:, 0], index.places[:, 1] + 1)
    module = FORMATS[index.format].module
    return Shards(index, module.Reader(list(urls), counts.tolist()))


def dumps(index: Index) -> bytes:
    """An index as a file."""
    columns = {
        "version": _VERSION,
        "format": index.format,
        "shards": list(index.shards),
        "names": list(index.names),
        "sizes": index.sizes.tolist(),
        "places": index.places.tolist(),
        "skipped": list(index.skipped),
    }
    return json.dumps(columns, separators=(",", ":")).encode()


def loads(data: bytes, name: str) -> Index:
    """What `dumps` wrote; whatever is in it is possible, though perhaps not so.

    Raises:
        DataError: if it is none, is damaged, or says what cannot be.
    """
    try:
        found = json.loads(data)
        if found["version"] != _VERSION or found["format"] not in FORMATS:
            raise ValueError("of another version")
        shards = [(_text(n), int(size)) for n, size in found["shards"]]
        skipped = [(_text(n), _text(reason)) for n, reason in found["skipped"]]
        names = [_text(n) for n in found["names"]]
        sizes, places = (
            np.array(found[key], np.int64).reshape(len(names), columns)
            for key, columns in (("sizes", 2), ("places", 4))
        )
        _check(shards, sizes, places)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise DataError(f"{name}: is no index of shards, or damaged ({error})") from error
    return Index(found["format"], shards, names, sizes, places, skipped)


def _check(shards, sizes, places):
    ends = np.array([size for _, size in shards], np.int64)
    numbers, starts, lengths, _ = places.T
    if any("/" in n or "\\" in n or n in ("", ".", "..") for n, _ in shards):
        raise ValueError("a shard outside its folder")
    if (sizes < 1).any() or (sizes > MAX_PIXELS).any() or (sizes.prod(1) > MAX_PIXELS).any():
        raise ValueError("an image of impossible size")
    if (numbers < 0).any() or (numbers >= len(shards)).any():
        raise ValueError("an image in a shard that is not there")
    if (starts < 0).any() or (lengths < 0).any() or (lengths > disk.MAX_BYTES).any():
        raise ValueError("an image at an impossible place")
    if (lengths > ends[numbers]).any() or (starts > ends[numbers]).any():
        raise ValueError("an image beyond the end of its shard")


def _text(value):
    """A name as it may be printed."""
    if not isinstance(value, str):
        raise TypeError("a name that is none")
    return (
        value if value.isprintable() else "".join(c if c.isprintable() else "?" for c in value)
    )
