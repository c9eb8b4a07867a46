"""The size of an image from its first bytes."""

import io
import pathlib

import pytest
from PIL import Image

from jaxlic.errors import ImageError
from jaxlic.files import head, images

CORPUS = sorted((pathlib.Path(__file__).parent.parent / "corpus" / "images").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_sizes_are_those_of_the_pixels(path):
    if path.suffix == ".jxl":
        pytest.importorskip("imagecodecs")
    data = path.read_bytes()
    try:
        expected = images.read(data).rgb.shape[:2]
    except ImageError:
        pytest.skip("no image")
    assert head.size(data) == expected


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "BMP", "WEBP"])
def test_a_part_of_a_file_is_enough(photo, format_):
    out = io.BytesIO()
    Image.fromarray(photo).save(out, format_, quality=95)
    assert head.size(out.getvalue()[: len(out.getvalue()) // 3]) == photo.shape[:2]


def test_turned_images_are_upright(photo):
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(photo).save(out, "JPEG", exif=exif)
    assert head.size(out.getvalue()[:5000]) == photo.shape[1::-1]
    assert images.read(out.getvalue()).rgb.shape[:2] == photo.shape[1::-1]


def test_what_is_no_image_has_no_size():
    for data in (b"", b"nothing", b"\x89PNG\r\n\x1a\n" + bytes(40), b"\xff\xd8\xff" + bytes(9)):
        assert head.size(data) is None
