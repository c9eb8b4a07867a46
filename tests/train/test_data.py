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
