"""Objects in any store that fsspec knows: written whole or not at all, asked again if it fails.

A name without `://` is a file of this machine. Files of this machine are read and written as
everywhere in the library; objects of S3, Google's and Azure's stores appear when they are
whole; elsewhere an object is written under another name and moved.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from jaxlic.errors import Error, FileError, StorageError, UsageError, one_line
from jaxlic.files import disk

PATIENCE = 300.0
_SHORT = 10.0  # Seconds after which a source is suspected rather than its store.
_FIRST, _LONGEST = 0.25, 30.0  # Seconds between two tries.
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})
_REFUSED = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
_OURS = (ImportError, NotImplementedError, TypeError, AttributeError, AssertionError)

T = TypeVar("T")


class Listed(NamedTuple):
    """An object: where, what changes if its contents do, how many bytes."""

    url: str
    etag: str
    size: int


class Store(NamedTuple):
    """The folder of a job, and whatever else has a URL.

    Attributes:
        root: URL or path of the folder.
        patience: seconds for which a store that fails is asked again, ever more rarely.
    """

    root: str
    patience: float = PATIENCE

    def at(self, name: str) -> str:
        """The URL of a name in the folder."""
        return f"{self.root.rstrip('/')}/{name}"

    def read(self, url: str, first: int | None = None) -> bytes:
        """All of an object, or its first bytes.

        Raises:
            FileError: if it is not there, may not be read, or is over 1 GiB.
            StorageError: if the store gave no answer for `patience` seconds.
        """
        return patiently(lambda: _read(url, first), url, self.patience)

    def read_part(self, url: str, start: int, length: int) -> bytes:
        """Some bytes of an object, fewer where it ends. Raises as `read` does."""
        return patiently(lambda: _read_part(url, start, length), url, self.patience)

    def read_source(self, url: str) -> bytes:
        """As `read`; an object that alone cannot be read, though the store can, is a FileError.

        Raises:
            FileError: as said.
            StorageError: if the folder of the job cannot be read either.
        """
        short = min(_SHORT, self.patience)
        try:
            return patiently(lambda: _read(url), url, short)
        except StorageError:
            began = time.monotonic()
            self.names("")  # Waits until the store is back.
            outage = time.monotonic() - began > short
        try:
            return patiently(lambda: _read(url), url, short if outage else 0)
        except StorageError as error:
            raise FileError(str(error)) from error

    def write(self, name: str, data: bytes) -> None:
        """Puts an object into the folder. Raises as `read` does."""
        url = self.at(name)
        patiently(lambda: _write(url, data), url, self.patience)

    def remove(self, name: str) -> None:
        """Removes an object, or a folder with all that is in it; none is fine."""
        url = self.at(name)

        def work() -> None:
            fs, path = filesystem(url)
            with contextlib.suppress(FileNotFoundError):
                fs.rm(path, recursive=True)

        patiently(work, url, self.patience)

    def names(self, folder: str) -> list[str]:
        """Names of the objects in a folder of the job's; none if there is no such folder."""
        url = self.at(folder) if folder else self.root

        def work() -> list[str]:
            fs, path = filesystem(url)
            try:
                found = [name.rstrip("/") for name in fs.ls(path, False)]
            except FileNotFoundError:
                return []
            # Some stores list an empty folder as itself.
            return [name.rsplit("/", 1)[-1] for name in found if name != path.rstrip("/")]

        return patiently(work, url, self.patience)

    def find(self, url: str) -> Iterator[Listed]:
        """All objects below a URL, or that it itself names, in the order of their names.

        Raises:
            FileError: if there is none.
            StorageError: as `read`.
        """

        def work() -> dict[str, dict[str, Any]]:
            fs, path = filesystem(url)
            return fs.find(path, detail=True)

        found = patiently(work, url, self.patience)
        if not found:
            raise FileError(f"{url}: no such file or folder, or nothing in it")
        fs, _ = filesystem(url)
        for path in sorted(found):
            name = fs.unstrip_protocol(path) if "://" in url else path
            yield Listed(name, _etag(found[path]), int(found[path].get("size") or 0))

    def info(self, url: str) -> Listed:
        """What `find` says of one object. Raises as `read` does."""

        def work() -> dict[str, Any]:
            fs, path = filesystem(url)
            return fs.info(path)

        info = patiently(work, url, self.patience)
        return Listed(url, _etag(info), int(info.get("size") or 0))


