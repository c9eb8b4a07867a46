"""A codec as evaluation sees it: an image to the bytes of a file, and the file back."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Encode = Callable[[np.ndarray, float], bytes]
Decode = Callable[[bytes, tuple[int, int]], np.ndarray]


class RoundTrip(NamedTuple):
    """There and back.

    Attributes:
        encode: (uint8 `[H, W, 3]`, quality) to the bytes of a whole file.
        decode: (those bytes, (H, W)) to uint8 `[H, W, 3]`.
        generated: where a decoder makes up detail, what a viewer has to be told of it:
            "kind" ("sampled", "refined"), and if there are such "level", "strength", "seed".
            It goes into every record and onto every picture of a report.
        whole: whether qualities are whole numbers.
        span: the lowest and the highest quality.
        timed: whether `encode` makes every file anew, so that its seconds are its own.
        settings: what else decides what the files are, in words.
    """

    encode: Encode
    decode: Decode
    generated: Mapping[str, Any] | None = None
    whole: bool = True
    span: tuple[float, float] = (0, 100)
    timed: bool = True
    settings: str = ""

    def __call__(self, image: np.ndarray, quality: float) -> tuple[int, np.ndarray]:
        """(the size of the file, the decoded image)."""
        data = self.encode(image, quality)
        return len(data), self.decode(data, (image.shape[0], image.shape[1]))


def names(files: Sequence[pathlib.Path]) -> list[str]:
    """What files are called in records: by name, or if two share one, by path from a folder.

    >>> names([pathlib.Path("a/x.png"), pathlib.Path("a/y.png")])
    ['x.png', 'y.png']
    >>> names([pathlib.Path("a/b/x.png"), pathlib.Path("a/x.png")])
    ['b/x.png', 'x.png']
    """
    plain = [file.name for file in files]
    if len(set(plain)) == len(plain):
        return plain
    common = os.path.commonpath([file.parent for file in files])
    return [file.relative_to(common).as_posix() for file in files]
