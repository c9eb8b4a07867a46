"""JPEG XL: sizes before libjxl, alpha and depth kept or told."""

import numpy as np
import pytest

from jaxlic.errors import ImageError
from jaxlic.files import images, jxl
from jaxlic.files.jxl import Header

imagecodecs = pytest.importorskip("imagecodecs")
RGBA = np.random.default_rng(0).integers(0, 256, (9, 7, 4)).astype(np.uint8)


def _bits(*fields):
    """(value, bits) pairs, the lowest bit first, behind a codestream's magic."""
    value = shift = 0
    for number, bits in fields:
        value |= number << shift
        shift += bits
    return jxl.CODESTREAM + value.to_bytes(shift // 8 + 1, "little")


def _encode(pixels, **options):
    return imagecodecs.jpegxl_encode(pixels, lossless=True, **options)


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (256, 8), (333, 222), (90, 160), (16, 9), (600, 1)])
def test_sizes_are_those_that_the_encoder_wrote(shape, container):
    data = _encode(np.zeros((*shape, 3), np.uint8), usecontainer=container)
    assert (jxl.header(data).height, jxl.header(data).width) == shape


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (RGBA, Header(7, 9, extra=1)),
        (RGBA[..., :2].copy(), Header(7, 9, extra=1)),
        (RGBA[..., :3].copy(), Header(7, 9)),
        (np.stack([RGBA[..., 0]] * 3)[..., None], Header(7, 9, animated=True)),
        (RGBA[..., :3].astype(np.uint16), Header(7, 9, bits=16, srgb=False)),
        (RGBA[..., :3].astype(np.float32), Header(7, 9, bits=32, srgb=False)),
    ],
    ids=["rgba", "grey-alpha", "rgb", "frames", "16", "float"],
)
def test_headers_say_what_was_encoded(pixels, expected):
    assert jxl.header(_encode(pixels)) == expected


def test_colours_and_rare_fields_are_read_over():
    size = [(1, 1), (0, 5), (1, 3)]  # 8x8.
    rare = [
        (0, 1),  # Not all as usual.
        *((1, 1), (0, 3), (1, 1), *size),  # Orientation, intrinsic size,
        *((1, 1), (1, 1), (0, 2), (1, 3)),  # a preview,
        *((1, 1), (0, 2), (0, 2), (0, 2), (0, 1)),  # animation.
        *((0, 1), (0, 2), (1, 1)),  # 8 bits.
        (2, 2),
        (0, 4),  # Two extra channels: a spot colour, then alpha, multiplied.
        *((0, 1), (2, 2), (0, 4), (0, 1), (0, 2), (0, 2), (1, 2), (2, 4), (0, 16), (0, 64)),
        *((0, 1), (0, 2), (0, 1), (0, 2), (0, 2), (0, 2), (1, 1)),
        (1, 1),  # XYB.
    ]
    profile = [(0, 1), (1, 1), (0, 2)]
    custom = [(0, 1), (0, 1), (0, 2), (2, 2), (0, 4), *[(0, 21)] * 2, (2, 2), (0, 4)]
    custom += [*[(0, 21)] * 6, (1, 1), (5, 24)]
    usual = [(1, 1)]
    found = [jxl.header(_bits(*size, *rare, *c)) for c in (profile, custom, usual)]
    assert [(f.width, f.height, f.extra, f.premultiplied) for f in found] == [
        (8, 8, 2, True)
    ] * 3
    assert [(f.profile, f.srgb) for f in found] == [
        (True, False),
        (False, False),
        (False, True),
    ]


