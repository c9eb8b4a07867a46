"""WebDataset tars: images found by the standard library's tarfile, read where they lie.

A tar of files is indexed once; a record is then one read of its bytes at its offset, of a
local file or of an object in a store.

Source of the layout: POSIX.1-2001 pax; of which files are images of a sample, WebDataset's
convention (a sample is the files of one base name).
"""

from __future__ import annotations

import io
import pathlib
import tarfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from jaxlic.batch.store import Store
from jaxlic.errors import ImageError, one_line
from jaxlic.files import disk, images
from train.data import DataError

_LONGEST = 1 << 20  # Bytes of a header: those of pax may claim any length.
_BLOCK = 512


class _Headers:
    """A file that gives at most 1 MiB at a time: tarfile reads headers alone from it."""

    def __init__(self, file: BinaryIO):
        self.seek, self.tell, self._file = file.seek, file.tell, file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, _LONGEST) if size >= 0 else _LONGEST)


def scan(file: BinaryIO, total: int, url: str) -> Iterator[tuple[str, int, bytes]]:
    """(name, offset, bytes) of each image in a tar of `total` bytes, in its order.

    Raises:
        DataError: if it is no tar, is compressed, damaged or cut off.
    """
    try:
        headers: Any = _Headers(file)
        with tarfile.open(fileobj=headers, mode="r:") as tar:
            for member in tar:
                # Sizes in base 256 may be negative: the same header would come again.
                if member.size < 0 or tar.offset <= member.offset:
                    raise DataError(f"{url}: is damaged after byte {member.offset}")
                start, end = member.offset_data, member.offset_data + member.size
                if end > total:
                    raise DataError(f"{url}: is cut off within {member.name!r}")
                if not (member.isreg() and _is_image(member.name)) or member.issparse():
                    continue
                if member.size > disk.MAX_BYTES:
                    raise DataError(f"{url}: {member.name!r} is larger than 1 GiB")
                file.seek(start)
                yield member.name, start, file.read(member.size)
            # A header that is none ends the reading without an error.
            file.seek(tar.offset)
            if file.read(_BLOCK).strip(b"\0"):
                raise DataError(f"{url}: is damaged after byte {tar.offset}")
    except (DataError, OSError):
        raise
    except Exception as error:  # tarfile raises more than its own on hostile headers.
        raise DataError(f"{url}: is no uncompressed tar ({one_line(error)})") from error


def _is_image(name: str) -> bool:
    return pathlib.PurePosixPath(name).suffix.lower() in images.SUFFIXES


class Reader:
    """Records of tars by (number of the tar, offset, bytes)."""

    def __init__(self, urls: list[str], counts: list[int]):
        del counts
        self._urls = urls

    def __call__(self, shard: int, offset: int, size: int) -> bytes:
        """The bytes of a record.

        Raises:
            ImageError: if the tar ends before.
            jaxlic.errors.FileError: if it cannot be read.
        """
        url = self._urls[shard]
        data = Store(url).read_part(url, offset, size)
        if len(data) != size:
            raise ImageError(f"{url}: is cut off")
        return data


def write(path: pathlib.Path, records: Iterable[tuple[str, bytes]]) -> list[int]:
    """Writes (name, bytes) of each record as a tar that depends on these alone.

    Returns:
        The offset of each.
    """
    offsets = []
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in records:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            offsets.append(tar.offset - -(-len(data) // _BLOCK) * _BLOCK)
    return offsets
