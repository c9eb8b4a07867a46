"""The container of a `.jlic` file: what `docs/bitstream.md` says, in code.

Everything is checked before it is used and before memory is taken for it: magic, version,
plausible geometry, lengths against what is there, and a CRC-32 a segment that also covers
the header. Damage is one exception type.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable

MAGIC = b"JLC"
VERSION = 1
MAX_PIXELS = 100_000_000
MAX_SIDE = 1 << 20
QUALITY_STEPS = 100  # A quality is stored in hundredths.
_FINGERPRINT = 4
_FIXED = len(MAGIC) + 1 + 1 + _FINGERPRINT + 2
_ALPHA, _ICC = 1, 2
_MAX_ICC = 1 << 24


class BitstreamError(ValueError):
    """A file that cannot be decoded; the message says why in one line."""


@dataclasses.dataclass(frozen=True)
class Header:
    """What is needed before the first symbol.

    Attributes:
        model: number of the shipped model, 0 for one that has none.
        fingerprint: 4 bytes that name the parameters and tables.
        quality: in hundredths, 100 to 10000.
        height, width: in pixels.
        coder: number of the range coder.
    """

    model: int
    fingerprint: bytes
    quality: int
    height: int
    width: int
    coder: int


@dataclasses.dataclass(frozen=True)
class File:
    """A parsed file.

    Attributes:
        header: as above.
        segments: entropy-coded bytes, one item a tile.
        alpha: the alpha plane as a grey PNG, or None.
        icc: the ICC profile, or None.
        header_size: bytes of the header.
    """

    header: Header
    segments: tuple[bytes, ...]
    alpha: bytes | None = None
    icc: bytes | None = None
    header_size: int = 0


def pack(file: File) -> bytes:
    """The bytes of a file.

    Raises:
        ValueError: if a field of the header is out of range.
    """
    h = file.header
    if len(h.fingerprint) != _FINGERPRINT or not 0 <= h.model < 256 or not 0 <= h.coder < 4:
        raise ValueError(f"cannot store {h}")
    _check_geometry(h, ValueError)
    flags = (_ALPHA if file.alpha is not None else 0) | (_ICC if file.icc is not None else 0)
    header = b"".join(
        [
            MAGIC,
            bytes([VERSION << 4 | h.coder << 2 | flags, h.model]),
            h.fingerprint,
            h.quality.to_bytes(2, "little"),
            _varint(h.height),
            _varint(h.width),
        ]
    )
    payloads = list(file.segments)
    if file.alpha is not None:
        payloads.append(file.alpha)
    if file.icc is not None:
        payloads.append(zlib.compress(file.icc, 9))
    parts = [header]
    for number, payload in enumerate(payloads):
        crc = _checksum(header, number, payload)
        parts += [_varint(len(payload)), crc.to_bytes(4, "little"), payload]
    return b"".join(parts)


def unpack(data: bytes, count_segments: Callable[[int, int], int]) -> File:
    """Parses and verifies a file.

    Args:
        data: the whole file.
        count_segments: `(height, width) -> int`, how many tiles such an image has.

    Raises:
        BitstreamError: if anything is wrong with it.
    """
    header, flags, position = _parse_header(data)
    header_bytes, header_size = data[:position], position
    count = count_segments(header.height, header.width)
    extra = bool(flags & _ALPHA) + bool(flags & _ICC)
    payloads = []
    for number in range(count + extra):
        length, position = _read_varint(data, position)
        end = position + 4 + length
        if end > len(data):
            raise BitstreamError(f"the file is cut off: {end - len(data)} bytes are missing")
        payload = data[position + 4 : end]
        if _checksum(header_bytes, number, payload) != int.from_bytes(
            data[position : position + 4], "little"
        ):
            raise BitstreamError("the file is damaged: a checksum does not match")
        payloads.append(payload)
        position = end
    if position != len(data):
        raise BitstreamError(f"{len(data) - position} bytes follow the end of the image")
    rest = payloads[count:]
    alpha = rest.pop(0) if flags & _ALPHA else None
    icc = _inflate(rest.pop(0)) if flags & _ICC else None
    return File(header, tuple(payloads[:count]), alpha, icc, header_size)


def _parse_header(data: bytes) -> tuple[Header, int, int]:
    if data[: len(MAGIC)] != MAGIC:
        raise BitstreamError("not a .jlic file")
    if len(data) < _FIXED:
        raise BitstreamError("the file is cut off in its header")
    first = data[len(MAGIC)]
    if first >> 4 != VERSION:
        raise BitstreamError(f"format version {first >> 4} is not known to this release")
    model = data[4]
    fingerprint = bytes(data[5 : 5 + _FINGERPRINT])
    quality = int.from_bytes(data[_FIXED - 2 : _FIXED], "little")
    height, position = _read_varint(data, _FIXED)
    width, position = _read_varint(data, position)
    header = Header(model, fingerprint, quality, height, width, first >> 2 & 3)
    _check_geometry(header, BitstreamError)
    return header, first & 3, position


def _check_geometry(h: Header, error: type[Exception]) -> None:
    if not (1 <= h.height <= MAX_SIDE and 1 <= h.width <= MAX_SIDE):
        raise error(f"an image of {h.width}x{h.height} pixels is not plausible")
    if h.height * h.width > MAX_PIXELS:
        raise error(f"an image of {h.width}x{h.height} pixels is over 100 megapixels")
    if not QUALITY_STEPS <= h.quality <= 100 * QUALITY_STEPS:
        raise error(f"a quality of {h.quality / QUALITY_STEPS} is not in [1, 100]")


def _checksum(header: bytes, number: int, payload: bytes) -> int:
    """Covers the header and the position too, so that neither can be exchanged."""
    return zlib.crc32(payload, zlib.crc32(header + number.to_bytes(4, "little")))


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        icc = inflater.decompress(data, _MAX_ICC)
    except zlib.error as error:
        raise BitstreamError("the colour profile is damaged") from error
    if not inflater.eof or inflater.unused_data:
        raise BitstreamError("the colour profile is damaged")
    return icc


def _varint(n: int) -> bytes:
    """Seven bits a byte, lowest first, the high bit on all but the last."""
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if position >= len(data):
            raise BitstreamError("the file is cut off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if shift and not byte:
                raise BitstreamError("the file is damaged: a number is not in shortest form")
            return value, position
    raise BitstreamError("the file is damaged: a number is too long")
