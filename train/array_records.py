"""ArrayRecord files: each record is the bytes of an image file. The only user of array_record.

The package comes with grain on Linux and macOS; there is none for Windows. It opens files of a
file system alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

from jaxlic.errors import ImageError, one_line
from train.data import DataError

# One record a chunk, for random access; images are compressed already.
_OPTIONS = "group_size:1,uncompressed"
_ONE_BY_ONE = "readahead_buffer_size:0,max_parallelism:0"


def _module() -> ModuleType:
    try:
        from array_record.python import array_record_module
    except ImportError as error:
        raise DataError(
            "ArrayRecord needs array_record, which comes with grain on Linux and macOS; "
            "elsewhere use --format webdataset"
        ) from error
    return array_record_module


def scan(file: BinaryIO, total: int, url: str) -> Iterator[tuple[str, int, bytes]]:
    """(name, number, bytes) of each record of a local file; empty bytes for a broken one.

    Raises:
        DataError: if it is no ArrayRecord file.
    """
    del file
    reader = _module().ArrayRecordReader(url, _ONE_BY_ONE)
    if not reader.ok() or reader.num_records() > total:
        raise DataError(f"{url}: is no ArrayRecord file, or is cut off")
    for number in range(reader.num_records()):
        try:
            data = reader.read([number])[0]
        except RuntimeError as error:
            _check_broken(error, url)
            data = b""
        yield f"{os.path.basename(url)}/{number:08d}", number, data


class _Whole(NamedTuple):
    """All records of a file: what array_record calls a file instruction."""

    filename: str
    skip: int
    take: int
    examples_in_shard: int


class Reader:
    """Records of files by (number of the file, number of the record, bytes)."""

    def __init__(self, urls: list[str], counts: list[int]):
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        self._urls = urls
        _room(len(urls))
        # Files are opened when they are first read, in each process, and stay open.
        self._files: list[Any] = [
            ArrayRecordDataSource([_Whole(url, 0, count, count)])
            for url, count in zip(urls, counts, strict=True)
        ]

    def __call__(self, shard: int, number: int, size: int) -> bytes:
        """The bytes of a record.

        Raises:
            ImageError: if they do not agree with their checksum, or are not as many.
            DataError: if the file cannot be read.
        """
        try:
            data = self._files[shard][number]
        except (RuntimeError, ValueError, IndexError) as error:
            _check_broken(error, self._urls[shard])
            raise ImageError(f"{self._urls[shard]}: {one_line(error)}") from error
        if len(data) != size:
            raise ImageError(f"{self._urls[shard]}: record {number} is of another length")
        return data


def _room(files: int) -> None:
    """Lets this process, and those it starts, open so many more files if the system does."""
    import resource  # Not on Windows, where there is no array_record either.

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    wanted = soft + files if hard == resource.RLIM_INFINITY else min(soft + files, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _check_broken(error: Exception, url: str) -> None:
    """Raises DataError unless the record's own bytes are to blame: that does not change."""
    if "Corrupted" not in str(error):
        raise DataError(f"{url}: {one_line(error)}") from error


def write(path: pathlib.Path, records: Iterable[tuple[str, bytes]]) -> list[int]:
    """Writes the bytes of (name, bytes). Returns the number of each.

    Raises:
        DataError: if the package is missing.
        OSError: if it cannot write them.
    """
    module = _module()
    count = 0
    try:
        writer = module.ArrayRecordWriter(str(path), _OPTIONS)
        for _, data in records:
            writer.write(data)
            count += 1
        writer.close()
    except RuntimeError as error:  # Of riegeli, for whatever is wrong with the disk.
        raise OSError(errno.EIO, one_line(error), str(path)) from error
    return list(range(count))
