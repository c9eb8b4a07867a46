import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from jaxlic.files import exif

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


@pytest.mark.parametrize("number", range(1, 9))
def test_pixels_are_turned_as_pillow_turns_them_and_back(number):
    image = Image.fromarray(PIXELS)
    image.getexif()[0x0112] = number
    assert exif.orientation(image) == number
    shown = exif.oriented(PIXELS, number)
    np.testing.assert_array_equal(shown, np.asarray(ImageOps.exif_transpose(image)))
    np.testing.assert_array_equal(exif.undone(shown, number), PIXELS)
    assert shown.flags.c_contiguous


@pytest.mark.parametrize("number", [0, 9, "6", None, (6, 6)])
def test_an_orientation_that_means_nothing_is_upright(number):
    class Odd:
        def getexif(self):
            return {0x0112: number}

    assert exif.orientation(Odd()) == exif.UPRIGHT


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (b"ASCII\0\0\0made here", "made here"),
        (b"\0\0\0\0\0\0\0\0made here\n", "made here"),
        (b"made here\0\0 ", "made here"),
        (b"ASCII\0\0\0" + b"a" * 201, None),
        (b"ASCII\0\0\0a\x01b", None),
        (b"ASCII\0\0\0", None),
    ],
)
def test_comments_are_read_as_programs_write_them(stored, text):
    metadata, out = Image.Exif(), io.BytesIO()
    metadata.get_ifd(exif.EXIF_IFD)[exif.USER_COMMENT] = stored
    Image.fromarray(PIXELS).save(out, "JPEG", exif=metadata)
    with Image.open(out) as image:
        assert exif.comment(image) == text


def test_damaged_metadata_are_none():
    class Broken:
        def getexif(self):
            raise SyntaxError("not an EXIF file")

    assert exif.comment(Broken()) is None and exif.orientation(Broken()) == exif.UPRIGHT
