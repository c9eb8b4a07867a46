"""PNG files with more metadata than Pillow takes are read all the same."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from jaxlic.errors import ImageError
from jaxlic.files import images, png

RGB = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)


def _png(**options):
    out = io.BytesIO()
    Image.fromarray(RGB).save(out, "PNG", **options)
    return out.getvalue()


def _with(name, body, *, broken=False):
    """A PNG with a chunk more after its header."""
    data, crc = _png(), zlib.crc32(name + body) ^ broken
    chunk = len(body).to_bytes(4, "big") + name + body + crc.to_bytes(4, "big")
    return data[:33] + chunk + data[33:]


def _profile(size):
    return b"\0" * 16 + b"RGB " + b"\0" * (size - 20)


def test_ordinary_files_are_left_to_pillow():
    file = io.BytesIO(_png(icc_profile=_profile(1 << 20)))
    assert png.prepare(file) == png.Prepared(file)


@pytest.mark.parametrize("size", [(1 << 20) + 1, 2_000_000, 1 << 24])
def test_profiles_that_pillow_refuses_are_read(size):
    picture = images.read(_png(icc_profile=_profile(size)))
    assert picture.icc == _profile(size) and picture.notes == ()
    np.testing.assert_array_equal(picture.rgb, RGB)


def test_a_profile_over_16_mib_is_ignored_and_it_is_said():
    picture = images.read(_png(icc_profile=_profile((1 << 24) + 1)))
    assert picture.icc is None and "16 MiB" in picture.notes[0]
    np.testing.assert_array_equal(picture.rgb, RGB)


@pytest.mark.parametrize("compressed", [False, True])
def test_long_texts_are_passed_over(compressed):
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "x" * 2_000_000, zip=compressed)
    info.add_text("Comment", "x" * 2_000_000, zip=compressed)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = images.read(_png(pnginfo=info, exif=exif))
    np.testing.assert_array_equal(picture.rgb, np.rot90(RGB, -1))


def test_damaged_chunks_are_no_worse_than_before():
    body = b"icc\0\0" + zlib.compress(bytes(2_000_000))
    with pytest.raises(ImageError, match="checksum"):
        images.read(_with(b"iCCP", body, broken=True))
    for name, body in ((b"iCCP", b"icc\0\0nothing"), (b"iTXt", b"\0"), (b"zTXt", b"")):
        with pytest.raises(ImageError):
            images.read(_with(name, body, broken=True))
    with pytest.raises(ImageError):
        images.read(_with(b"zTXt", b"a\0\0" + zlib.compress(bytes(2_000_000)))[:60])
