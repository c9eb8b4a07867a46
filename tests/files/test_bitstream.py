import dataclasses
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlic.errors import BitstreamError, Error
from jaxlic.files.bitstream import MAX_ICC, File, Header, deflate, pack, profile, unpack

HEADER = Header(1, b"abcd", 4000, 512, 768, 0)
FILE = File(HEADER, ((b"payload" * 9,),))
LAYERED = File(
    dataclasses.replace(HEADER, tiles=2, levels=3),
    ((b"a" * 9, b"bb", b""), (b"ccc", b"d", b"eeeee")),
    b"alpha",
    b"profile",
)


@st.composite
def files(draw):
    """Any file of version 1 or 2."""
    version = draw(st.sampled_from([1, 2]))
    tiles, levels = draw(st.integers(1, 4)), draw(st.integers(1, 4)) if version > 1 else 1
    height, width = draw(st.integers(1, 9000)), draw(st.integers(1, 9000))
    if version == 1:
        tiles = -(-height // 1024) * -(-width // 1024)
    header = Header(
        draw(st.integers(0, 255)),
        draw(st.binary(min_size=4, max_size=4)),
        draw(st.integers(100, 10000)),
        height,
        width,
        draw(st.integers(0, 1)),
        tiles,
        levels,
        draw(st.booleans()) if version > 1 else True,
        version,
        draw(st.booleans()) if version > 1 else False,
    )
    payload = st.binary(max_size=40)
    payloads = tuple(tuple(draw(payload) for _ in range(levels)) for _ in range(tiles))
    return File(header, payloads, draw(st.none() | payload), draw(st.none() | payload))


@given(files())
def test_what_is_packed_is_unpacked(file):
    assert dataclasses.replace(unpack(pack(file)), header_size=0) == file


def test_overhead_of_a_plain_file_is_at_most_24_bytes():
    payload = bytes(70_000)
    assert len(pack(File(HEADER, ((payload,),)))) - len(payload) <= 24


@pytest.mark.parametrize("file", [FILE, LAYERED], ids=["plain", "layered"])
def test_every_single_bit_is_protected(file):
    data = pack(file)
    whole = unpack(data)
    for i in range(8 * len(data)):
        broken = bytearray(data)
        broken[i // 8] ^= 1 << i % 8
        try:
            found = unpack(bytes(broken))
        except BitstreamError:
            continue
        # A length that was made longer looks like a cut: then nothing wrong is in what is left.
        assert found.missing
        for tile, original in zip(found.payloads, whole.payloads, strict=True):
            assert tile == original[: len(tile)]


def test_every_cut_of_a_plain_file_is_noticed():
    data = pack(dataclasses.replace(FILE, alpha=b"alpha", icc=b"profile"))
    for end in range(len(data)):
        with pytest.raises(BitstreamError):
            unpack(data[:end])


def test_a_cut_file_keeps_the_levels_that_are_whole():
    data, counts = pack(LAYERED), []
    for end in range(3, len(data)):
        try:
            file = unpack(data[:end])
        except BitstreamError as error:
            assert not counts and "cut off" in str(error)
            continue
        assert (file.alpha, file.icc) == (b"alpha", b"profile")
        for tile, whole in zip(file.payloads, LAYERED.payloads, strict=True):
            assert tile == whole[: len(tile)] and tile
        counts.append(sum(map(len, file.payloads)))
        assert file.missing == 6 - counts[-1]
    assert sorted(set(counts)) == [2, 3, 4, 5] and counts == sorted(counts)


def test_exchanged_tiles_are_noticed():
    header = dataclasses.replace(HEADER, tiles=2)
    data = pack(File(header, ((b"first-tile",), (b"other-tile",))))
    a, b = data[-30:-15], data[-15:]
    with pytest.raises(BitstreamError, match="checksum"):
        unpack(data[:-30] + b + a)


def test_junk_at_the_end_is_noticed():
    with pytest.raises(BitstreamError, match="3 bytes follow"):
        unpack(pack(FILE) + b"abc")


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_garbage_is_a_bitstream_error(data):
    for prefix in (b"", b"JLC\x10", b"JLC\x20", pack(FILE)[:15]):
        with pytest.raises(BitstreamError):
            unpack(prefix + data)


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (1 << 21, 1), (20_000, 20_000)])
def test_implausible_geometry_is_refused_before_anything_else(height, width):
    with pytest.raises(ValueError, match=r"plausible|megapixels"):
        pack(
            dataclasses.replace(
                FILE, header=dataclasses.replace(HEADER, height=height, width=width)
            )
        )


def test_a_number_of_tiles_that_cannot_be_there_takes_no_memory():
    data = pack(FILE)
    header = unpack(data).header_size
    many = data[: header - 2] + b"\xff\xff\xff\xff\x40" + data[header - 1 :]
    with pytest.raises(BitstreamError, match="tiles were announced"):
        unpack(many)


def test_payloads_that_do_not_fit_the_header_are_not_written():
    with pytest.raises(ValueError, match="announced"):
        pack(dataclasses.replace(FILE, payloads=FILE.payloads * 2))


@pytest.mark.parametrize("size", [1, 1000, MAX_ICC])
def test_profiles_come_back(size):
    icc = bytes(range(256)) * (size // 256) + bytes(size % 256)
    file = dataclasses.replace(FILE, icc=deflate(icc))
    assert profile(unpack(pack(file))) == icc


def test_a_profile_that_could_not_be_read_is_not_written():
    with pytest.raises(Error, match="16 MiB"):
        deflate(bytes(MAX_ICC + 1))


@pytest.mark.parametrize(
    "icc", [zlib.compress(bytes(1 << 25)), b"x", zlib.compress(b"x") + b"y"]
)
def test_a_profile_that_would_explode_or_is_damaged_is_refused(icc):
    file = unpack(pack(dataclasses.replace(FILE, icc=icc)))
    with pytest.raises(BitstreamError, match="profile"):
        profile(file)


def test_a_newer_version_is_named():
    data = bytearray(pack(FILE))
    data[3] = 0x30
    with pytest.raises(BitstreamError, match="version 3"):
        unpack(bytes(data))
