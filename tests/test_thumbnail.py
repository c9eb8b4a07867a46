"""Thumbnails as files: ordinary images that say what they are."""

import contextlib
import io
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxlic
from jaxlic import cli, thumbnail
from jaxlic.files import classic, exif, images
from jaxlic.files.images import ImageError, Picture
from jaxlic.models import Spec, assemble, save_model
from jaxlic.thumbnail import Note, note_of, restore
from tests.random_params import random_params

SPEC = Spec("rescaler.folded", dict(layout=["haar", "E1", "V1"], width=8))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of an untrained rescaler, which is nearly bicubic."""
    folder = tmp_path_factory.mktemp("models") / "tiny-x2"
    init = assemble(SPEC).init
    params = random_params(init, jnp.zeros((1, 16, 16, 3)), jax.random.key(0), scale=1e-3)
    save_model(folder, params, SPEC, {"id": "tiny-x2", "number": 0})
    return folder


@pytest.fixture
def source(photo, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo[:51, :77]).save(path)
    return path


def test_load_tells_rescalers_from_codecs(model):
    rescaler = jaxlic.load(model)
    assert isinstance(rescaler, jaxlic.ImageRescaler) and rescaler.scale == 2


@pytest.mark.parametrize("format_", ["jpeg", "webp"])
def test_a_file_is_an_ordinary_image_with_a_note(model, photo, tmp_path, format_):
    rescaler = jaxlic.load(model)
    icc = bytes(16) + b"RGB " + bytes(180)
    data = rescaler.encode(Picture(photo[:51, :77], icc=icc), format_, 70)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == format_.upper() and image.size == (39, 26)
        assert image.info["icc_profile"] == icc
    path = tmp_path / "t"
    path.write_bytes(data)
    note = note_of(path)
    assert note == Note("tiny-x2", rescaler.model.v1.hex(), 2, (51, 77))
    picture = restore(path, model=model)
    assert picture.rgb.shape == (51, 77, 3) and picture.notes == () and picture.icc == icc
    assert np.mean(np.square(picture.rgb - photo[:51, :77].astype(float))) < 600


def test_the_commands(model, source, capsys):
    small, back = source.with_name("photo.x2.webp"), source.with_name("photo.x2.png")
    code = cli.main(["downscale", str(source), "--format", "webp", "--model", str(model)])
    assert code == 0 and small.is_file()
    assert "77x51 to 39x26" in capsys.readouterr().out
    assert cli.main(["upscale", str(small), "--model", str(model)]) == 0
    assert images.read_rgb(back).shape == (51, 77, 3)
    assert capsys.readouterr().err == ""
    assert cli.main(["info", str(small)]) == 0
    out = capsys.readouterr().out
    assert "of 77x51 pixels, scale 2" in out and f"{small.stat().st_size:,} bytes" in out
    assert cli.main(["info", str(small), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scale"] == 2


def test_folders(model, source, tmp_path):
    (tmp_path / "in").mkdir()
    source.rename(tmp_path / "in" / "a.png")
    arguments = ["downscale", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert cli.main([*arguments, "--model", str(model)]) == 0
    assert (tmp_path / "out" / "a.x2.jpg").is_file()


def test_thumbnails_beside_their_photographs_are_left_alone(model, source, capsys, tmp_path):
    arguments = ["downscale", str(tmp_path), "--skip-existing", "--model", str(model)]
    assert cli.main(arguments) == 0
    assert cli.main(arguments) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png", "photo.x2.jpg"}
    assert f"{tmp_path}: 1 of 2 images are thumbnails, left alone" in capsys.readouterr().err


def test_a_folder_may_be_called_as_thumbnails_are(model, source, capsys, tmp_path):
    m = ["--model", str(model)]
    for folder in ("thumbs.v1", "small.webp"):
        assert cli.main(["downscale", str(source), "-o", f"{tmp_path / folder}/", *m]) == 0
        assert (tmp_path / folder / "photo.x2.jpg").is_file()
    capsys.readouterr()
    arguments = ["downscale", source, source, "-o", tmp_path / "small.jpg"]
    assert "small.jpg: names one file" in _error(capsys, *arguments, *m)


def _error(capsys, *arguments):
    assert cli.main([*map(str, arguments)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("jaxlic: error: ")
    return lines[0]


def test_a_foreign_thumbnail_needs_a_scale_and_says_so(model, source, capsys, tmp_path):
    assert "scale" in _error(
        capsys, "upscale", source, "-o", tmp_path / "b.png", "--model", model
    )
    arguments = ["upscale", source, "-o", tmp_path / "b.png", "--model", model, "--scale", 2]
    assert cli.main([*map(str, arguments)]) == 0
    assert "does not say that jaxlic made it" in capsys.readouterr().err
    assert images.read_rgb(tmp_path / "b.png").shape == (102, 154, 3)


def test_a_thumbnail_saved_again_still_grows_back(model, source, tmp_path):
    small = tmp_path / "small.jpg"
    assert cli.main(["downscale", str(source), "-o", str(small), "--model", str(model)]) == 0
    with Image.open(small) as image:
        exif = image.getexif()
        image.save(tmp_path / "again.webp", quality=40, exif=exif)
        image.save(tmp_path / "bare.jpg", quality=40)
        image.resize((30, 20)).save(tmp_path / "resized.jpg", exif=exif)
    assert restore(tmp_path / "again.webp", model=model).rgb.shape == (51, 77, 3)
    bare = restore(tmp_path / "bare.jpg", model=model, scale=2)
    assert bare.rgb.shape == (52, 78, 3)
    resized = restore(tmp_path / "resized.jpg", model=model)
    assert resized.rgb.shape == (40, 60, 3) and "resized" in resized.notes[0]


def test_other_weights_are_told(model, photo, tmp_path):
    note = Note("tiny-x2", "00000000", 2, (52, 78)).text()
    path = tmp_path / "t.jpg"
    path.write_bytes(classic.encode(photo[:26, :39], "jpeg", 80, comment=note))
    assert "other weights" in restore(path, model=model).notes[0]


def test_bad_input_is_one_line(model, source, capsys, tmp_path):
    m = ["--model", model]
    assert "no such file" in _error(capsys, "downscale", tmp_path / "no.png", *m)
    assert ".jpg or .webp" in _error(capsys, "downscale", source, "-o", tmp_path / "a.gif", *m)
    assert "named as webp" in _error(
        capsys, "downscale", source, "-o", tmp_path / "a.webp", "--format", "jpeg", *m
    )
    assert "scale 2, not 4" in _error(capsys, "downscale", source, "--scale", 4, *m)
    assert "no model called" in _error(capsys, "downscale", source, "--model", "nothing")
    assert "is a codec" in _error(capsys, "downscale", source, "--model", "base")
    assert "says that jaxlic made it" in _error(capsys, "info", source)
    assert "makes thumbnails" in _error(capsys, "compress", source, *m)
    small = tmp_path / "small.jpg"
    assert cli.main(["downscale", str(source), "-o", str(small), *map(str, m)]) == 0
    capsys.readouterr()
    assert "was made at scale 2" in _error(capsys, "upscale", small, "--scale", 4, *m)
    assert "model tiny-x2, which is not shipped" in _error(capsys, "upscale", small)
    with pytest.raises(SystemExit) as error:
        cli.main(["downscale", str(source), "--codec-quality", "12"])
    assert error.value.code == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jaxlic",
        "jaxlic tiny-x2 0123abcd 3 10x10",
        "jaxlic tiny-x2 0123abcd 2 9999999x10",
        "jaxlic ../../x 0123abcd 2 10x10",
        "jaxlic " + "a" * 150 + " 0123abcd 2 10x10",
    ],
)
def test_notes_of_others_are_no_notes(photo, tmp_path, text):
    path = tmp_path / "t.jpg"
    path.write_bytes(classic.encode(photo[:16, :16], "jpeg", 80, comment=text))
    assert note_of(path) is None


def test_damaged_files_raise_one_type(model, photo, tmp_path):
    rescaler, rng = jaxlic.load(model), np.random.default_rng(0)
    data = bytearray(rescaler.encode(photo[:40, :40], "jpeg", 60))
    path = tmp_path / "t.jpg"
    for _ in range(60):
        damaged = bytearray(data)
        for i in rng.integers(len(data), size=4):
            damaged[i] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(1, len(data))])
        with contextlib.suppress(ImageError):
            restore(path, model=model, scale=2)


def test_arrays_are_checked(model, photo):
    rescaler = jaxlic.load(model)
    with pytest.raises(ValueError, match="uint8"):
        rescaler.downscale(photo.astype(np.float32))
    with pytest.raises(ValueError, match="has no thumbnail"):
        rescaler.upscale(photo[:10, :10], (50, 20))
    with pytest.raises(ValueError, match="formats"):
        rescaler.encode(photo, "avif")
    for quality in (20, 96, 70.6, "80"):
        with pytest.raises(jaxlic.Error, match="quality"):
            rescaler.encode(photo, "jpeg", quality)
    for image in (photo[0, :, 0], photo[..., :2]):
        with pytest.raises(jaxlic.Error, match="an image"):
            rescaler.encode(image)
    with pytest.raises(jaxlic.Error, match="an image"):
        rescaler.downscale(photo[:32, :32].tolist())
    small = rescaler.downscale(photo[:32, :32])
    grey, faint = photo[..., 0], np.dstack([photo, photo[..., 0]])
    assert rescaler.encode(grey) == rescaler.encode(np.dstack([grey] * 3))
    assert rescaler.encode(faint) == rescaler.encode(photo)
    for shape in ((32,), (32.0, 32.0), 32, (0, 32)):
        with pytest.raises(jaxlic.Error, match="shape is"):
            rescaler.upscale(small, shape)
    with pytest.raises(jaxlic.Error, match="latent is one of mean, zero, sample, got 'mode'"):
        rescaler.upscale(small, latent="mode")
    for seed in (1.5, -1, 2**31):
        with pytest.raises(jaxlic.Error, match="seed is"):
            rescaler.upscale(small, latent="sample", seed=seed)
    with pytest.raises(ValueError, match="100 megapixels"):
        rescaler.upscale(np.zeros((20_000, 5_000, 3), np.uint8))
    assert set(thumbnail.FORMATS.values()) == {"jpeg", "webp"}


def test_a_thumbnail_is_a_file_its_bytes_or_a_picture(model, source):
    rescaler = jaxlic.load(model)
    data = rescaler.encode(images.read(source))
    path = source.with_suffix(".jpg")
    path.write_bytes(data)
    known = restore(path, model=model).rgb
    for given in (data, bytearray(data), memoryview(data), images.read(data)):
        np.testing.assert_array_equal(restore(given, model=model).rgb, known)
    with pytest.raises(jaxlic.Error, match=r"^an image of 77x51 pixels is over 3,926 pixels"):
        restore(data, model=model, max_pixels=3926)
    with pytest.raises(jaxlic.Error, match=rf"^{re.escape(str(path))}: an image of 77x51"):
        restore(path, model=model, max_pixels=3926)
    assert restore(data, model=model, max_pixels=3927).rgb.shape == (51, 77, 3)
    for given in (known, 3, io.BytesIO(data)):
        with pytest.raises(jaxlic.Error, match="an image is a file or its bytes, got"):
            restore(given, model=model)
    with pytest.raises(jaxlic.Error, match=r"^does not say how it was made"):
        restore(images.read(source))


def test_a_thumbnail_that_was_turned_grows_back_turned(model, photo):
    rescaler = jaxlic.load(model)
    data = rescaler.encode(photo[:51, :77], "jpeg", 90)
    with Image.open(io.BytesIO(data)) as image:
        out = io.BytesIO()
        image.transpose(Image.Transpose.ROTATE_90).save(out, "PNG", exif=image.getexif())
    found = restore(out.getvalue(), model=model)
    assert found.rgb.shape == (78, 52, 3)
    assert found.notes == (
        "turned since it was made: rows or columns at its edge may repeat the last",
    )
    # Turned so, what is added lies at the top.
    error = found.rgb[1:, :51].astype(int) - np.rot90(photo[:51, :77])
    assert np.mean(np.square(error)) < 600


def test_of_whole_blocks_nothing_is_added_by_turning(model, photo):
    rescaler = jaxlic.load(model)
    with Image.open(io.BytesIO(rescaler.encode(photo[:52, :76], "jpeg", 90))) as image:
        out = io.BytesIO()
        image.transpose(Image.Transpose.ROTATE_270).save(out, "PNG", exif=image.getexif())
    found = restore(out.getvalue(), model=model)
    assert found.notes == ("turned since it was made",)
    error = found.rgb.astype(int) - np.rot90(photo[:52, :76], -1)
    assert np.mean(np.square(error)) < 600


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
@pytest.mark.parametrize("number", [2, 3, 6, 8])
def test_a_thumbnail_turned_by_its_exif_data_loses_nothing(model, photo, number, format_):
    """Viewers turn a JPEG so: the pixels that the network sees are those it made."""
    data = jaxlic.load(model).encode(photo[:51, :77], "jpeg", 90)
    plain = restore(data, model=model)
    with Image.open(io.BytesIO(data)) as image:
        metadata, out = image.getexif(), io.BytesIO()
        metadata[0x0112] = number
        image.save(out, format_, exif=metadata)
    found = restore(out.getvalue(), model=model)
    assert found.notes == ()
    np.testing.assert_array_equal(found.rgb, exif.oriented(plain.rgb, number))


def test_a_thumbnail_turned_by_a_quarter_is_turned_back_for_the_network(model, photo):
    data = jaxlic.load(model).encode(photo[:52, :76], "jpeg", 90)
    plain = restore(data, model=model).rgb
    with Image.open(io.BytesIO(data)) as image:
        out = io.BytesIO()
        image.transpose(Image.Transpose.ROTATE_270).save(out, "PNG", exif=image.getexif())
    found = restore(out.getvalue(), model=model).rgb
    np.testing.assert_array_equal(found, np.rot90(plain, -1))


@pytest.mark.parametrize("format_", ["jpeg", "webp"])
def test_what_is_grey_stays_grey(model, photo, format_):
    rescaler = jaxlic.load(model)
    grey = photo[:52, :76, :1].repeat(3, axis=-1)
    small = rescaler.downscale(grey)
    assert not np.ptp(small, axis=-1).any() and small.std() > 10
    grown = restore(rescaler.encode(grey, format_, 90), model=model).rgb
    assert not np.ptp(grown, axis=-1).any()
    assert np.abs(grown.astype(int) - grey).mean() < 0.4 * grey.std()
    assert np.ptp(rescaler.downscale(photo[:52, :76]), axis=-1).any()
    tinted = grey.copy()
    tinted[..., 2] = np.maximum(grey[..., 2], 3) - 3
    assert np.ptp(rescaler.downscale(tinted), axis=-1).mean() > 1
