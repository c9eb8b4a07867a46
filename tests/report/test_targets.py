"""Images one just-noticeable difference from one's own."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.cli import main
from jaxlic.files import classic, images
from jaxlic.files.images import Picture
from jaxlic.ops import jnd
from jaxlic.report import targets


@pytest.fixture
def folder(tmp_path, photo):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    images.write(tmp_path / "in" / "a.png", Picture(photo[:64, :80]))
    images.write(tmp_path / "in" / "sub" / "b.tiff", Picture(photo[50:120, 90:190]))
    return tmp_path / "in"


def _seen(image, back, scale=1.0):
    x, y = (jnp.asarray(a[None], jnp.float32) / 255 for a in (back, image))
    return float(jnd.violations(x, y, scale * jnd.jnd_map(y))[0][0])


def test_smoothing_is_never_seen_and_saves_bits(photo):
    soft = targets.smooth(photo, scale=1.0)
    assert soft.dtype == np.uint8 and _seen(photo, soft, 1.001) == 0
    sizes = [len(classic.encode(a, "webp", 90)) for a in (photo, soft)]
    assert sizes[1] < 0.9 * sizes[0]


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_search_finds_the_lowest_quality_that_is_hardly_seen(photo, codec):
    back, quality = targets.search(photo, codec, share=0.05)
    assert 1 < quality < 100 and _seen(photo, back) <= 0.05
    below = classic.decode(classic.encode(photo, codec, quality - 1), codec)
    assert _seen(photo, below) > 0.05
    _, looser = targets.search(photo, codec, share=0.3)
    assert looser < quality


def test_everything_or_nothing_may_be_seen(photo):
    assert targets.search(photo[:32, :32], "jpeg", share=1.0)[1] == 1
    assert targets.search(photo[:32, :32], "jpeg", scale=1e-6, share=1e-6)[1] == 100


def test_a_run_that_was_stopped_goes_on(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["jnd-targets", str(folder), "-o", str(out)]) == 0
    assert capsys.readouterr().out.count("smoothed") == 2
    assert images.read_rgb(out / "sub" / "b.png").shape == (70, 100, 3)
    (out / "a.png").unlink()
    assert main(["jnd-targets", str(folder), "-o", str(out)]) == 0
    text = capsys.readouterr().out
    assert text.count("smoothed") == 1 and text.count("kept") == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--method", "webp"], "other settings"),
        (["--scale", "2"], "other settings"),
    ],
)
def test_other_settings_want_another_folder(folder, tmp_path, capsys, more, message):
    command = ["jnd-targets", str(folder), "-o", str(tmp_path / "out")]
    assert main(command) == 0
    assert main([*command, *more]) == 2
    assert message in capsys.readouterr().err


def test_a_target_of_another_size_is_found_out(folder, tmp_path, capsys, photo):
    out = tmp_path / "out"
    assert main(["jnd-targets", str(folder), "-o", str(out)]) == 0
    images.write(out / "a.png", Picture(photo[:10, :10]))
    assert main(["jnd-targets", str(folder), "-o", str(out)]) == 2
    assert "not of the size" in capsys.readouterr().err


def test_bad_input_is_an_error_in_one_line(folder, tmp_path, capsys, photo):
    assert main(["jnd-targets", str(tmp_path / "none"), "-o", str(tmp_path)]) == 2
    assert main(["jnd-targets", str(folder), "-o", str(folder)]) == 2
    images.write(folder / "a.tiff", Picture(photo[:20, :20]))
    assert main(["jnd-targets", str(folder), "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 3
