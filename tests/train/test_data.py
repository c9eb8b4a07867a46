import numpy as np
import pytest

from jaxlic.files import images
from jaxlic.files.images import Picture
from train import data
from train.data import DataError

pytest.importorskip("grain")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXLIC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        size = (40 + i, 50, 3)
        images.write(folder / f"{i}.png", Picture(rng.integers(0, 256, size).astype(np.uint8)))
    return folder


def test_packed_images_are_the_images(folder):
    packed = data.pack(folder)
    assert len(packed.index) == 12 and not packed.skipped
    for i, (name, *_) in enumerate(packed.index):
        np.testing.assert_array_equal(packed[i], images.read(folder / name).rgb)


def test_decoding_happens_once(folder, monkeypatch):
    data.pack(folder)
    monkeypatch.setattr(images, "read_rgb", None)
    assert len(data.pack(folder).index) == 12


def test_corrupt_images_are_named_and_skipped(folder):
    (folder / "zz.png").write_bytes(b"garbage")
    packed = data.pack(folder)
    assert len(packed.index) == 12
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


def test_crops_are_a_function_of_seed_and_step(folder):
    packed = data.pack(folder)
    make = lambda seed: data.crops(packed, range(12), size=16, batch=4, seed=seed)  # noqa: E731
    batch = make(0)[5]["image"]
    assert batch.shape == (4, 16, 16, 3) and batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, make(0)[5]["image"])
    assert (batch != make(0)[6]["image"]).any()
    assert (batch != make(1)[5]["image"]).any()


def test_workers_do_not_change_the_batches(folder):
    import grain

    packed = data.pack(folder)
    dataset = data.crops(packed, range(12), size=16, batch=4, seed=0)
    for threads in (1, 4):
        batches = iter(dataset[3:].to_iter_dataset(grain.ReadOptions(num_threads=threads)))
        for step in range(3, 8):
            np.testing.assert_array_equal(next(batches)["image"], dataset[step]["image"])


def test_small_images_are_left_out_and_all_small_is_an_error(folder):
    packed = data.pack(folder)
    assert data.crops(packed, range(12), size=48, batch=2, seed=0)[0]["image"].shape[1] == 48
    with pytest.raises(DataError, match="every image is smaller than the crop, 64x64"):
        data.crops(packed, range(12), size=64, batch=2, seed=0)


def test_held_out_images_are_not_trained_on(folder):
    packed = data.pack(folder)
    training, held_out = packed.split(3)
    assert len(held_out) == 1  # A tenth at most.
    assert sorted(training + held_out) == list(range(12))


def test_a_margin_brings_the_surroundings_and_the_border_is_repeated(folder):
    packed = data.pack(folder)
    plain, wide = (
        data.crops(packed, range(12), size=38, batch=4, seed=3, margin=margin)
        for margin in (0, 5)
    )
    for k in range(3):
        np.testing.assert_array_equal(plain[k]["image"], wide[k]["image"][:, 5:-5, 5:-5])
        wider = wide[k]["image"]
        for image in wider:
            # Crops of 38 from images some 40 high: most margins lie outside.
            assert image.shape == (48, 48, 3)
            outside = (image[0] == image[1]).all() or (image[-1] == image[-2]).all()
            assert outside


def test_maps_are_those_of_the_whole_image(folder):
    """A threshold map computed on crops with their margin, against that of the image."""
    from jaxlic.ops import jnd

    packed = data.pack(folder)
    image = packed[3]
    whole = np.asarray(jnd.jnd_map(image[None].astype(np.float32) / 255)[0])
    crops = data.crops(packed, [3], size=32, batch=1, seed=0, margin=jnd.MARGIN)
    m = jnd.MARGIN
    for k in range(4):
        wide = crops[k]["image"]
        got = np.asarray(jnd.jnd_map(wide.astype(np.float32) / 255))[0, m:-m, m:-m]
        inner = wide[0, m:-m, m:-m]
        found = [
            np.abs(got - side[i : i + 32, j : j + 32]).max()
            for side, full in ((whole, image), (whole[:, ::-1], image[:, ::-1]))
            for i in range(image.shape[0] - 31)
            for j in range(image.shape[1] - 31)
            if (full[i : i + 32, j : j + 32] == inner).all()
        ]
        assert found and min(found) < 1e-2


def test_targets_are_cut_where_the_images_are(folder, tmp_path):
    other = tmp_path / "targets"
    other.mkdir()
    for file in folder.glob("*.png"):
        inverted = 255 - images.read(file).rgb
        images.write(other / file.with_suffix(".tiff").name, Picture(inverted))
    packed = data.pack(folder)
    pairs = data.paired(packed, data.pack(other))
    crops = data.crops(packed, range(12), size=32, batch=3, seed=0, margin=4, targets=pairs)
    alone = data.crops(packed, range(12), size=32, batch=3, seed=0, margin=4)
    for k in range(3):
        np.testing.assert_array_equal(crops[k]["target"], 255 - crops[k]["image"])
        np.testing.assert_array_equal(crops[k]["image"], alone[k]["image"])


def test_targets_must_fit(folder, tmp_path):
    other = tmp_path / "targets"
    other.mkdir()
    for file in folder.glob("*.png"):
        images.write(other / file.name, Picture(images.read(file).rgb[:30]))
    packed = data.pack(folder)
    with pytest.raises(DataError, match="another size"):
        data.paired(packed, data.pack(other))
    (other / "3.png").unlink()
    with pytest.raises(DataError, match=r"has no target|another size"):
        data.paired(packed, data.pack(other))
