import os
import pathlib
import time

import numpy as np
import pytest

from jaxlic.files import images
from train import data
from train.data import DataError


def test_packed_images_are_the_images(folder):
    packed = data.pack(folder)
    assert len(packed) == 12 and not packed.skipped
    for i, name in enumerate(packed.names):
        np.testing.assert_array_equal(packed[i], images.read(folder / name).rgb)


def test_decoding_happens_once(folder, monkeypatch):
    data.pack(folder)
    monkeypatch.setattr(images, "read_rgb", None)
    assert len(data.pack(folder)) == 12


def test_corrupt_images_are_named_and_skipped(folder):
    (folder / "zz.png").write_bytes(b"garbage")
    packed = data.pack(folder)
    assert len(packed) == 12
    assert packed.skipped[0][0] == "zz.png" and "not an image" in packed.skipped[0][1]


def test_folders_without_images_are_errors(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXLIC_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="no such folder"):
        data.pack(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        data.pack(tmp_path / "empty")
    (tmp_path / "empty" / "bad.png").write_bytes(b"x")
    with pytest.raises(DataError, match="none of its 1 images"):
        data.pack(tmp_path / "empty")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_decoding_that_is_stopped_leaves_nothing(folder, tmp_path, monkeypatch, error):
    def failing(path):
        raise error

    monkeypatch.setattr(images, "read_rgb", failing)
    with pytest.raises(type(error)):
        data.pack(folder)
    assert list((tmp_path / "cache" / "packed").iterdir()) == []


def test_what_a_killed_process_left_goes_after_a_day(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXLIC_CACHE", str(tmp_path / "cache"))
    for name, age in (("tmpold", 2 * 86_400), ("tmpnew", 60)):
        left = tmp_path / "cache" / "packed" / name
        left.mkdir(parents=True)
        (left / "pixels.u8").write_bytes(b"x")
        for path in (left / "pixels.u8", left):
            os.utime(path, (time.time() - age,) * 2)
    data.pack(folder)
    names = {path.name for path in (tmp_path / "cache" / "packed").iterdir()}
    assert "tmpnew" in names and "tmpold" not in names and len(names) == 2


def test_who_loses_a_race_takes_what_the_winner_made_and_leaves_nothing(folder, tmp_path):
    def track(files):
        data.pack(folder)  # Somebody else, meanwhile.
        return files

    assert len(data.pack(folder, track=track)) == 12
    assert len(list((tmp_path / "cache" / "packed").iterdir())) == 1


def test_pixels_are_on_disk_before_they_are_found(folder, monkeypatch):
    flushed, rename = [], pathlib.Path.rename
    fsync = os.fsync

    def flush(handle):
        flushed.append(os.fstat(handle).st_size)
        fsync(handle)

    def renamed(self, target):
        assert (self / "pixels.u8").stat().st_size in flushed
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(pathlib.Path, "rename", renamed)
    assert len(data.pack(folder)) == 12
