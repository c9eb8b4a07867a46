import shutil

import numpy as np
import pytest
from PIL import Image

from jaxlic.errors import UsageError
from jaxlic.report import anchors
from jaxlic.study import stimuli
from jaxlic.study.stimuli import SOURCE, TRAP
from tests.conftest import DATA

FILE = DATA / "kodim05_crop.png"


def _jpeg(*levels):
    return stimuli.coded("jpeg", levels, anchors.standard("jpeg"))


def test_a_photograph_gives_its_source_every_level_and_a_trap(photo):
    found = list(stimuli.of_image(3, FILE, [_jpeg(80, 20)], (128, 96)))
    assert [s.codec for s in found] == [SOURCE, "jpeg", "jpeg", TRAP]
    assert [(s.dlevel, s.level) for s in found[1:3]] == [(1, 80), (2, 20)]
    np.testing.assert_array_equal(found[0].pixels, photo[48:144, 64:192])
    size, back = anchors.standard("jpeg")(photo, 80)
    assert found[1].bytes == size and found[1].bpp == 8 * size / (192 * 256)
    np.testing.assert_array_equal(found[1].pixels, back[48:144, 64:192])
    assert found[0].mse == 0 < found[1].mse < found[2].mse < found[3].mse
    assert all(s.image == 3 for s in found)


def test_boosted_pictures_have_twice_the_error_and_twice_the_size(photo):
    source, coded, _ = stimuli.of_image(0, FILE, [_jpeg(50)], (128, 96), boosted=True)
    assert source.pixels.shape == coded.pixels.shape == (96, 128, 3)
    _, back = anchors.standard("jpeg")(photo, 50)
    middle = np.s_[72:120, 96:160]
    error = coded.pixels.astype(float) - source.pixels
    plain = back[middle].astype(float) - photo[middle]
    # Means of blocks, which enlarging leaves as they are.
    large = error.reshape(6, 16, 8, 16, 3).mean(axis=(1, 3))
    small = plain.reshape(6, 8, 8, 8, 3).mean(axis=(1, 3))
    slope = np.sum(large * small) / np.sum(small**2)
    assert slope == pytest.approx(2, abs=0.2)


def test_images_of_folders_are_found_by_name_and_must_be_as_large(tmp_path):
    once = tmp_path / "once"
    once.mkdir()
    shutil.copy(DATA / "kodim23_crop.png", once / "kodim05_crop.png")
    codec = stimuli.folders("jnd", {1.0: once}, DATA)
    found = list(stimuli.of_image(0, FILE, [codec], (64, 64)))
    assert (found[1].level, found[1].bytes, found[1].bpp) == (1.0, None, None)
    Image.new("RGB", (10, 10)).save(once / "kodim05_crop.png")
    with pytest.raises(UsageError, match="jnd at 1 is not of its size"):
        list(stimuli.of_image(0, FILE, [codec], (64, 64)))
    (once / "kodim05_crop.png").unlink()
    with pytest.raises(UsageError, match="holds no image kodim05_crop"):
        list(stimuli.of_image(0, FILE, [codec], (64, 64)))
