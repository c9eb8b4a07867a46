"""What is opened is on a list, its size is known first, and no program is started."""

import io
import struct
import subprocess
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, features

from jaxlic.errors import ImageError
from jaxlic.files import classic, images, opening

RGB = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)


def _bytes(format_, image=None, **options):
    out = io.BytesIO()
    (image or Image.fromarray(RGB)).save(out, format_, **options)
    return out.getvalue()


def _tiff(tags, pages=1):
    """A little-endian TIFF of `pages` equal directories, without pixels."""
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    size, out = 2 + len(entries) + 4, [b"II*\0\x08\0\0\0"]
    for page in range(pages):
        following = 8 + (page + 1) * size if page + 1 < pages else 0
        out.append(struct.pack("<H", len(tags)) + entries + struct.pack("<I", following))
    return b"".join(out)


def _chunk(name, body):
    crc = zlib.crc32(name + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + name + body + crc


def _grey(width, height, **more):
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height}
    tags[279] = width * height
    return sorted((tags | {int(k[1:]): v for k, v in more.items()}).items())


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_kinds_are_told_by_content(format_, tmp_path):
    data = _bytes(format_)
    assert opening.kind(data[:16]) == format_
    (tmp_path / "named.png").write_bytes(data)
    assert images.read(tmp_path / "named.png").rgb.shape == RGB.shape


@pytest.mark.parametrize(
    "format_", ["GIF", "ICNS", "ICO", "JPEG2000", "PPM", "TGA", "PCX", "AVIF"]
)
def test_nothing_else_is_opened(format_, tmp_path):
    image = Image.fromarray(RGB).resize((16, 16))
    if format_ == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow cannot write it")
    (tmp_path / "named.png").write_bytes(_bytes(format_, image))
    with pytest.raises(ImageError, match=r"named\.png: not an image that can be read \(PNG"):
        images.read(tmp_path / "named.png")


def test_postscript_starts_no_program(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(a))
    monkeypatch.setattr("os.system", started.append)
    (tmp_path / "a.png").write_bytes(_bytes("EPS"))
    with pytest.raises(ImageError, match="not an image"):
        images.read(tmp_path / "a.png")
    assert images.comment_of(tmp_path / "a.png") is None
    with pytest.raises(ImageError, match="cannot write"):
        images.write(tmp_path / "b.eps", images.Picture(RGB))
    assert not started


HUGE = {
    "png": b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", b""),
    "jpeg": b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", 20_000, 20_000) + b"\3"
    b"\1\x11\0\2\x11\0\3\x11\0\xff\xda\0\x0c\3\1\0\2\0\3\0\0\x3f\0",
    "webp lossy": b"RIFF\x20\0\0\0WEBPVP8 \x14\0\0\0\x10\0\0\x9d\1\x2a"
    + struct.pack("<HH", 16_383, 16_383) + bytes(10),
    "webp lossless": b"RIFF\x20\0\0\0WEBPVP8L\x14\0\0\0\x2f"
    + struct.pack("<I", 16_382 | 16_382 << 14) + bytes(15),
    "webp extended": b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"
    + (b"\xff\x3f\0" * 2) + bytes(10),
    "tiff": _tiff(_grey(20_000, 20_000)),
    "bmp": b"BM"
    + struct.pack("<IIIIiiHH", 70, 0, 54, 40, 20_000, 20_000, 1, 24)
    + bytes(24),
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_sizes_are_checked_before_pixels(name, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    monkeypatch.setattr(Image.core, "new", None)
    monkeypatch.setattr("PIL._webp.WebPAnimDecoder", None)
    with pytest.raises(ImageError, match=r"an image of \d+x\d+ pixels is over 100 megapixels"):
        images.read(HUGE[name])


def test_large_tiles_of_small_images_are_refused():
    tags = _grey(8, 8, _322=65_536, _323=65_536, _324=8, _325=8)
    with pytest.raises(ImageError, match="65536x65536"):
        images.read(_tiff(tags))


def test_webp_without_a_header_is_damaged():
    for data in (
        b"RIFF\x20\0\0\0WEBP",
        b"RIFF\x20\0\0\0WEBPVP8 ",
        b"RIFF\x20\0\0\0WEBPXXXX" + bytes(30),
    ):
        with pytest.raises(ImageError, match="damaged"):
            images.read(data + b"\0\0\0\0")


def test_a_limit_of_ones_own():
    for format_ in ("PNG", "JPEG", "WEBP", "TIFF", "BMP"):
        data = _bytes(format_)
        assert images.read(data, max_pixels=63).rgb.shape == RGB.shape
        with pytest.raises(ImageError, match="7x9 pixels is over 62 pixels"):
            images.read(data, max_pixels=62)


def test_pages_are_not_counted():
    data = _tiff(_grey(1, 1), pages=100_000)
    began = time.monotonic()
    assert images.read(data).notes == ("only the first of its frames is kept",)
    assert time.monotonic() - began < 1
    assert images.read(_tiff(_grey(1, 1))).notes == ()


def test_several_pictures_in_a_jpeg_are_told():
    two = _bytes("MPO", save_all=True, append_images=[Image.fromarray(RGB)])
    assert opening.kind(two) == "JPEG"
    assert images.read(two).notes == ("only the first of its frames is kept",)


def test_no_limit_and_no_warning_of_pillows_is_in_the_way(monkeypatch):
    """Nor is one of them changed: other threads may use Pillow too."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        for format_ in ("PNG", "JPEG", "TIFF", "BMP"):
            assert images.read(_bytes(format_)).rgb.shape == RGB.shape
        assert classic.decode_grey(classic.encode_grey(RGB[..., 0]), (9, 7)).shape == (9, 7)
        assert warnings.filters == before
    assert Image.MAX_IMAGE_PIXELS == 40


def test_unknown_plugins_are_a_bug():
    with pytest.raises(ValueError, match="no plug-in"):
        opening.opened(io.BytesIO(b""), "EPS")
