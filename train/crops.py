"""Images to batches: `crops(...)[k]` is a function of the images, the seed and k alone.

The order is one for all hosts: each computes its rows of every batch, and a row is drawn from
(seed, number of the row since step 0), however many hosts, threads or processes there are.
"""

from __future__ import annotations

import dataclasses
import pathlib
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from jaxlic.errors import ImageError
from train.data import DataError

if TYPE_CHECKING:
    import grain

_ENDLESS = 2**31  # Steps.
_IN_A_ROW = 100  # Broken records after which the data as a whole are.


class Source(Protocol):
    """Images that can be had in any order: `train.data.Packed`, `train.shards.Shards`.

    Attributes:
        names: of the images.
        sizes: int64 `[N, 2]`, heights and widths.
        skipped: `(name, reason)` of what is known to be unreadable and has no number.
    """

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def sizes(self) -> np.ndarray: ...

    @property
    def skipped(self) -> Sequence[tuple[str, str]]: ...

    def __getitem__(self, i: int, /) -> np.ndarray:
        """Image i as uint8 `[H, W, 3]`. Raises ImageError if its bytes are broken."""
        ...


def split(source: Source, held_out: int) -> tuple[list[int], list[int]]:
    """(training, held-out) image numbers; which is which depends on the names alone."""
    names = source.names
    order = sorted(range(len(names)), key=lambda i: zlib.crc32(names[i].encode()))
    cut = len(order) - min(held_out, len(order) // 10)
    return sorted(order[:cut]), order[cut:]


def readable(source: Source, chosen: Sequence[int], tell: Callable[[str], None]) -> list[int]:
    """Those of `chosen` that can be read; `tell` takes a line on each other."""
    good = []
    for i in chosen:
        try:
            source[i]
        except ImageError as error:
            tell(f"{error}; it is not evaluated")
        else:
            good.append(i)
    return good


def crops(
    source: Source,
    chosen: Sequence[int],
    *,
    size: int,
    batch: int,
    seed: int,
    margin: int = 0,
    targets: Source | None = None,
    part: tuple[int, int] = (0, 1),
) -> grain.MapDataset[dict[str, np.ndarray]]:
    """Batches of random crops, flipped at random, in an order that the seed decides.

    Where an image is broken, the next of `chosen` that is not takes its place, by the same
    rule everywhere: what is skipped does not change the order of the others.

    Args:
        source: the images.
        chosen: numbers of the images to use; those smaller than `size` are left out.
        size: edge of the crop in pixels.
        batch: crops a batch, of all hosts together.
        seed: of order, position and flips.
        margin: pixels of surroundings that come with a crop on every side, the border of the
            image repeated.
        targets: as `source`, image by image (see `paired`); cut as they are.
        part: (i, n) for the i-th of n consecutive parts of every batch.

    Returns:
        An endless `grain.MapDataset`: element k is `{"image": uint8 [batch, n, n, 3]}` with
        `n = size + 2 * margin`, `"target"` likewise if there are targets, and `"broken"`: int64
        numbers of the images that were found broken, `[0]` mostly.

    Raises:
        DataError: if every image is smaller than the crop; and from the batches, if 100 images
            in a row are broken.
    """
    import grain

    usable = np.asarray(chosen, np.int64)
    usable = usable[source.sizes[usable].min(axis=1) >= size]
    if not len(usable):
        raise DataError(f"every image is smaller than the crop, {size}x{size} pixels")
    # Large images are drawn more often: once for every four crops they could be cut into.
    times = np.maximum(1, source.sizes[usable].prod(axis=1) // (2 * size) ** 2)
    sources = {"image": source} | ({"target": targets} if targets else {})

    def crop(first: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        broken: list[int] = []
        for k in range(min(_IN_A_ROW, len(usable))):
            i = int(usable[(first + k) % len(usable)])
            height, width = (int(n) for n in source.sizes[i])
            corner = rng.integers(height - size + 1), rng.integers(width - size + 1)
            step = -1 if rng.random() < 0.5 else 1
            try:
                cut = {
                    name: _cut(whole[i], corner, size, margin)[:, ::step]
                    for name, whole in sources.items()
                }
            except ImageError:
                broken.append(i)
                continue
            return cut | {"broken": np.array(broken, np.int64)}
        name, more = source.names[broken[0]], len(broken) - 1
        raise DataError(f"{name}: is broken, and so are the {more} images after it")

    drawn: Any = _Repeated(np.cumsum(times))  # Its slices are never asked for.
    elements = grain.MapDataset.source(drawn).seed(seed).shuffle().repeat().random_map(crop)
    index, count = part
    rows = range(index * batch // count, (index + 1) * batch // count)
    steps = grain.MapDataset.range(_ENDLESS)
    return steps.map(lambda step: _stack([elements[int(step) * batch + row] for row in rows]))


@dataclasses.dataclass(frozen=True)
class _Repeated:
    """The sequence in which number i stands as often as `ends[i]` is above `ends[i - 1]`."""

    ends: np.ndarray

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, k: int) -> int:
        return int(np.searchsorted(self.ends, k, side="right"))


@dataclasses.dataclass(frozen=True)
class _Ordered:
    """A source with other numbers."""

    source: Source
    order: np.ndarray

    @property
    def names(self) -> Sequence[str]:
        return [self.source.names[i] for i in self.order]

    @property
    def sizes(self) -> np.ndarray:
        return self.source.sizes[self.order]

    @property
    def skipped(self) -> Sequence[tuple[str, str]]:
        return ()

    def __getitem__(self, i: int, /) -> np.ndarray:
        return self.source[int(self.order[i])]


def paired(source: Source, targets: Source) -> Source:
    """The images of `targets` that belong to those of `source`, in its order.

    Raises:
        DataError: if one is missing, of another size, or could be one of several: one of the
            same name counts, else the only one whose name is the same but for the suffix.
    """
    exact = {name: i for i, name in enumerate(targets.names)}
    sharing, alike = _by_stem(source.names), _by_stem(targets.names)
    order = []
    for name, size in zip(source.names, source.sizes, strict=True):
        i = exact.get(name)
        if i is None:
            found = alike.get(_stem(name))
            if found is None:
                raise DataError(f"{name}: has no target")
            if len(found) > 1:
                raise DataError(f"{name}: its target may be {found[0]} or {found[1]}")
            if len(others := sharing[_stem(name)]) > 1:
                raise DataError(f"{found[0]}: may be the target of {others[0]} or {others[1]}")
            i = exact[found[0]]
        if (targets.sizes[i] != size).any():
            raise DataError(f"{name}: its target is of another size")
        order.append(i)
    return _Ordered(targets, np.array(order, np.int64))


def _by_stem(names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_stem(name), []).append(name)
    return found


def _stem(name):
    return str(pathlib.PurePosixPath(name).with_suffix(""))


def _cut(image, corner, size, margin):
    """A crop with its surroundings, the border of the image repeated."""
    rows, columns = (
        np.clip(np.arange(start - margin, start + size + margin), 0, n - 1)
        for start, n in zip(corner, image.shape[:2], strict=True)
    )
    image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return image[(rows - rows[0])[:, None], columns - columns[0]] if margin else image


def _stack(elements):
    join = {"broken": np.concatenate}
    return {n: join.get(n, np.stack)([e[n] for e in elements]) for n in elements[0]}
