"""Packs a folder of photographs into shards to train on: `python -m train.pack FOLDER OUT`."""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from jaxlic.errors import Error, ImageError
from jaxlic.files import disk, images
from jaxlic.files.images import Picture
from train.data import DataError, sigterm_raises
from train.shards import FORMATS, INDEX, Index, dumps

_AHEAD = 4  # Images a thread that are held at a time.

EPILOG = """examples:
  python -m train.pack photos/ shards/ --format webdataset --shards 64
  python -m train.pack photos/ shards/ --format arrayrecord --shards 64 --webp
  python -m train configs/base.py --workdir runs/base --data shards/

Every image is decoded once, to see that it can be; those that cannot are named and left out.
The shards hold the files as they are. With --webp they hold their pixels as lossless WebP,
upright, without transparency and profiles, as training sees them: fewer bytes than PNG or TIFF,
more than JPEG. Which to choose:

  webdataset   tars; read where they lie, on disks and in stores (s3://, gs://), on any system
  arrayrecord  with a checksum a record; read from file systems, on Linux and macOS; files in a
               store are copied to the user's cache first

OUT must not exist. It appears when it is whole: a command that is stopped leaves nothing.
Copy it to a store as it is, with index.json (aws s3 cp --recursive, gcloud storage cp -r)."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command. 0: done; 1: it could not be written; 2: the input; 130: Ctrl-C.

    SIGTERM ends it with SystemExit(143), once what it wrote is removed.
    """
    args = _parser().parse_args(argv)

    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    try:
        with sigterm_raises():
            index = pack(
                args.folder,
                args.out,
                format_=args.format,
                shards=args.shards,
                webp=args.webp,
                workers=args.workers,
                track=lambda files: track(files, "packing", console=console),
            )
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or args.out}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped; {args.out} was not made", file=sys.stderr)
        return 130
    for _, reason in index.skipped:
        console.print(f"skipped {reason}", highlight=False, markup=False, soft_wrap=True)
    size = sum(size for _, size in index.shards)
    print(
        f"{args.out}: {len(index.names)} images in {len(index.shards)} shards, "
        f"{size / 1e6:.1f} MB, {len(index.skipped)} skipped"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.pack",
        description="Pack a folder of photographs into shards to train on.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=pathlib.Path, help="searched recursively for images")
    parser.add_argument("out", type=pathlib.Path, help="the folder to make")
    parser.add_argument(
        "--format", choices=sorted(FORMATS), default="webdataset", help="(default: webdataset)"
    )
    parser.add_argument(
        "--shards",
        type=int,
        default=16,
        help="how many files (default 16); some 100 MB to 1 GB each is usual",
    )
    parser.add_argument(
        "--webp",
        action="store_true",
        help="hold pixels as lossless WebP, not files as they are",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="threads (default: one a core)"
    )
    return parser


class _Record(NamedTuple):
    name: str  # Of the source.
    inside: str  # In the shard.
    data: bytes
    size: tuple[int, int]


def pack(
    folder: pathlib.Path,
    out: pathlib.Path,
    *,
    format_: str,
    shards: int,
    webp: bool = False,
    workers: int = 1,
    track: Callable[[Sequence[pathlib.Path]], Iterable[pathlib.Path]] = iter,
) -> Index:
    """Writes the images below `folder` into the new folder `out`, in the order of their names.

    Args:
        folder: searched recursively for the suffixes of `images.SUFFIXES`.
        out: receives the shards and `index.json`.
        format_: a key of `train.shards.FORMATS`.
        shards: the most files; there are fewer if there are fewer images.
        webp: whether pixels are held as lossless WebP, where it can (16383 pixels a side).
        workers: threads that decode.
        track: wraps the list of files, to show progress.

    Returns:
        The index.

    Raises:
        DataError: if `out` exists, there are no images, or two would have one name.
        OSError: if it cannot be written.
    """
    if shards < 1 or workers < 1:
        raise DataError(f"--shards and --workers must be positive, got {shards} and {workers}")
    if out.exists() or out.is_symlink():
        raise DataError(f"{out}: exists; remove it or choose another")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    files = images.find(folder)
    if not files:
        raise DataError(f"{folder}: holds no image ({', '.join(sorted(images.SUFFIXES))})")
    if webp:
        _check_names(files)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = pathlib.Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        with ThreadPoolExecutor(workers) as pool:
            records = _records(folder, track(files), webp, pool, workers)
            index = _write(scratch, records, len(files), format_, min(shards, len(files)))
        if not index.names:
            raise DataError(f"{folder}: none of its {len(files)} images can be read")
        disk.write_bytes(scratch / INDEX, dumps(index))
        scratch.chmod(0o755)
        scratch.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return index


def _check_names(files: list[pathlib.Path]) -> None:
    seen: dict[pathlib.Path, pathlib.Path] = {}
    for file in files:
        other = seen.setdefault(file.with_suffix(""), file)
        if other != file:
            raise DataError(f"{file}: would have the name of {other} (--webp)")


def _records(
    folder: pathlib.Path,
    files: Iterable[pathlib.Path],
    webp: bool,
    pool: ThreadPoolExecutor,
    workers: int,
) -> Iterator[_Record | tuple[str, str]]:
    """In order, some ahead: records, and (name, reason) of what is none."""
    waiting = []
    for file in files:
        waiting.append(pool.submit(_record, folder, file, webp))
        if len(waiting) == _AHEAD * workers:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


def _record(folder: pathlib.Path, file: pathlib.Path, webp: bool) -> _Record | tuple[str, str]:
    name = file.relative_to(folder).as_posix()
    try:
        data = disk.read_bytes(file)
        rgb = images.read(data, name=str(file)).rgb
    except Error as error:
        return name, str(error)
    inside, size = name, rgb.shape[:2]
    if webp:
        try:
            data = images.encoded(Picture(rgb), "WEBP")
            inside = str(pathlib.PurePosixPath(name).with_suffix(".webp"))
        except ImageError:  # Too large for WebP: as it is.
            pass
    return _Record(name, inside, data, size)


def _write(
    folder: pathlib.Path,
    records: Iterator[_Record | tuple[str, str]],
    count: int,
    format_: str,
    shards: int,
) -> Index:
    """Writes consecutive records to each shard."""
    written: list[tuple[str, int]] = []
    kept: list[tuple[str, tuple[int, int], int, int]] = []
    places: list[list[int]] = []
    skipped: list[tuple[str, str]] = []
    form = FORMATS[format_]

    def some(number: int) -> Iterator[tuple[str, bytes]]:
        for _ in range(number):
            record = next(records)
            if isinstance(record, _Record):
                data = record.data
                kept.append((record.name, record.size, len(data), zlib.crc32(data)))
                yield record.inside, data
            else:
                skipped.append(record)

    for k in range(shards):
        path = folder / f"{k:05d}-of-{shards:05d}{form.suffix}"
        begin = len(kept)
        number = (k + 1) * count // shards - k * count // shards
        offsets = form.module.write(path, some(number))
        for offset, (_, _, length, crc) in zip(offsets, kept[begin:], strict=True):
            places.append([k, offset, length, crc])
        written.append((path.name, path.stat().st_size))
    return Index(
        format_,
        written,
        [name for name, *_ in kept],
        np.array([size for _, size, *_ in kept], np.int64).reshape(-1, 2),
        np.array(places, np.int64).reshape(-1, 4),
        skipped,
    )


if __name__ == "__main__":
    sys.exit(main())
