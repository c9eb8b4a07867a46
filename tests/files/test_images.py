import concurrent.futures
import io
import warnings

import numpy as np
import pytest
from PIL import Image

from jaxlic.files import classic, disk, images
from jaxlic.files.images import ImageError, Picture

RGB = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)


def _save(tmp_path, image, name, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "bmp"])
def test_lossless_formats_come_back(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    images.write(path, Picture(RGB))
    np.testing.assert_array_equal(images.read(path).rgb, RGB)


def test_grey_and_palette_become_rgb(tmp_path):
    grey = Image.fromarray(RGB[..., 0])
    read = images.read(_save(tmp_path, grey, "g.png"))
    np.testing.assert_array_equal(read.rgb, np.repeat(RGB[..., :1], 3, axis=-1))
    palette = Image.fromarray(RGB).quantize(8)
    read = images.read(_save(tmp_path, palette, "p.png"))
    np.testing.assert_array_equal(read.rgb, np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_kept_apart(tmp_path, mode):
    alpha = np.arange(63, dtype=np.uint8).reshape(9, 7)
    image = Image.fromarray(RGB)
    if mode == "P":
        image = image.quantize(4)
        image.info["transparency"] = 0
        alpha = np.where(np.asarray(image) == 0, 0, 255)
    else:
        image = image.convert(mode[:-1])
        image.putalpha(Image.fromarray(alpha))
    np.testing.assert_array_equal(images.read(_save(tmp_path, image, "a.png")).alpha, alpha)


def test_opaque_alpha_is_none(tmp_path):
    path = _save(tmp_path, Image.fromarray(RGB).convert("RGBA"), "o.png")
    assert images.read(path).alpha is None


def test_16_bits_are_reduced_and_it_is_said(tmp_path):
    deep = (np.arange(63).reshape(9, 7) * 1000).astype(np.uint16)
    read = images.read(_save(tmp_path, Image.fromarray(deep), "d.png"))
    np.testing.assert_array_equal(read.rgb[..., 0], deep >> 8)
    assert "16 to 8 bits" in read.notes[0]


def test_cmyk_becomes_rgb_and_it_is_said(tmp_path):
    read = images.read(_save(tmp_path, Image.fromarray(RGB).convert("CMYK"), "c.tiff"))
    assert np.abs(read.rgb.astype(int) - RGB).max() <= 1
    assert "CMYK" in read.notes[0]


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _save(tmp_path, Image.fromarray(RGB), "e.png", exif=exif)
    np.testing.assert_array_equal(images.read(path).rgb, np.rot90(RGB, -1))


def test_icc_profile_is_carried(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = _save(tmp_path, Image.fromarray(RGB), "i.png", icc_profile=profile)
    assert images.read(path).icc == profile
    images.write(tmp_path / "again.png", images.read(path))
    assert images.read(tmp_path / "again.png").icc == profile


def test_what_cannot_be_read_is_one_kind_of_error(tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    whole = io.BytesIO()
    Image.fromarray(RGB).save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:-40])
    for name in ("text.png", "empty.jpg", "cut.png", "missing.png", "."):
        with pytest.raises(ImageError) as caught:
            images.read(tmp_path / name)
        assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_too_many_pixels_are_refused_unread(tmp_path):
    path = _save(tmp_path, Image.new("1", (20_000, 6_000)), "huge.png")
    with pytest.raises(ImageError, match="over 100 megapixels"):
        images.read(path)


def test_writing_is_all_or_nothing(tmp_path):
    path = tmp_path / "x.png"
    images.write(path, Picture(RGB))
    before = path.read_bytes()
    with pytest.raises(ImageError):
        images.write(tmp_path / "x.unknown", Picture(RGB))
    with pytest.raises(ImageError, match="No such file"):
        images.write(tmp_path / "no" / "x.png", Picture(RGB))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_find_looks_into_subfolders(tmp_path):
    (tmp_path / "sub").mkdir()
    images.write(tmp_path / "sub" / "b.png", Picture(RGB))
    images.write(tmp_path / "a.png", Picture(RGB))
    (tmp_path / "notes.txt").write_text("x")
    assert [p.name for p in images.find(tmp_path)] == ["a.png", "b.png"]


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_comments_travel_in_the_file(photo, tmp_path, codec):
    path = tmp_path / "a"
    path.write_bytes(classic.encode(photo, codec, 80, comment="one two 3"))
    assert images.comment_of(path) == "one two 3"
    path.write_bytes(classic.encode(photo, codec, 80))
    assert images.comment_of(path) is None
    path.write_bytes(b"no image")
    assert images.comment_of(path) is None
    assert images.comment_of(tmp_path / "missing") is None


def test_comments_of_others_are_bounded_and_printable(photo, tmp_path):
    path = tmp_path / "a.jpg"
    for text, expected in (("x" * 201, None), ("x" * 200, "x" * 200), ("a\nb", None)):
        path.write_bytes(classic.encode(photo, "jpeg", 80, comment=text))
        assert images.comment_of(path) == expected


def test_what_a_format_cannot_hold_is_refused_or_told(tmp_path):
    for name in ("x.jpg", "x.bmp"):
        with pytest.raises(ImageError, match=rf"{name}: \w+ holds no transparency"):
            images.write(tmp_path / name, Picture(RGB, RGB[..., 0]))
    notes = images.write(tmp_path / "x.bmp", Picture(RGB, icc=b"profile"))
    assert "profile" in notes[0]
    for name in ("x.gif", "x.pdf", "x.eps", "x.jxl", "x"):
        with pytest.raises(ImageError, match="cannot write"):
            images.write(tmp_path / name, Picture(RGB))
    with pytest.raises(ImageError, match=r"x\.jpg: JPEG holds no colour profile of"):
        images.write(tmp_path / "x.jpg", Picture(RGB, icc=bytes(255 * 65_519 + 1)))
    longest = bytes(16) + b"RGB " + bytes(255 * 65_519 - 20)
    images.write(tmp_path / "x.jpg", Picture(RGB, icc=longest))
    assert images.read(tmp_path / "x.jpg").icc == longest


def test_a_profile_that_is_not_of_rgb_is_told(tmp_path):
    path = _save(tmp_path, Image.fromarray(RGB), "i.png", icc_profile=bytes(16) + b"GRAY")
    picture = images.read(path)
    assert picture.icc is None and "colour profile" in picture.notes[0]


def test_bytes_are_read_as_files_are(tmp_path):
    path = _save(tmp_path, Image.fromarray(RGB), "x.tiff", compression="tiff_lzw")
    for source in (path, str(path), path.read_bytes()):
        np.testing.assert_array_equal(images.read(source).rgb, RGB)
    with pytest.raises(ImageError, match=r"^not an image"):
        images.read(b"nothing")


def test_threads_read_at_the_same_time(tmp_path):
    """Nothing that they share is changed: neither warnings nor limits nor the umask."""
    suffixes = ("png", "jpg", "webp", "tiff", "bmp")
    rgb = np.repeat(np.repeat(RGB, 20, 0), 20, 1)
    for suffix in suffixes:
        images.write(tmp_path / f"x.{suffix}", Picture(rgb))
    alone = {suffix: images.read(tmp_path / f"x.{suffix}").rgb for suffix in suffixes}

    def work(number):
        suffix = suffixes[number % 5]
        images.write(tmp_path / f"{number}.png", images.read(tmp_path / f"x.{suffix}"))
        return suffix, images.read(tmp_path / f"{number}.png").rgb

    before = warnings.filters[:], Image.MAX_IMAGE_PIXELS
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for suffix, pixels in pool.map(work, range(80)):
            np.testing.assert_array_equal(pixels, alone[suffix])
    assert before == (warnings.filters[:], Image.MAX_IMAGE_PIXELS)


def test_files_that_are_read_whole_are_bounded(tmp_path, monkeypatch):
    for suffix in ("png", "tiff"):
        images.write(tmp_path / f"x.{suffix}", Picture(RGB))
    monkeypatch.setattr(disk, "MAX_BYTES", 60)
    with pytest.raises(ImageError, match=r"x\.png: is larger than 1 GiB"):
        images.read(tmp_path / "x.png")
    assert images.read(tmp_path / "x.tiff").rgb.shape == RGB.shape


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((2, 2), 70_000, np.int32),
        np.full((2, 2), -1, np.int32),
        np.full((2, 2), 0.5, np.float32),
    ],
)
def test_numbers_of_unknown_range_are_refused(tmp_path, pixels):
    path = _save(tmp_path, Image.fromarray(pixels), "x.tiff")
    with pytest.raises(ImageError, match=r"x\.tiff: has .* range is not known"):
        images.read(path)


