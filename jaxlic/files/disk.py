"""Files in and out: regular ones only, in bounded reads, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import stat
from typing import BinaryIO

from jaxlic.errors import FileError

MAX_BYTES = 1 << 30
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_TEMPORARY = ".jaxlic-"  # And eight digits: what a killed process may leave.


def open_regular(path: str | pathlib.Path) -> BinaryIO:
    """Opens a file for reading, never one that blocks, has no end or acts when it is opened.

    Raises:
        FileError: if it is missing, not readable, a folder, a pipe or a device.
    """
    try:
        _check_regular(os.stat(path), path)
        # The file may have become a pipe since: opening that does not wait.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
        try:
            _check_regular(os.fstat(handle), path)
            return os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise
    except FileNotFoundError as error:
        raise FileError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise _named(path, error) from error


def read_bytes(path: str | pathlib.Path) -> bytes:
    """All of a regular file of up to 1 GiB. Raises FileError as `open_regular` does."""
    with open_regular(path) as file:
        return read_bounded(file, str(path))


def read_bounded(file: BinaryIO, name: str) -> bytes:
    """What is left in an open file, up to 1 GiB.

    Raises:
        FileError: if there is more, or it cannot be read.
    """
    try:
        data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _named(name, error) from error
    if len(data) > MAX_BYTES:
        raise FileError(f"{name}: is larger than 1 GiB")
    return data


def write_bytes(path: str | pathlib.Path, data: bytes) -> None:
    """Writes a file under a temporary name and renames it, so that none is ever half there.

    A file of that name is replaced and its permissions are kept; of a symbolic link, the file
    that it points to. When this returns, the file is on disk: it was flushed before it was
    renamed, and its folder after.

    Raises:
        FileError: if the folder is missing or not writable, or `path` is anything but a
            regular file or a new name.
    """
    try:
        target = os.path.realpath(path)
        mode = _mode_of(path, target)
        folder = os.path.dirname(target)
        temporary = os.path.join(folder, _TEMPORARY + secrets.token_hex(4))
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
        try:
            with os.fdopen(handle, "wb") as out:
                if mode is not None:
                    os.chmod(temporary, mode)
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _flush_folder(folder)
    except (OSError, ValueError) as error:
        raise _named(path, error) from error


def _mode_of(path: str | pathlib.Path, target: str) -> int | None:
    """Permissions of a file that is to be replaced, None if there is none yet."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        if os.path.islink(path):
            raise FileError(f"{path}: is a symbolic link to nothing") from None
        return None
    _check_regular(status, path)
    return stat.S_IMODE(status.st_mode)


def _check_regular(status: os.stat_result, path: str | pathlib.Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise FileError(f"{path}: is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise FileError(f"{path}: is not a regular file")


def _flush_folder(folder: str) -> None:
    """Some systems cannot: then the name is as durable as they make it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _named(path: str | pathlib.Path, error: Exception) -> FileError:
    if isinstance(error, FileError):
        return error
    return FileError(f"{path}: {getattr(error, 'strerror', None) or error}")
