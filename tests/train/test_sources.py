import json
import shutil
import uuid

import numpy as np
import pytest

from jaxlic.batch.store import Store
from jaxlic.errors import FileError
from tests.batch.seaweed import BUCKET, serving
from train.crops import crops, split
from train.data import DataError
from train.pack import pack
from train.shards import Shards
from train.sources import images_at


@pytest.fixture
def packed(folder, tmp_path, format_):
    pack(folder, tmp_path / "shards", format_=format_, shards=3)
    return tmp_path / "shards"


def _batches(source):
    training, _ = split(source, 3)
    dataset = crops(source, training, size=16, batch=6, seed=1, margin=2)
    return [dataset[k]["image"] for k in (0, 1, 2, 500)]


def _put(packed, root):
    store = Store(root)
    for file in packed.iterdir():
        store.write(file.name, file.read_bytes())
    return root


def test_a_folder_and_its_shards_give_the_same_batches(folder, packed):
    expected = _batches(images_at(folder))
    for got, batch in zip(_batches(images_at(packed)), expected, strict=True):
        np.testing.assert_array_equal(got, batch)


def test_shards_without_an_index_are_read_once_for_one(folder, packed, format_, monkeypatch):
    indexed = images_at(packed)
    (packed / "index.json").unlink()
    (packed / "notes.txt").write_text("is left alone")
    found = images_at(packed)
    assert isinstance(found, Shards) and found.index.shards == indexed.index.shards
    np.testing.assert_array_equal(found.index.places, indexed.index.places)
    np.testing.assert_array_equal(found.sizes, indexed.sizes)
    if format_ == "webdataset":  # ArrayRecord files hold no names.
        assert found.names == indexed.names
    monkeypatch.setattr("train.sources._scan", None)
    again = images_at(packed)
    assert again.names == found.names
    name = indexed.index.shards[1][0]
    shutil.copy(packed / name, packed / name.replace("00001-of", "00009-of"))
    with pytest.raises(TypeError):  # Now it would be read again.
        images_at(packed)


def test_one_shard_is_enough(packed):
    found = images_at(packed / images_at(packed).index.shards[1][0])
    assert len(found.names) == 4 and found[0].shape[2] == 3


def test_a_store_gives_the_batches_of_the_disk(packed):
    expected = _batches(images_at(packed))
    root = _put(packed, f"memory://{uuid.uuid4().hex}/shards")
    for _ in range(2):
        for got, batch in zip(_batches(images_at(root)), expected, strict=True):
            np.testing.assert_array_equal(got, batch)
    Store(root).remove("index.json")
    found = images_at(root + "/")
    assert len(found.names) == 12
    np.testing.assert_array_equal(found[7], images_at(packed)[7])
    one = images_at(f"{root}/{found.index.shards[2][0]}")
    np.testing.assert_array_equal(one[0], found[8])


def test_an_index_that_does_not_fit_is_an_error(packed, tmp_path):
    index = json.loads((packed / "index.json").read_text())
    (first, size), *_ = index["shards"]

    def error():
        with pytest.raises(DataError) as caught:
            images_at(packed)
        return str(caught.value)

    path = packed / first
    data = path.read_bytes()
    path.write_bytes(data[:-512])
    assert f"{first} has {size - 512} bytes, not {size} as in its index.json" in error()
    path.unlink()
    assert f"{first} of its index.json is missing" in error()
    path.write_bytes(data)
    shutil.copy(path, packed / f"x{first}")
    assert f"its index.json does not know x{first}" in error()
    (packed / f"x{first}").unlink()
    (packed / "index.json").write_text("{}")
    assert "index.json: is no index of shards" in error()


def test_what_cannot_be_trained_on_is_one_line(folder, tmp_path):
    for name in ("0.tar", "0.arrayrecord"):
        (folder / name).write_bytes(b"")
    with pytest.raises(DataError, match="both formats"):
        images_at(folder)
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"a\.zip: is no shard and holds none"):
        images_at(tmp_path / "a.zip")
    with pytest.raises(DataError, match="none: no such folder"):
        images_at(tmp_path / "none")
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "0.tar").write_bytes(bytes(1024))
    with pytest.raises(DataError, match="its shards hold no image"):
        images_at(tmp_path / "t")
    (tmp_path / "t" / "0.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(DataError, match=r"0\.tar: is no uncompressed tar"):
        images_at(tmp_path / "t")
    with pytest.raises(FileError, match="no such file or folder"):
        images_at(f"memory://{uuid.uuid4().hex}")
    with pytest.raises(ValueError, match="nosuch"):
        images_at("nosuch://bucket/shards")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.mark.s3
def test_s3_gives_the_batches_of_the_disk(packed, server, format_):
    expected = _batches(images_at(packed))
    root = _put(packed, f"s3://{BUCKET}/{format_}")
    for got, batch in zip(_batches(images_at(root)), expected, strict=True):
        np.testing.assert_array_equal(got, batch)
    Store(root).remove("index.json")
    assert len(images_at(root).names) == 12