def test_numbers_of_16_bits_in_32_are_reduced(tmp_path):
    picture = images.read(
        _save(tmp_path, Image.fromarray(np.full((2, 2), 0x4D01, np.int32)), "x.tiff")
    )
    assert (picture.rgb == 0x4D).all() and "16 to 8 bits" in picture.notes[0]


def test_cmyk_goes_through_its_profile_if_that_is_one(tmp_path):
    path = _save(tmp_path, Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "c.jpg", icc_profile=b"no")
    picture = images.read(path)
    assert picture.icc is None and picture.rgb.min() > 250


def test_damaged_metadata_are_no_metadata(tmp_path, monkeypatch):
    path = _save(tmp_path, Image.fromarray(RGB), "x.jpg")

    def damaged(self):
        raise KeyError("exif")

    monkeypatch.setattr(Image.Image, "getexif", damaged)
    assert images.comment_of(path) is None


def test_errors_name_the_object_that_bytes_are_of():
    name, broken = "s3://bucket/a", b"\x89PNG\r\n\x1a\n" + bytes(30)
    for data, text in ((b"nothing", "not an image"), (broken, "damaged")):
        with pytest.raises(ImageError, match=f"{name}: {text}"):
            images.read(data, name=name)
    with pytest.raises(ImageError, match=r"^not an image"):
        images.read(b"nothing")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff", ".bmp"])
def test_a_caption_stays_with_the_picture(tmp_path, photo, suffix):
    from PIL import ExifTags, Image

    path, said = tmp_path / f"a{suffix}", "jaxlic: level 3 of 10, detail drawn"
    icc = None if suffix == ".bmp" else bytes(16) + b"RGB " + bytes(180)
    notes = images.write(path, images.Picture(photo[:20, :30], icc=icc, text=said))
    with Image.open(path) as image:
        in_exif = image.getexif().get(ExifTags.Base.ImageDescription)
        found = image.info.get("Description") or in_exif
        assert image.info.get("icc_profile") == icc
    if suffix == ".bmp":
        assert found is None and notes == (f"BMP holds no caption, which says: {said}",)
    else:
        assert found == said and notes == ()
    back = images.read(path)  # A caption is no comment of a thumbnail.
    assert back.comment is None and back.rgb.shape == (20, 30, 3)
