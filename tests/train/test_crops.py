import numpy as np
import pytest

from jaxlic.files import images
from jaxlic.files.images import Picture
from train import data
from train.crops import crops, paired, readable, split
from train.data import DataError


def test_crops_are_a_function_of_seed_and_step(folder):
    packed = data.pack(folder)
    make = lambda seed: crops(packed, range(12), size=16, batch=4, seed=seed)  # noqa: E731
    batch = make(0)[5]["image"]
    assert batch.shape == (4, 16, 16, 3) and batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, make(0)[5]["image"])
    assert (batch != make(0)[6]["image"]).any()
    assert (batch != make(1)[5]["image"]).any()


def test_hosts_have_their_rows_of_the_batches_of_one(folder):
    packed = data.pack(folder)
    make = lambda seed, part: crops(packed, range(12), size=16, batch=8, seed=seed, part=part)  # noqa: E731
    rows = set()
    for hosts in (1, 2, 4):
        parts = [make(0, (host, hosts)) for host in range(hosts)]
        for step in (0, 1, 2, 1000):  # The last is some epochs on.
            whole = make(0, (0, 1))[step]["image"]
            together = np.concatenate([part[step]["image"] for part in parts])
            np.testing.assert_array_equal(together, whole)
            rows |= {row.tobytes() for row in whole}
    assert len(rows) == 4 * 8  # No row is another's, in any step or on any host.
    for step in range(4):
        others = make(1, (0, 2))[step]["image"], make(1, (1, 2))[step]["image"]
        assert not rows & {row.tobytes() for half in others for row in half}


def test_a_broken_image_gives_its_place_to_the_next_and_changes_nothing_else(folder):
    packed = data.pack(folder)

    class Broken:
        names, sizes, skipped = packed.names, packed.sizes, ()

        def __init__(self, *broken):
            self.broken = broken

        def __getitem__(self, i):
            if i in self.broken:
                raise images.ImageError(f"{self.names[i]}: damaged")
            return packed[i]

    def rows(source, step):
        batch = crops(source, range(12), size=38, batch=16, seed=0)[step]
        return batch["image"], batch["broken"].tolist()

    seen = 0
    for step in range(4):
        whole, none = rows(packed, step)
        partly, broken = rows(Broken(3, 4), step)
        assert not none and set(broken) <= {3, 4}
        np.testing.assert_array_equal(partly, rows(Broken(3, 4), step)[0])
        changed = (partly != whole).any(axis=(1, 2, 3))
        # Of 3 both are tried before 5 takes its place, of 4 it alone.
        assert changed.sum() == len(broken) - broken.count(3) and broken.count(3) > 0
        seen += broken.count(4) - broken.count(3)
        images5 = {
            packed[5][i : i + 38, j : j + 38][:, ::s].tobytes()
            for i in range(packed.sizes[5][0] - 37)
            for j in range(13)
            for s in (1, -1)
        }
        assert all(row.tobytes() in images5 for row in partly[changed])
    assert seen > 0
    with pytest.raises(DataError, match=r"\.png: is broken, and so are the 11 images after"):
        rows(Broken(*range(12)), 0)
    told = []
    assert readable(Broken(3, 4), [2, 3, 5], told.append) == [2, 5]
    assert told == [f"{packed.names[3]}: damaged; it is not evaluated"]


def test_workers_do_not_change_the_batches(folder):
    import grain

    packed = data.pack(folder)
    dataset = crops(packed, range(12), size=16, batch=4, seed=0)
    for threads in (1, 4):
        batches = iter(dataset[3:].to_iter_dataset(grain.ReadOptions(num_threads=threads)))
        for step in range(3, 8):
            np.testing.assert_array_equal(next(batches)["image"], dataset[step]["image"])


def test_small_images_are_left_out_and_all_small_is_an_error(folder):
    packed = data.pack(folder)
    assert crops(packed, range(12), size=48, batch=2, seed=0)[0]["image"].shape[1] == 48
    with pytest.raises(DataError, match="every image is smaller than the crop, 64x64"):
        crops(packed, range(12), size=64, batch=2, seed=0)


def test_held_out_images_are_not_trained_on(folder):
    packed = data.pack(folder)
    training, held_out = split(packed, 3)
    assert len(held_out) == 1  # A tenth at most.
    assert sorted(training + held_out) == list(range(12))


def test_a_margin_brings_the_surroundings_and_the_border_is_repeated(folder):
    packed = data.pack(folder)
    plain, wide = (
        crops(packed, range(12), size=38, batch=4, seed=3, margin=margin) for margin in (0, 5)
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
    cut = crops(packed, [3], size=32, batch=1, seed=0, margin=jnd.MARGIN)
    m = jnd.MARGIN
    for k in range(4):
        wide = cut[k]["image"]
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
    pairs = paired(packed, data.pack(other))
    cut = crops(packed, range(12), size=32, batch=3, seed=0, margin=4, targets=pairs)
    alone = crops(packed, range(12), size=32, batch=3, seed=0, margin=4)
    for k in range(3):
        np.testing.assert_array_equal(cut[k]["target"], 255 - cut[k]["image"])
        np.testing.assert_array_equal(cut[k]["image"], alone[k]["image"])


def test_targets_must_fit(folder, tmp_path):
    other = tmp_path / "targets"
    other.mkdir()
    for file in folder.glob("*.png"):
        images.write(other / file.name, Picture(images.read(file).rgb[:30]))
    packed = data.pack(folder)
    with pytest.raises(DataError, match="another size"):
        paired(packed, data.pack(other))
    (other / "3.png").unlink()
    with pytest.raises(DataError, match=r"has no target|another size"):
        paired(packed, data.pack(other))


class _Named:
    """Images of one size, by their names alone."""

    skipped = ()

    def __init__(self, *names):
        self.names, self.sizes = names, np.full((len(names), 2), 8)


def test_targets_of_the_same_name_come_before_those_of_the_same_stem():
    found = paired(_Named("a.jpg", "b.jpg", "a.png"), _Named("a.png", "b.tiff", "a.jpg"))
    assert found.names == ["a.jpg", "b.tiff", "a.png"]
    assert paired(_Named("a.png"), _Named("a.jpg", "a.png")).names == ["a.png"]


def test_targets_that_are_ambiguous_are_errors_that_name_both():
    with pytest.raises(DataError, match=r"^a\.png: its target may be a\.jpg or a\.tiff$"):
        paired(_Named("a.png"), _Named("a.jpg", "a.tiff"))
    for target in ("a.png", "a.tiff"):
        with pytest.raises(DataError, match=rf"{target}: may be .* of a\.jpg or a\.png$"):
            paired(_Named("a.jpg", "a.png"), _Named(target))
    with pytest.raises(DataError, match=r"^a\.jpg: has no target$"):
        paired(_Named("a.jpg", "a.png"), _Named("b.jpg"))
