"""A folder of small photographs to train on."""

import shutil

import numpy as np
import pytest

pytest.importorskip("grain")
pytest.importorskip("orbax.checkpoint")

from jaxlic.files import images
from jaxlic.files.images import Picture
from tests.conftest import DATA


def make_photos(folder):
    """Twelve crops of the two sample photographs, in a new folder."""
    folder.mkdir()
    for name in ("kodim05_crop.png", "kodim23_crop.png"):
        image = images.read(shutil.copy(DATA / name, folder / name)).rgb
        for i in range(5):
            crop = np.ascontiguousarray(image[8 * i : 8 * i + 140, 16 * i : 16 * i + 150])
            images.write(folder / f"{i}_{name}", Picture(crop))
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """The folder of `make_photos`."""
    return make_photos(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twelve small PNGs of noise, and a cache of their own."""
    monkeypatch.setenv("JAXLIC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        size = (40 + i, 50, 3)
        images.write(folder / f"{i}.png", Picture(rng.integers(0, 256, size).astype(np.uint8)))
    return folder


@pytest.fixture(params=["webdataset", "arrayrecord"])
def format_(request):
    """The name of a kind of shard that can be written here."""
    if request.param == "arrayrecord":
        pytest.importorskip("array_record")  # There is none for Windows.
    return request.param
