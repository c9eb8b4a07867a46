"""Files are read and written whole, and only regular ones."""

import os
import stat
import time

import pytest

from jaxlic.errors import FileError
from jaxlic.files import disk


@pytest.fixture
def fifo(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def test_what_is_written_is_read(tmp_path):
    disk.write_bytes(tmp_path / "a", b"abc")
    assert disk.read_bytes(tmp_path / "a") == b"abc"


def test_only_regular_files_are_read_and_none_blocks(tmp_path, fifo):
    began = time.monotonic()
    for path in (fifo, "/dev/zero", "/dev/stdin", tmp_path):
        with pytest.raises(FileError, match=r"not a regular file|is a folder"):
            disk.read_bytes(path)
    assert time.monotonic() - began < 1
    with pytest.raises(FileError, match="no such file"):
        disk.read_bytes(tmp_path / "missing")
    with pytest.raises(FileError, match="null byte"):
        disk.read_bytes("a\0b")


def test_reads_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "MAX_BYTES", 10)
    (tmp_path / "a").write_bytes(bytes(10))
    (tmp_path / "b").write_bytes(bytes(11))
    assert len(disk.read_bytes(tmp_path / "a")) == 10
    with pytest.raises(FileError, match="b: is larger than 1 GiB"):
        disk.read_bytes(tmp_path / "b")


def test_names_may_be_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    disk.write_bytes(path, b"abc")
    assert path.read_bytes() == b"abc"
    with pytest.raises(FileError, match="too long"):
        disk.write_bytes(tmp_path / ("x" * 256), b"abc")
    assert os.listdir(tmp_path) == [path.name]


def test_files_are_flushed_before_the_rename_and_folders_after(tmp_path, monkeypatch):
    calls = []
    replace, fsync = os.replace, os.fsync

    def watched_fsync(handle):
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        calls.append((kind, os.fstat(handle).st_size if kind == "file" else None))
        fsync(handle)

    def watched_replace(*paths):
        calls.append(("rename", None))
        replace(*paths)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    disk.write_bytes(tmp_path / "a", b"abc")
    assert calls == [("file", 3), ("rename", None), ("folder", None)]


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    disk.write_bytes(tmp_path / "a", b"before")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="a: No space left"):
        disk.write_bytes(tmp_path / "a", b"after")
    assert (tmp_path / "a").read_bytes() == b"before" and os.listdir(tmp_path) == ["a"]


def test_permissions_are_those_of_the_file_or_of_the_process(tmp_path):
    """Without asking the process for its umask, which threads share."""
    disk.write_bytes(tmp_path / "new", b"")
    (tmp_path / "plain").touch()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "new").chmod(0o600)
    disk.write_bytes(tmp_path / "new", b"again")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_only_regular_files_are_replaced(tmp_path, fifo):
    for path in (fifo, tmp_path, "/dev/null"):
        with pytest.raises(FileError, match=r"not a regular file|is a folder"):
            disk.write_bytes(path, b"abc")
    assert fifo.is_fifo() and stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_links_are_followed(tmp_path):
    (tmp_path / "sub").mkdir()
    file, link, nowhere = tmp_path / "sub" / "file", tmp_path / "link", tmp_path / "nowhere"
    file.write_bytes(b"before")
    link.symlink_to("sub/file")
    nowhere.symlink_to("missing")
    disk.write_bytes(link, b"after")
    assert link.is_symlink() and file.read_bytes() == b"after"
    with pytest.raises(FileError, match="symbolic link to nothing"):
        disk.write_bytes(nowhere, b"after")
