"""What is done to images: the bytes that the other commands write, and measures of them."""

import numpy as np
import pytest

import jaxlic
from jaxlic.batch.tasks import COMMANDS, task
from jaxlic.errors import Error, UsageError
from jaxlic.files.images import Picture
from jaxlic.metrics.scores import psnr
from tests.batch.conftest import ARGUMENTS
from tests.conftest import kodim


@pytest.fixture(scope="module")
def pictures():
    photo = kodim("kodim05_crop")
    clear = Picture(photo[:60, :60], photo[:60, :60, 0])
    return [Picture(photo[:70, :90]), clear, Picture(photo[:70, 9:99])]


def test_compressed_images_are_those_of_the_library(pictures):
    found = task("compress", {**ARGUMENTS, "psnr": True})
    codec = jaxlic.load("base")
    found.warm([found.kind(70, 90)])
    results = found.run(pictures)
    for picture, (coded,) in zip(pictures, results, strict=True):
        assert coded.data == codec.compress(picture, 40)
        assert coded.psnr == psnr(picture.rgb, codec.decode(coded.data).rgb)
    assert found.suffix == ".jlic" and found.stream == codec.model.stream.hex()


def test_many_qualities_are_measured(pictures):
    found = task("eval", {**ARGUMENTS, "psnr": True, "qualities": [20.0, 60.0]})
    (low, high), *_ = found.run(pictures[:1])
    assert found.suffix == "" and found.qualities == (20.0, 60.0)
    assert len(low.data) < len(high.data) and low.psnr < high.psnr


def test_sizes_that_programs_serve_alike_are_of_a_kind(pictures):
    found = task("compress", ARGUMENTS)
    assert found.kind(70, 90) == found.kind(64, 128) == ((128, 128),)
    assert found.kind(70, 190) == ((128, 256),)
    assert len(found.kind(2000, 3000)) == 1 and len(found.kind(1100, 100)) == 2


def test_what_is_warm_compiles_no_more(pictures):
    import jax

    compiled = []

    def listen(name, *_, **__):
        if "compile" in name and "backend" in name:
            compiled.append(name)

    found = task("compress", {**ARGUMENTS, "psnr": True, "model": "base-jnd"})
    jax.monitoring.register_event_duration_secs_listener(listen)
    found.warm([found.kind(*picture.rgb.shape[:2]) for picture in pictures])
    assert compiled
    compiled.clear()
    found.run(pictures)
    found.run(pictures[::-1])
    assert not compiled


def test_thumbnails_are_those_of_the_library(pictures):
    arguments = {**ARGUMENTS, "model": "sain-x2", "scale": 2, "format": "jpeg", "psnr": True}
    found = task("downscale", {**arguments, "qualities": [80]})
    found.warm([found.kind(70, 90)])
    rescaler = jaxlic.load("sain-x2")
    for picture, (coded,) in zip(pictures, found.run(pictures), strict=True):
        assert coded.data == rescaler.encode(picture, "jpeg", 80)
        assert 20 < coded.psnr < 60
        assert bool(coded.notes) == (picture.alpha is not None)
    assert found.suffix == ".x2.jpg"
    with pytest.raises(UsageError, match="has scale 2, not 4"):
        task("downscale", {**arguments, "qualities": [80], "scale": 4})


def test_models_of_another_kind_are_refused():
    with pytest.raises(UsageError, match="makes thumbnails"):
        task("compress", {**ARGUMENTS, "model": "sain-x2"})
    with pytest.raises(UsageError, match="is a codec"):
        task("downscale", {**ARGUMENTS, "scale": 2, "format": "jpeg"})
    with pytest.raises(Error):
        task("eval", {**ARGUMENTS, "model": "nothing"})
    assert set(COMMANDS) == {"compress", "eval", "downscale"}


def test_an_image_that_no_file_holds_fails(pictures):
    found = task("compress", {**ARGUMENTS, "max_pixels": 99})
    with pytest.raises(Error, match="over 99 pixels"):
        found.run([pictures[0]])
    assert np.all(pictures[0].rgb == kodim("kodim05_crop")[:70, :90])
