"""Bytes from outside are hostile: nothing but BitstreamError or an image, ever."""

import dataclasses
import time

import numpy as np
import pytest

import jaxlic
from jaxlic.files import bitstream


@pytest.fixture(scope="module")
def case(photo):
    codec = jaxlic.load("base")
    return codec, codec.compress(photo[:64, :64], quality=60)


def _decode(codec, data):
    """True if `data` decodes to an image; any exception but BitstreamError escapes."""
    try:
        image = codec.decompress(data)
    except jaxlic.BitstreamError as error:
        assert str(error) and "\n" not in str(error)
        return False
    assert image.dtype == np.uint8 and image.ndim == 3
    return True


def test_ten_thousand_mutations_and_truncations_are_noticed(case):
    codec, data = case
    rng = np.random.default_rng(0)
    for i in range(10_000):
        broken = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            broken[rng.integers(len(broken))] = rng.integers(256)
        if i % 4 == 0:
            del broken[rng.integers(len(broken)) :]
        if bytes(broken) != data:
            assert not _decode(codec, bytes(broken))


def test_files_with_forged_checksums_neither_crash_nor_hang(case):
    """What an attacker can do: damage the coded data and seal it again."""
    codec, data = case
    file = bitstream.unpack(data)
    assert _decode(codec, bitstream.pack(file))
    rng = np.random.default_rng(1)
    began = time.monotonic()
    for i in range(200):
        segment = bytearray(file.payloads[0][0])
        for _ in range(rng.integers(1, 6)):
            segment[rng.integers(len(segment))] = rng.integers(256)
        if i % 3 == 0:
            del segment[rng.integers(len(segment)) :]
        if i % 5 == 0:
            segment = bytearray(rng.bytes(rng.integers(0, 400)))
        forged = dataclasses.replace(file, payloads=((bytes(segment),),))
        _decode(codec, bitstream.pack(forged))
    assert time.monotonic() - began < 120


@pytest.mark.parametrize(
    ("height", "width"), [(9_000, 11_000), (1 << 20, 1), (64, 1 << 20), (2_000, 2_000)]
)
def test_a_forged_geometry_is_noticed_before_memory_is_taken(case, height, width):
    codec, data = case
    file = bitstream.unpack(data)
    header = dataclasses.replace(file.header, height=height, width=width)
    forged = bitstream.pack(dataclasses.replace(file, header=header))
    began = time.monotonic()
    assert not _decode(codec, forged)
    assert time.monotonic() - began < 1


def test_a_forged_alpha_plane_is_noticed(case):
    codec, data = case
    file = bitstream.unpack(data)
    for alpha in (b"", b"\x89PNG\r\n\x1a\n" + bytes(50)):
        assert not _decode(codec, bitstream.pack(dataclasses.replace(file, alpha=alpha)))