@pytest.mark.parametrize("boxed", [False, True])
def test_a_size_is_checked_before_libjxl_takes_memory(monkeypatch, boxed):
    data = _bits((0, 1), (3, 2), (20_000, 30), (1, 3), (1, 1))
    if boxed:  # In two parts, each behind its number.
        data = b"".join(
            (len(part) + 12).to_bytes(4, "big") + b"jxlp" + bytes(4) + part
            for part in (data[:3], data[3:])
        )
        data = jxl.CONTAINER + b"\0\0\0\x14ftypjxl \0\0\0\0jxl " + data
    monkeypatch.setattr(jxl, "decode", None)
    with pytest.raises(ImageError, match="20001x20001 pixels is over 100 megapixels"):
        images.read(data)


def test_many_channels_are_refused(monkeypatch):
    fields = [
        (1, 1),
        (0, 5),
        (1, 3),
        (0, 1),
        (0, 1),
        (0, 1),
        (0, 2),
        (1, 1),
        (3, 2),
        (4000, 12),
    ]
    monkeypatch.setattr(jxl, "decode", None)
    with pytest.raises(ImageError, match="4001 channels"):
        images.read(_bits(*fields))


def test_alpha_is_kept():
    picture = images.read(_encode(RGBA))
    np.testing.assert_array_equal(picture.rgb, RGBA[..., :3])
    np.testing.assert_array_equal(picture.alpha, RGBA[..., 3])
    grey = images.read(_encode(RGBA[..., :2].copy()))
    np.testing.assert_array_equal(grey.rgb, RGBA[..., :1].repeat(3, -1))
    np.testing.assert_array_equal(grey.alpha, RGBA[..., 1])
    opaque = RGBA.copy()
    opaque[..., 3] = 255
    assert images.read(_encode(opaque)).alpha is None


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_deep_samples_are_reduced_and_it_is_said(bits):
    deep = RGBA[..., :3].astype(np.uint16) << (bits - 8)
    picture = images.read(_encode(deep, bitspersample=bits))
    np.testing.assert_array_equal(picture.rgb, RGBA[..., :3])
    assert f"from {bits} to 8 bits" in picture.notes[0] and "not sRGB" in picture.notes[1]


def test_floats_and_frames_are_told():
    picture = images.read(_encode(RGBA[..., :3] / np.float32(255)))
    np.testing.assert_array_equal(picture.rgb, RGBA[..., :3])
    assert "from 32 to 8 bits" in picture.notes[0]
    frames = np.stack([RGBA[..., :3], RGBA[..., 1:]])
    picture = images.read(_encode(frames))
    np.testing.assert_array_equal(picture.rgb, RGBA[..., :3])
    assert "first of its frames" in picture.notes[0]


def test_a_lost_profile_is_told_and_multiplied_colours_are_divided(monkeypatch):
    head = Header(7, 9, extra=1, premultiplied=True, profile=True)
    monkeypatch.setattr(jxl, "header", lambda data: head)
    alpha = np.maximum(RGBA[..., 3:], 128).astype(np.uint16)
    multiplied = ((RGBA[..., :3] * alpha + 127) // 255).astype(np.uint8)
    picture = images.read(_encode(np.dstack([multiplied, alpha.astype(np.uint8)])))
    assert np.abs(picture.rgb.astype(int) - RGBA[..., :3]).max() <= 1
    assert "colour profile" in picture.notes[0]


def test_damage_is_one_kind_of_error(monkeypatch):
    data = _encode(RGBA)
    for broken in (
        data[:4],
        data[:40],
        data[:20] + bytes(60),
        jxl.CONTAINER,
        jxl.CONTAINER * 2,
    ):
        with pytest.raises(ImageError):
            images.read(broken)
    huge = jxl.CONTAINER + b"\0\0\0\1jxlc" + bytes(8) + data
    with pytest.raises(ImageError, match="impossible size"):
        images.read(huge)


def test_without_imagecodecs_the_file_is_named(monkeypatch, tmp_path):
    (tmp_path / "a.jxl").write_bytes(_encode(RGBA))
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    with pytest.raises(ImageError, match=r"a\.jxl: JPEG XL needs `pip install imagecodecs`"):
        images.read(tmp_path / "a.jxl")
