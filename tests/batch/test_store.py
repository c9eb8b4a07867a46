"""Objects in any store."""

import fsspec
import pytest

from jaxlic.batch import store as stores
from jaxlic.batch.store import Store, patiently
from jaxlic.errors import FileError, StorageError, UsageError


@pytest.mark.parametrize("kind", ["memory", "local", "file"])
def test_what_is_written_is_read_listed_and_removed(kind, tmp_path):
    root = {
        "memory": f"memory:/{tmp_path}",
        "local": str(tmp_path),
        "file": f"file://{tmp_path}",
    }
    store = Store(root[kind])
    assert store.names("report") == []
    store.write("report/00000.parquet", b"first")
    store.write("report/00000.parquet", b"second")
    store.write("report/00001.parquet", b"0123456789")
    assert sorted(store.names("report")) == ["00000.parquet", "00001.parquet"]
    assert store.read(store.at("report/00000.parquet")) == b"second"
    assert store.read(store.at("report/00001.parquet"), first=4) == b"0123"
    assert store.read_part(store.at("report/00001.parquet"), 3, 4) == b"3456"
    assert store.read_part(store.at("report/00001.parquet"), 8, 4) == b"89"
    found = list(store.find(store.root))
    assert [entry.url for entry in found] == [
        entry.url for entry in map(store.info, _urls(found))
    ]
    assert [entry.size for entry in found] == [6, 10] and all(entry.etag for entry in found)
    assert store.read(found[1].url) == b"0123456789"
    store.remove("report")
    store.remove("report")
    assert store.names("report") == []
    with pytest.raises(FileError, match="no such file"):
        store.read(store.at("report/00000.parquet"))


def _urls(found):
    return [entry.url for entry in found]


def test_what_passes_is_waited_for(monkeypatch):
    waits = []
    monkeypatch.setattr(stores.time, "sleep", waits.append)
    answers = iter([OSError("slow down"), TimeoutError(), RuntimeError("reset"), "here"])

    def work():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(work, "s3://b/a", 300) == "here"
    assert len(waits) == 3 and 0.1 < waits[0] < waits[2] * 2 <= 2


def test_what_stays_is_told_with_the_object():
    def failing(error):
        def work():
            raise error

        return work

    with pytest.raises(StorageError, match=r"s3://b/a: storage fails since 0.01 s \(slow"):
        patiently(failing(OSError("slow down")), "s3://b/a", 0.01)
    for error, text in ((FileNotFoundError(), "no such file"), (PermissionError("no"), "no")):
        with pytest.raises(FileError, match=f"s3://b/a: {text}") as raised:
            patiently(failing(error), "s3://b/a", 300)
        assert not isinstance(raised.value, StorageError)
    with pytest.raises(TypeError):  # A bug is no storage that fails.
        patiently(failing(TypeError()), "s3://b/a", 300)


def test_one_object_that_cannot_be_read_is_not_the_store(store, monkeypatch):
    store.write("a.png", b"a")
    broken = {store.at("a.png")}
    whole = stores._read

    def read(url, first=None):
        if url in broken:
            raise OSError("checksum")
        return whole(url, first)

    monkeypatch.setattr(stores, "_read", read)
    with pytest.raises(FileError, match=r"a\.png: storage fails") as raised:
        store.read_source(store.at("a.png"))
    assert not isinstance(raised.value, StorageError)
    broken.clear()
    assert store.read_source(store.at("a.png")) == b"a"


def test_protocols_that_are_not_there_are_told():
    with pytest.raises(UsageError, match="nosuch://x"):
        Store("nosuch://x").names("")


def test_elsewhere_objects_are_moved_into_place(store, monkeypatch):
    monkeypatch.setattr(stores, "_WHOLE", frozenset())
    store.write("out/a", b"whole")
    assert store.names("out") == ["a"] and store.read(store.at("out/a")) == b"whole"
    fs = fsspec.filesystem("memory")

    monkeypatch.setattr(stores, "filesystem", lambda url: (_Half(fs), url.split("memory:/")[1]))
    with pytest.raises(KeyboardInterrupt):
        store.write("out/b", b"half")
    monkeypatch.undo()
    assert store.names("out") == ["a"]


class _Half:
    """A file system whose writes are interrupted."""

    def __init__(self, fs):
        self._fs = fs

    def pipe_file(self, path, data):
        self._fs.pipe_file(path, data[:1])
        raise KeyboardInterrupt

    def __getattr__(self, name):
        return getattr(self._fs, name)
