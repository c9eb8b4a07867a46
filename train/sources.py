"""What `--data` may name: a folder of images, a folder of shards, one shard; or a URL."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import secrets
import shutil
import zlib
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import numpy as np

from jaxlic.batch.store import PATIENCE, Listed, Store, absolute, filesystem, patiently
from jaxlic.errors import FileError
from jaxlic.files import disk, head
from jaxlic.files.cache import cache_folder
from train.crops import Source
from train.data import DataError, pack
from train.shards import FORMATS, INDEX, Format, Index, dumps, loads, reading

Track = Callable[[Sequence[Any]], Iterable[Any]]
_AHEAD = 8 << 20  # Bytes that are fetched at a time of a tar that is read from end to end.
_SCANS = 4


def images_at(where: str | os.PathLike[str], *, track: Track = iter) -> Source:
    """The images of a folder, of shards, or of shards in a store.

    A folder with shards in it is one of shards; any other is searched for images
    (`train.data.pack`). Shards that `train.pack` did not write are read once from end to end,
    for the sizes of their images; ArrayRecord files of a store are copied to the user's cache.

    Args:
        where: a path, or a URL of a store that fsspec knows.
        track: wraps a list of files, to show progress.

    Raises:
        DataError: if there is nothing to train on, or an index does not fit its shards.
        jaxlic.errors.FileError: if a file or a store cannot be read.
        jaxlic.errors.UsageError: if a package for the store is missing.
    """
    if not os.fspath(where):
        raise DataError("no folder, file or URL is named")
    where = absolute(os.fspath(where)) if "://" in str(where) else os.fspath(where)
    found = _listed(where)
    by_format = {
        name: [x for x in found if format_.pattern.search(x.url)]
        for name, format_ in FORMATS.items()
    }
    by_format = {name: listed for name, listed in by_format.items() if listed}
    if len(by_format) > 1:
        raise DataError(f"{where}: holds shards of both formats; name a folder of one")
    if not by_format and "://" not in where and not os.path.isfile(where):
        return pack(where, track=track)
    if not by_format:
        suffixes = ", ".join(format_.suffix for format_ in FORMATS.values())
        raise DataError(f"{where}: is no shard and holds none ({suffixes}); see train.pack")
    ((name, shards),) = by_format.items()
    index_at = next((x for x in found if _base(x.url) == INDEX), None)
    if not FORMATS[name].stays and "://" in where:
        local = _copied(shards, track)
    else:
        local = [x.url for x in shards]
    if index_at is not None:
        index = loads(Store(where).read(index_at.url), index_at.url)
        _check(index, name, shards, where)
    else:
        index = _scanned(name, shards, local, track)
    if not len(index.names) and not index.skipped:
        raise DataError(f"{where}: its shards hold no image")
    if not len(index.names):
        raise DataError(f"{where}: none of its {len(index.skipped)} images can be read")
    order = {_base(listed.url): url for listed, url in zip(shards, local, strict=True)}
    return reading(index, [order[name] for name, _ in index.shards])


def _base(url: str) -> str:
    return url.replace("\\", "/").rsplit("/", 1)[-1]


def _listed(where: str) -> list[Listed]:
    """The files directly in a folder, or the one file; none if there is no such thing."""
    if "://" in where:
        root = filesystem(where)[1]
        found = list(Store(where).find(where))
        below = [filesystem(x.url)[1].removeprefix(root).strip("/") for x in found]
        return [x for x, name in zip(found, below, strict=True) if "/" not in name]
    path = pathlib.Path(where)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    there = [(str(file), file.stat()) for file in files if file.is_file()]
    return [Listed(name, str(stat.st_mtime_ns), stat.st_size) for name, stat in there]


def _check(index: Index, format_: str, shards: list[Listed], where: str) -> None:
    """Raises DataError if the files are not those of the index."""
    there = {_base(listed.url): listed.size for listed in shards}
    named = dict(index.shards)
    for name in sorted(there.keys() | named.keys()):
        if name not in there:
            raise DataError(f"{where}: {name} of its {INDEX} is missing")
        if name not in named:
            raise DataError(f"{where}: its {INDEX} does not know {name}")
        if there[name] != named[name]:
            size, other = there[name], named[name]
            raise DataError(f"{where}: {name} has {size} bytes, not {other} as in its {INDEX}")
    if index.format != format_:
        raise DataError(f"{where}: its {INDEX} is of {index.format}, not {format_}")


def _scanned(name: str, shards: list[Listed], local: list[str], track: Track) -> Index:
    """An index of shards that have none; kept for the next start."""
    kept = cache_folder() / "shards" / f"{_stamp(shards)}.json"
    if kept.is_file():
        return loads(disk.read_bytes(kept), str(kept))
    with ThreadPoolExecutor(_SCANS) as pool:
        work = [
            pool.submit(_scan, FORMATS[name], number, url) for number, url in enumerate(local)
        ]
        try:
            found = [future.result() for future in track(work)]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    rows = [row for good, _ in found for row in good]
    index = Index(
        name,
        [(_base(listed.url), listed.size) for listed in shards],
        [row[0] for row in rows],
        np.array([row[1] for row in rows], np.int64).reshape(-1, 2),
        np.array([row[2] for row in rows], np.int64).reshape(-1, 4),
        [row for _, bad in found for row in bad],
    )
    data = dumps(index)
    kept.parent.mkdir(parents=True, exist_ok=True)
    disk.write_bytes(kept, data)
    return loads(data, str(kept))


def _scan(format_: Format, number: int, url: str) -> tuple[list, list]:
    """(name, size, place) of the images of a shard, and (name, reason) of what is none."""

    def work() -> tuple[list, list]:
        good, bad = [], []
        with _open(url) as (file, total):
            for name, place, data in format_.module.scan(file, total, url):
                size = head.size(data)
                if size is None or min(size) < 1:
                    bad.append((name, f"{name}: no image, or a damaged one"))
                else:
                    good.append((name, size, (number, place, len(data), zlib.crc32(data))))
        return good, bad

    return patiently(work, url, PATIENCE)


@contextlib.contextmanager
def _open(url: str) -> Generator[tuple[BinaryIO, int]]:
    if "://" not in url:
        with disk.open_regular(url) as file:
            yield file, os.fstat(file.fileno()).st_size
        return
    fs, path = filesystem(url)
    with fs.open(path, "rb", block_size=_AHEAD, cache_type="readahead") as file:
        yield file, file.size


def _copied(shards: list[Listed], track: Track) -> list[str]:
    """Paths of copies of objects in the user's cache."""
    folder = cache_folder() / "shards"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{_stamp([x])}-{_base(x.url)}" for x in shards]
    missing = [x.size for x, path in zip(shards, paths, strict=True) if not path.is_file()]
    if sum(missing) > (free := shutil.disk_usage(folder).free):
        raise DataError(
            f"{folder}: has {free >> 20} MiB for {sum(missing) >> 20} MiB of ArrayRecord; "
            "set JAXLIC_CACHE, mount the store, or use tars, which are read where they are"
        )
    for listed, path in track(list(zip(shards, paths, strict=True))):
        if not path.is_file():
            temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            fs, remote = filesystem(listed.url)
            try:
                patiently(lambda: fs.get_file(remote, str(temporary)), listed.url, PATIENCE)  # noqa: B023
                if temporary.stat().st_size != listed.size:
                    raise FileError(f"{listed.url}: changed while it was copied")
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    return [str(path) for path in paths]


def _stamp(shards: Sequence[Listed]) -> str:
    stamp = hashlib.sha256()
    for listed in shards:
        url = absolute(listed.url)
        stamp.update(f"{url}|{listed.etag}|{listed.size}\n".encode())
    return stamp.hexdigest()[:16]