def absolute(url: str) -> str:
    """A URL, or the absolute path of a file of this machine, without a slash at its end."""
    if "://" in url:
        return url.rstrip("/") if not url.endswith("://") else url
    return os.path.abspath(url)


def below(name: str) -> str:
    """A name that stays below the folder it is put in, whatever an object is called.

    >>> below("a/../b//c.png")
    'a/%2E%2E/b/%/c.png'
    """
    parts = name.replace("\\", "/").split("/")
    odd = {"": "%", ".": "%2E", "..": "%2E%2E"}
    return "/".join(odd.get(part, part) for part in parts).replace("\0", "%00")


def filesystem(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it.

    Raises:
        UsageError: if a package is missing, or there is no such protocol.
    """
    try:
        import fsspec.core
    except ImportError as error:
        raise UsageError('needs fsspec and pyarrow: pip install "jaxlic[batch]"') from error
    try:
        # A listing that is kept would hide what other workers do.
        fs, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
        if hasattr(fs, "retries"):
            fs.retries = 1  # We are more patient ourselves.
        return fs, path
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url}: {one_line(error)}") from error


def patiently(work: Callable[[], T], url: str, patience: float) -> T:
    """`work()`, again after ever longer waits as long as the store fails.

    Raises:
        FileError: if there is no such object, or access is refused: that does not change.
        StorageError: if it still failed after `patience` seconds.
    """
    began, wait = time.monotonic(), _FIRST
    while True:
        try:
            return work()
        except (Error, MemoryError, *_OURS):
            raise
        except FileNotFoundError as error:
            raise FileError(f"{url}: no such file") from error
        except _REFUSED as error:
            raise FileError(f"{url}: {error.strerror or one_line(error)}") from error
        except Exception as error:  # Of types of their own: each store's client has many.
            left = began + patience - time.monotonic()
            if left <= 0:
                raise StorageError(
                    f"{url}: storage fails since {patience:g} s ({one_line(error)})"
                ) from error
            time.sleep(min(left, wait * random.uniform(0.5, 1)))
            wait = min(2 * wait, _LONGEST)


def _read(url: str, first: int | None = None) -> bytes:
    if "://" not in url:
        with disk.open_regular(url) as file:
            return disk.read_bounded(file, url) if first is None else file.read(first)
    fs, path = filesystem(url)
    data = fs.cat_file(path, start=0, end=first or disk.MAX_BYTES + 1)
    if len(data) > disk.MAX_BYTES:
        raise FileError(f"{url}: is larger than 1 GiB")
    return data


def _read_part(url: str, start: int, length: int) -> bytes:
    if "://" not in url:
        with disk.open_regular(url) as file:
            file.seek(start)
            return file.read(length)
    fs, path = filesystem(url)
    return fs.cat_file(path, start=start, end=start + length)


def _write(url: str, data: bytes) -> None:
    if "://" not in url:
        os.makedirs(os.path.dirname(url), exist_ok=True)
        return disk.write_bytes(url, data)
    fs, path = filesystem(url)
    if url.split("://")[0] in _WHOLE:
        fs.pipe_file(path, data)
        return
    fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    temporary = f"{path}.{secrets.token_hex(4)}"
    try:
        fs.pipe_file(temporary, data)
        fs.mv(temporary, path)
    except BaseException:
        with contextlib.suppress(Exception):
            fs.rm(temporary)
        raise


def _etag(info: dict[str, Any]) -> str:
    """Of S3, Google, Azure what they say; of others the time of the last change."""
    found = next((info[key] for key in ("ETag", "etag", "md5Hash") if info.get(key)), None)
    if found is None:
        found = next((info[k] for k in ("mtime", "LastModified", "created") if k in info), "")
    return str(found).strip('"')
