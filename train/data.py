"""A folder of images as training data: decoded once into one memory-mapped file of pixels.

Decoding is slow beside a training step; what fits on a disk at three bytes a pixel is best fed
from there. What does not is packed into shards (`train.shards`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import NoReturn

import numpy as np

from jaxlic.errors import Error
from jaxlic.files import disk, images
from jaxlic.files.cache import cache_folder

_STALE = 86_400  # Seconds.


class DataError(Error):
    """Images that cannot be trained on; the message says why in one line."""


@dataclasses.dataclass(frozen=True)
class Packed:
    """Decoded images in one flat file: a `train.crops.Source`.

    Attributes:
        pixels: flat uint8 memory map.
        names: of the images, sorted.
        sizes: int64 `[N, 2]`, heights and widths.
        offsets: int64 `[N]`, where each begins in `pixels`.
        skipped: `(name, reason)` of the files that could not be read.
    """

    pixels: np.memmap
    names: Sequence[str]
    sizes: np.ndarray
    offsets: np.ndarray
    skipped: Sequence[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> np.ndarray:
        """Image i as uint8 `[H, W, 3]`, a view."""
        (height, width), offset = self.sizes[i], self.offsets[i]
        return self.pixels[offset : offset + height * width * 3].reshape(height, width, 3)

    def __reduce__(self) -> tuple:
        """Another process maps the file again: its pixels are not sent."""
        rest = (self.names, self.sizes, self.offsets, self.skipped)
        return _mapped, (self.pixels.filename, *rest)


def _mapped(path, names, sizes, offsets, skipped) -> Packed:
    return Packed(np.memmap(path, np.uint8, "r"), names, sizes, offsets, skipped)


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
    names, *numbers = zip(*listing["images"], strict=True)
    heights, widths, offsets = np.array(numbers, np.int64)
    sizes = np.stack([heights, widths], axis=1)
    skipped = tuple((name, reason) for name, reason in listing["skipped"])
    return _mapped(target / "pixels.u8", names, sizes, offsets, skipped)


def _decode_all(files, folder, target, track) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    for old in target.parent.glob("tmp*"):  # Of processes that were killed.
        if time.time() - max(path.stat().st_mtime for path in (old, *old.glob("*"))) > _STALE:
            shutil.rmtree(old, ignore_errors=True)
    scratch = pathlib.Path(tempfile.mkdtemp(dir=target.parent))
    try:
        listing = _decode(track(files), folder, scratch / "pixels.u8")
        disk.write_bytes(scratch / "index.json", json.dumps(listing).encode())
        try:
            scratch.rename(target)
        except OSError:  # Somebody else packed the same folder meanwhile.
            if not (target / "index.json").is_file():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # It is gone if all went well.


def _decode(files, folder, path) -> dict[str, list]:
    """Writes the pixels of `files` to `path`, on disk when it returns; what to find there."""
    index, skipped, offset = [], [], 0
    with open(path, "wb") as out:
        for file in files:
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
        out.flush()
        os.fsync(out.fileno())
    return {"images": index, "skipped": skipped}


@contextlib.contextmanager
def sigterm_raises() -> Generator[None]:
    """Makes SIGTERM an exception, so that what is half written is removed."""

    def stop(*_: object) -> NoReturn:
        raise SystemExit(143)  # As shells count: 128 and the signal's number.

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
