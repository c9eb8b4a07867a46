"""Images of a shard: rows of all, whatever happens to one."""

import threading

import pytest

from jaxlic.batch import store as stores
from jaxlic.batch.rows import Source
from jaxlic.batch.window import Stamp, failed, process, windows
from jaxlic.errors import StorageError
from tests.batch.conftest import counting, png

STAMP = Stamp(1, "host/1", 7)


def _sources(store, photos, *names):
    url = photos + "/{}"
    found = [store.info(url.format(name)) for name in names]
    return [
        Source(i.url, i.etag, i.size, 20, 30, name)
        for i, name in zip(found, names, strict=True)
    ]


def test_every_image_has_its_row_and_its_output(store, photos):
    sources = _sources(store, photos, "0.png", "bad.png", "1.png", "notes.txt")
    gone = Source(photos + "/gone.png", "", -1, 0, 0, "gone.png")
    empty = Source(photos + "/empty.png", "", 0, 0, 0, "empty.png")
    rows = process(store, counting(), [*sources, gone, empty], STAMP)
    assert [row.source for row in rows] == [s.source for s in [*sources, gone, empty]]
    good = [row for row in rows if row.error is None]
    assert [row.output for row in good] == ["out/0.png", "out/1.png"]
    assert [(row.height, row.width) for row in good] == [(20, 30), (20, 90)]
    for row in good:
        assert len(store.read(store.at(row.output))) == row.output_bytes == 4
        assert row.bpp == 32 / (row.height * row.width) and row.read_seconds > 0
    for row in rows:
        assert row.error is None or row.error.startswith(row.source + ": ")
        assert (row.attempt, row.worker, row.shard) == STAMP
    types = [row.error_type for row in rows]
    assert types == [None, "ImageError", None, "ImageError", "FileError", "FileError"]


def test_sources_that_changed_are_done_and_say_so(store, photos):
    (source,) = _sources(store, photos, "0.png")
    (row,) = process(store, counting(), [source._replace(bytes=5)], STAMP)
    assert row.error is None and row.notes == ["changed since it was planned"]
    assert row.bytes == source.bytes


def test_an_image_that_fails_alone_does_not_fail_its_window(store, photos):
    task = counting()
    calls = []

    def run(pictures):
        calls.append(len(pictures))
        if any(picture.rgb.shape[1] == 90 for picture in pictures):
            raise KeyError("a bug")
        return task.run(pictures)

    rows = process(
        store,
        task._replace(run=run),
        _sources(store, photos, *(f"{i}.png" for i in range(4))),
        STAMP,
    )
    assert calls == [4, 1, 1, 1, 1]
    assert [row.error_type for row in rows] == [None, "KeyError", None, "KeyError"]


def test_every_quality_has_a_row_and_failures_too(store, photos):
    task = counting(suffix="", qualities=(10.0, 20.0))
    rows = process(store, task, _sources(store, photos, "0.png", "bad.png"), STAMP)
    assert [(row.quality, row.error is None) for row in rows] == [
        *((10.0, True), (20.0, True), (10.0, False), (20.0, False))
    ]
    assert store.names("out") == []
    assert len(failed(task, Source("a"), ValueError("x"), STAMP)) == 2


def test_storage_that_is_gone_is_no_row(store, photos, monkeypatch):
    sources = _sources(store, photos, "0.png", "1.png")

    def write(url, data):
        raise OSError("gone")

    monkeypatch.setattr(stores, "_write", write)
    with pytest.raises(StorageError, match=r"out/0\.png: storage fails"):
        process(store, counting(), sources, STAMP)


def test_a_plan_cannot_write_elsewhere(store, photos):
    (source,) = _sources(store, photos, "0.png")
    (row,) = process(store, counting(), [source._replace(output="../job.json")], STAMP)
    assert row.output == "out/%2E%2E/job.json" and "job.json" not in store.names("")


def test_names_that_no_store_takes_are_rows(store, tmp_path):
    (tmp_path / "a.png").write_bytes(png(20, 30))
    source = Source(str(tmp_path / "a.png"), "", -1, 20, 30, "x" * 300)
    here = stores.Store(str(tmp_path / "job"))
    (row,) = process(here, counting(), [source], STAMP)
    assert row.error_type == "FileError" and "too long" in row.error


def test_windows_hold_images_of_few_pixels_in_order():
    small = [Source(str(i), "", 9, 512, 768) for i in range(70)]
    assert [len(w) for w in windows(small)] == [32, 32, 6]
    large = [Source(str(i), "", 9, 4000, 3000) for i in range(5)]
    assert [len(w) for w in windows(large)] == [2, 2, 1]
    unknown = [Source(str(i)) for i in range(8)]
    assert [len(w) for w in windows(unknown)] == [6, 2]
    assert list(windows([])) == []


def test_windows_are_read_while_others_are_coded(store, photos):
    """Or this would wait for ever: each window waits until another is being coded too."""
    task, meeting = counting(), threading.Barrier(2, timeout=30)

    def run(pictures):
        meeting.wait()
        return task.run(pictures)

    large = [
        s._replace(height=4000, width=6000) for s in _sources(store, photos, "0.png", "2.png")
    ]
    assert len(process(store, task._replace(run=run), large, STAMP)) == 2
