import dataclasses
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlic.bitstream import BitstreamError, File, Header, pack, unpack

HEADER = Header(1, b"abcd", 4000, 512, 768, 0)
FILE = File(HEADER, (b"payload" * 9,))


def _one(height, width):
    return 1


@given(
    st.integers(0, 255),
    st.binary(min_size=4, max_size=4),
    st.integers(100, 10000),
    st.integers(1, 9000),
    st.integers(1, 9000),
    st.integers(0, 3),
    st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    st.none() | st.binary(max_size=50),
    st.none() | st.binary(min_size=1, max_size=300),
)
def test_what_is_packed_is_unpacked(
    model, mark, quality, height, width, coder, parts, alpha, icc
):
    header = Header(model, mark, quality, height, width, coder)
    file = File(header, tuple(parts), alpha, icc)
    back = unpack(pack(file), lambda h, w: len(parts))
    assert dataclasses.replace(back, header_size=0) == file


def test_overhead_of_a_plain_file_is_at_most_24_bytes():
    payload = bytes(70_000)
    assert len(pack(File(HEADER, (payload,)))) - len(payload) <= 24


def test_every_single_bit_is_protected():
    data = pack(FILE)
    for i in range(8 * len(data)):
        broken = bytearray(data)
        broken[i // 8] ^= 1 << i % 8
        with pytest.raises(BitstreamError):
            unpack(bytes(broken), _one)


def test_every_truncation_is_noticed():
    data = pack(dataclasses.replace(FILE, alpha=b"alpha", icc=b"profile"))
    for end in range(len(data)):
        with pytest.raises(BitstreamError):
            unpack(data[:end], _one)


def test_exchanged_tiles_are_noticed():
    file = File(HEADER, (b"first-tile", b"other-tile"))
    data = pack(file)
    a, b = data[-30:-15], data[-15:]
    with pytest.raises(BitstreamError, match="checksum"):
        unpack(data[:-30] + b + a, lambda h, w: 2)


def test_junk_at_the_end_is_noticed():
    with pytest.raises(BitstreamError, match="3 bytes follow"):
        unpack(pack(FILE) + b"abc", _one)


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_garbage_is_a_bitstream_error(data):
    for prefix in (b"", b"JLC\x10", pack(FILE)[:13]):
        with pytest.raises(BitstreamError):
            unpack(prefix + data, _one)


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (1 << 21, 1), (20_000, 20_000)])
def test_implausible_geometry_is_refused_before_anything_else(height, width):
    with pytest.raises(ValueError, match=r"plausible|megapixels"):
        pack(
            dataclasses.replace(
                FILE, header=dataclasses.replace(HEADER, height=height, width=width)
            )
        )


def test_a_profile_that_would_explode_is_refused():
    bomb = zlib.compress(bytes(1 << 25))
    data = pack(dataclasses.replace(FILE, icc=b"x"))
    small = zlib.compress(b"x", 9)
    head = data[: -len(small) - 5]
    header = data[:15]
    crc = zlib.crc32(bomb, zlib.crc32(header + (1).to_bytes(4, "little")))
    length = bytes([len(bomb) & 0x7F | 0x80, len(bomb) >> 7 & 0x7F | 0x80, len(bomb) >> 14])
    with pytest.raises(BitstreamError, match="profile"):
        unpack(head + length + crc.to_bytes(4, "little") + bomb, _one)


def test_a_newer_version_is_named():
    data = bytearray(pack(FILE))
    data[3] = 0x20
    with pytest.raises(BitstreamError, match="version 2"):
        unpack(bytes(data), _one)
