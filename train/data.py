"""Folders of images as training data: `data[step]` is a pure function of seed and step.

Images are decoded once into one memory-mapped file of pixels (`pack`), because decoding is
slow beside a training step. The only user of grain.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxlic.errors import Error
from jaxlic.files import images
from jaxlic.files.cache import cache_folder

if TYPE_CHECKING:
    import grain

_ENDLESS = 2**31  # Steps.


class DataError(Error):
    """A folder that cannot be trained on; the message says why in one line."""


@dataclasses.dataclass(frozen=True)
class Packed:
    """Decoded images in one flat file.

    Attributes:
        pixels: flat uint8 memory map.
        index: `(name, height, width, offset)` of each image, by name.
        skipped: `(name, reason)` of the files that could not be read.
    """

    pixels: np.ndarray
    index: tuple[tuple[str, int, int, int], ...]
    skipped: tuple[tuple[str, str], ...]

    def __getitem__(self, i: int) -> np.ndarray:
        """Image i as uint8 `[H, W, 3]`, a view."""
        _, height, width, offset = self.index[i]
        return self.pixels[offset : offset + height * width * 3].reshape(height, width, 3)

    def split(self, held_out: int) -> tuple[list[int], list[int]]:
        """(training, held-out) image numbers; which is which depends on the names alone."""
        order = sorted(
            range(len(self.index)), key=lambda i: zlib.crc32(self.index[i][0].encode())
        )
        cut = len(order) - min(held_out, len(order) // 10)
        return sorted(order[:cut]), order[cut:]


def pack(
    folder: str | pathlib.Path,
    *,
    track: Callable[[Sequence[pathlib.Path]], Iterable[pathlib.Path]] = iter,
) -> Packed:
    """Decodes all images below `folder`, or finds what an earlier call decoded.

    Args:
        folder: searched recursively for the suffixes of `images.SUFFIXES`.
        track: wraps the list of files, to show progress.

    Raises:
        DataError: if there is no folder or no readable image in it.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    files = images.find(folder)
    if not files:
        raise DataError(f"{folder}: holds no image ({', '.join(sorted(images.SUFFIXES))})")
    stamp = hashlib.sha256(str(folder.resolve()).encode())
    for file in files:
        stat = file.stat()
        stamp.update(f"{file.relative_to(folder)}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    target = cache_folder() / "packed" / stamp.hexdigest()[:16]
    if not (target / "index.json").is_file():
        _decode_all(files, folder, target, track)
    listing = json.loads((target / "index.json").read_text())
    if not listing["images"]:
        raise DataError(f"{folder}: none of its {len(files)} images can be read")
    return Packed(
        np.memmap(target / "pixels.u8", np.uint8, "r"),
        tuple((name, h, w, start) for name, h, w, start in listing["images"]),
        tuple((name, reason) for name, reason in listing["skipped"]),
    )


def _decode_all(files, folder, target, track) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = pathlib.Path(tempfile.mkdtemp(dir=target.parent))
    index, skipped, offset = [], [], 0
    with open(scratch / "pixels.u8", "wb") as out:
        for file in track(files):
            name = file.relative_to(folder).as_posix()
            try:
                pixels = images.read_rgb(file)
            except images.ImageError as error:
                skipped.append((name, str(error)))
                continue
            out.write(pixels.tobytes())
            index.append((name, *pixels.shape[:2], offset))
            offset += pixels.size
        out.write(b"\0")  # An empty file cannot be mapped.
    (scratch / "index.json").write_text(json.dumps({"images": index, "skipped": skipped}))
    try:
        scratch.rename(target)
    except OSError:  # Somebody else packed the same folder meanwhile.
        if not (target / "index.json").is_file():
            raise


def crops(
    packed: Packed,
    chosen: Sequence[int],
    *,
    size: int,
    batch: int,
    seed: int,
    margin: int = 0,
    targets: Packed | None = None,
    part: tuple[int, int] = (0, 1),
) -> grain.MapDataset[dict[str, np.ndarray]]:
    """Batches of random crops, flipped at random, in an order that the seed decides.

    Args:
        packed: from `pack`.
        chosen: numbers of the images to use; those smaller than `size` are left out.
        size: edge of the crop in pixels.
        batch: crops a batch.
        seed: of order, position and flips.
        margin: pixels of surroundings that come with a crop on every side, the border of the
            image repeated.
        targets: as `packed`, image by image (see `paired`); cut as they are.
        part: (i, n) for the i-th of n equal parts of every batch.

    Returns:
        An endless `grain.MapDataset`: element k is `{"image": uint8 [batch, n, n, 3]}` with
        `n = size + 2 * margin`, and `"target"` likewise if there are targets.

    Raises:
        DataError: if every image is smaller than the crop.
    """
    import grain

    usable = [i for i in chosen if min(packed.index[i][1:3]) >= size]
    if not usable:
        raise DataError(f"every image is smaller than the crop, {size}x{size} pixels")
    # Large images are drawn more often: once for every four crops they could be cut into.
    drawn = [
        i
        for i in usable
        for _ in range(max(1, packed.index[i][1] * packed.index[i][2] // (2 * size) ** 2))
    ]

    def crop(i: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        _, height, width, _ = packed.index[int(i)]
        corner = rng.integers(height - size + 1), rng.integers(width - size + 1)
        step = -1 if rng.random() < 0.5 else 1
        sources = {"image": packed} | ({"target": targets} if targets else {})
        return {
            name: _cut(source[int(i)], corner, size, margin)[:, ::step]
            for name, source in sources.items()
        }

    elements = grain.MapDataset.source(drawn).seed(seed).shuffle().repeat().random_map(crop)
    index, count = part
    rows = range(index * batch // count, (index + 1) * batch // count)
    steps = grain.MapDataset.range(_ENDLESS)
    return steps.map(lambda step: _stack([elements[int(step) * batch + row] for row in rows]))


def paired(packed: Packed, targets: Packed) -> Packed:
    """The images of `targets` that belong to those of `packed`, in its order.

    Raises:
        DataError: if one is missing (names count but for the suffix) or of another size.
    """
    by_name = {_stem(entry[0]): entry for entry in targets.index}
    index = []
    for name, height, width, _ in packed.index:
        target = by_name.get(_stem(name))
        if target is None:
            raise DataError(f"{name}: has no target")
        if target[1:3] != (height, width):
            raise DataError(f"{name}: its target is of another size")
        index.append(target)
    return Packed(targets.pixels, tuple(index), ())


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
    return {name: np.stack([e[name] for e in elements]) for name in elements[0]}
