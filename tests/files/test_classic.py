import numpy as np
import pytest

from jaxlic.errors import ImageError
from jaxlic.files import classic

PLANE = np.random.default_rng(0).integers(0, 256, (9, 7)).astype(np.uint8)


def test_alpha_planes_round_trip_and_are_checked():
    data = classic.encode_grey(PLANE)
    np.testing.assert_array_equal(classic.decode_grey(data, (9, 7)), PLANE)
    with pytest.raises(ImageError, match="does not match"):
        classic.decode_grey(data, (9, 8))
    with pytest.raises(ImageError, match="damaged"):
        classic.decode_grey(b"nothing", (9, 7))


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_standard_codecs_lose_little_at_high_quality(photo, codec):
    data = classic.encode(photo, codec, 95)
    assert len(data) < photo.size / 2
    assert np.abs(classic.decode(data, codec).astype(int) - photo).mean() < 6


def test_fast_jpeg_has_the_same_pixels(photo):
    slow, fast = (classic.encode(photo, "jpeg", 70, fast=f) for f in (False, True))
    assert len(slow) < len(fast)
    np.testing.assert_array_equal(classic.decode(slow, "jpeg"), classic.decode(fast, "jpeg"))


def test_what_cannot_be_encoded_says_so(photo):
    with pytest.raises(ImageError, match="codecs are"):
        classic.encode(photo, "gif", 80)
    with pytest.raises(ImageError, match="16383 pixels a side"):
        classic.encode(np.zeros((1, 16_384, 3), np.uint8), "webp", 80)


def test_what_is_built_in_or_not(photo, monkeypatch):
    pytest.importorskip("imagecodecs")
    data = classic.encode(photo, "jxl", 90)
    assert np.abs(classic.decode(data, "jxl").astype(int) - photo).mean() < 6
    monkeypatch.setattr("PIL.Image.Image.save", _missing)
    with pytest.raises(ImageError, match="cannot write avif"):
        classic.encode(photo, "avif", 90)


def _missing(*args, **kwargs):
    raise KeyError("AVIF")


def test_profiles_that_are_too_long_for_jpeg_are_refused(photo):
    with pytest.raises(ImageError, match="JPEG holds no colour profile"):
        classic.encode(photo, "jpeg", 90, icc=bytes(1 << 24))
    data = classic.encode(photo, "webp", 90, icc=bytes(1000))
    assert len(data) > 1000


def test_every_codec_names_its_encoder_and_its_settings():
    for codec, (format_, settings) in classic.CODECS.items():
        if format_ == "JXL":
            pytest.importorskip("imagecodecs")
        words = classic.encoder(codec)
        assert str(settings) in words and any(c.isdigit() for c in words)


@pytest.mark.parametrize("codec", ["jpeg", "jpeg-progressive"])
def test_noise_of_more_bytes_than_pixels_is_written(codec):
    rng = np.random.default_rng(0)
    noise = 255 * rng.integers(0, 2, (600, 600, 3), np.uint8)
    data = classic.encode(noise, codec, 94)
    assert len(data) > 360_000
    np.testing.assert_array_equal(
        classic.decode(data, "jpeg"),
        classic.decode(classic.encode(noise, "jpeg", 94, fast=True), "jpeg"),
    )


def test_progressive_jpeg_has_the_same_pixels_in_scans(photo):
    plain, scans = (classic.encode(photo, c, 70) for c in ("jpeg", "jpeg-progressive"))
    assert b"\xff\xc2" in scans and b"\xff\xc2" not in plain[:1000]
    np.testing.assert_array_equal(classic.decode(plain, "jpeg"), classic.decode(scans, "jpeg"))
