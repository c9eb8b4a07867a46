"""The container of a `.jlic` file: what `docs/bitstream.md` says, in code.

Everything is checked before it is used and before memory is taken for it: magic, version,
plausible geometry, lengths against what is there, and a CRC-32 a payload that also covers the
header and the payload's place. Damage is one exception type.

Version 2 is written; version 1 is read, for ever.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator

from jaxlic.errors import BitstreamError, Error
from jaxlic.files.varint import Cut, read_varint, varint
from jaxlic.ops.tiling import TILE

MAGIC = b"JLC"
VERSION = 2
MAX_PIXELS = 100_000_000
MAX_SIDE = 1 << 20
MAX_LEVELS = 127
MAX_ICC = 1 << 24
QUALITY_STEPS = 100  # A quality is stored in hundredths.
_FINGERPRINT = 4
_FIXED = len(MAGIC) + 1 + 1 + _FINGERPRINT + 2
_ALPHA, _ICC, _CODER, _GREY = 1, 2, 4, 8
_FLOAT = 0x80
_EXTRA = 0xFF  # Stands for the level of alpha and profile.
_OVERHEAD = 5  # Bytes that a payload takes at least.


@dataclasses.dataclass(frozen=True)
class Header:
    """What is needed before the first symbol.

    Attributes:
        model: number of the shipped model, 0 for one that has none.
        fingerprint: 4 bytes: the model's `stream`, in version 1 its `v1`.
        quality: in hundredths, 100 to 10000.
        height, width: in pixels.
        coder: number of the range coder.
        tiles: how many tiles there are.
        levels: how many payloads were written for each.
        exact: whether the path from bytes to latents is integer arithmetic.
        version: of the format.
        grey: the channels of the image are equal, and are to be when it is decoded.
    """

    model: int
    fingerprint: bytes
    quality: int
    height: int
    width: int
    coder: int
    tiles: int = 1
    levels: int = 1
    exact: bool = True
    version: int = VERSION
    grey: bool = False


@dataclasses.dataclass(frozen=True)
class File:
    """A parsed file.

    Attributes:
        header: as above.
        payloads: by tile, then by level, entropy-coded bytes; at least one for each tile, and
            fewer than `header.levels` where the file was cut.
        alpha: the alpha plane as a grey PNG, or None.
        icc: the ICC profile, deflated, or None; `profile` inflates it.
        header_size: bytes of the header.
        unused: bytes at the end that are part of a payload that was cut.
        ends: of each level that is whole, where in the file it ends.
    """

    header: Header
    payloads: tuple[tuple[bytes, ...], ...]
    alpha: bytes | None = None
    icc: bytes | None = None
    header_size: int = 0
    unused: int = 0
    ends: tuple[int, ...] = dataclasses.field(default=(), compare=False)

    @property
    def missing(self) -> int:
        """How many payloads were cut off."""
        return self.header.tiles * self.header.levels - sum(map(len, self.payloads))


def deflate(profile: bytes) -> bytes:
    """An ICC profile as it is stored.

    Raises:
        Error: if it is too large to be read again.
    """
    if len(profile) > MAX_ICC:
        raise Error(f"a colour profile of {len(profile):,} bytes is over 16 MiB")
    return zlib.compress(profile, 9)


def profile(file: File) -> bytes | None:
    """The ICC profile of a file. Raises BitstreamError if it is damaged."""
    if file.icc is None:
        return None
    inflater = zlib.decompressobj()
    try:
        icc = inflater.decompress(file.icc, MAX_ICC + 1)
    except zlib.error as error:
        raise BitstreamError("the colour profile is damaged") from error
    if len(icc) > MAX_ICC or not inflater.eof or inflater.unused_data:
        raise BitstreamError("the colour profile is damaged")
    return icc


def pack(file: File) -> bytes:
    """The bytes of a file, in the version that its header names.

    Raises:
        ValueError: if a field of the header is out of range, or payloads do not fit it.
    """
    h = file.header
    header = _header(file)
    if len(file.payloads) != h.tiles or any(len(p) != h.levels for p in file.payloads):
        raise ValueError(f"{h.tiles} tiles of {h.levels} payloads were announced")
    parts = [header]
    for place, payload in zip(_places(h, file), _in_order(file), strict=True):
        crc = zlib.crc32(payload, zlib.crc32(header + place))
        parts += [varint(len(payload)), crc.to_bytes(4, "little"), payload]
    return b"".join(parts)


def unpack(data: bytes, level: int | None = None) -> File:
    """Parses and verifies a file, or with `level` its beginning, up to that many levels.

    A file may end before its end: of version 2 the levels that are whole are kept, so long as
    every tile has its first.

    Raises:
        BitstreamError: if anything is wrong with what is looked at.
    """
    data = bytes(data)
    h, flags, position = _parse_header(data)
    header, header_size = data[:position], position
    if h.tiles * _OVERHEAD > len(data) - position:
        raise BitstreamError(f"the file is cut off: {h.tiles} tiles were announced")
    announced = File(h, (), b"" if flags & _ALPHA else None, b"" if flags & _ICC else None)
    extras = bool(flags & _ALPHA) + bool(flags & _ICC)
    needed = h.tiles + extras
    wanted = None if level is None or h.version == 1 else extras + level * h.tiles
    payloads: list[bytes] = []
    unused, ends = 0, [position]
    for place in _places(h, announced):
        if len(payloads) == wanted:
            unused, position = len(data) - position, len(data)
            break
        try:
            length, start = read_varint(data, position)
            end = start + 4 + length
            if end > len(data):
                raise Cut(f"the file is cut off: {end - len(data)} bytes are missing")
        except Cut:
            if len(payloads) < needed:
                raise
            unused, position = len(data) - position, len(data)
            break
        payload = data[start + 4 : end]
        crc = int.from_bytes(data[start : start + 4], "little")
        if zlib.crc32(payload, zlib.crc32(header + place)) != crc:
            sound = (len(payloads) - extras) // h.tiles if h.version > 1 else 0
            raise BitstreamError(
                "the file is damaged: a checksum does not match"
                + f"; up to level {sound} it is sound (jaxlic truncate --level)" * (sound > 0)
            )
        payloads.append(payload)
        position = end
        ends.append(end)
    if position != len(data):
        raise BitstreamError(f"{len(data) - position} bytes follow the end of the image")
    found = _sorted(h, flags, payloads, header_size, unused)
    return dataclasses.replace(found, ends=tuple(ends[needed :: h.tiles]))


def _sorted(
    h: Header, flags: int, payloads: list[bytes], header_size: int, unused: int
) -> File:
    """Payloads in the order of the file to where they belong."""
    extras = [bool(flags & _ALPHA), bool(flags & _ICC)]
    if h.version == 1:  # They come last.
        rest = payloads[h.tiles :]
        levels = payloads[: h.tiles]
    else:
        rest = payloads[: sum(extras)]
        levels = payloads[sum(extras) :]
    alpha = rest.pop(0) if extras[0] else None
    icc = rest.pop(0) if extras[1] else None
    tiles = tuple(tuple(levels[tile :: h.tiles]) for tile in range(h.tiles))
    return File(h, tiles, alpha, icc, header_size, unused)


def _places(h: Header, file: File) -> Iterator[bytes]:
    """What checksums cover of each payload's place, in the order of the file."""
    extras = [i for i, extra in enumerate((file.alpha, file.icc)) if extra is not None]
    if h.version == 1:
        for number in range(h.tiles + len(extras)):
            yield number.to_bytes(4, "little")
        return
    for number in extras:
        yield bytes([_EXTRA]) + number.to_bytes(4, "little")
    for level in range(h.levels):
        for tile in range(h.tiles):
            yield bytes([level]) + tile.to_bytes(4, "little")


def _in_order(file: File) -> Iterator[bytes]:
    """The payloads of a file, in the order of `_places`."""
    h = file.header
    extras = [extra for extra in (file.alpha, file.icc) if extra is not None]
    if h.version > 1:
        yield from extras
    for level in range(h.levels):
        for tile in file.payloads:
            yield tile[level]
    if h.version == 1:
        yield from extras


def _header(file: File) -> bytes:
    h = file.header
    if len(h.fingerprint) != _FINGERPRINT or not 0 <= h.model < 256 or h.coder not in (0, 1):
        raise ValueError(f"cannot store {h}")
    version = h.version in (1 + h.grey, VERSION)
    if not (version and 1 <= h.levels <= MAX_LEVELS and h.tiles > 0):
        raise ValueError(f"cannot store {h}")
    _check_geometry(h, ValueError)
    flags = (_ALPHA if file.alpha is not None else 0) | (_ICC if file.icc is not None else 0)
    flags |= h.coder * _CODER | h.grey * _GREY
    parts = [
        MAGIC,
        bytes([h.version << 4 | flags, h.model]),
        h.fingerprint,
        h.quality.to_bytes(2, "little"),
        varint(h.height),
        varint(h.width),
    ]
    if h.version > 1:
        parts += [varint(h.tiles), bytes([h.levels | (0 if h.exact else _FLOAT)])]
    return b"".join(parts)


def _parse_header(data: bytes) -> tuple[Header, int, int]:
    if data[: len(MAGIC)] != MAGIC:
        raise BitstreamError("not a .jlic file")
    if len(data) < _FIXED:
        raise BitstreamError("the file is cut off in its header")
    first = data[len(MAGIC)]
    version, model = first >> 4, data[4]
    if version not in (1, VERSION):
        raise BitstreamError(f"format version {version} is not known to this release")
    fingerprint = bytes(data[5 : 5 + _FINGERPRINT])
    quality = int.from_bytes(data[_FIXED - 2 : _FIXED], "little")
    height, position = read_varint(data, _FIXED)
    width, position = read_varint(data, position)
    tiles, levels, exact, grey = 0, 1, True, bool(first & _GREY)
    if version == 1 and grey:
        raise BitstreamError("the file is damaged: of its version none is grey")
    if version > 1:
        tiles, position = read_varint(data, position)
        if position >= len(data):
            raise BitstreamError("the file is cut off in its header")
        levels, exact = data[position] & ~_FLOAT, not data[position] & _FLOAT
        position += 1
        if not (tiles and levels):
            raise BitstreamError("the file is damaged: it announces no tile or no level")
    coder = first // _CODER & 1
    header = Header(
        model, fingerprint, quality, height, width, coder, tiles, levels, exact, version, grey
    )
    _check_geometry(header, BitstreamError)
    if version == 1:
        header = dataclasses.replace(header, tiles=-(-height // TILE) * -(-width // TILE))
    return header, first & 3, position


def _check_geometry(h: Header, error: type[Exception]) -> None:
    if not (1 <= h.height <= MAX_SIDE and 1 <= h.width <= MAX_SIDE):
        raise error(f"an image of {h.width}x{h.height} pixels is not plausible")
    if h.height * h.width > MAX_PIXELS:
        raise error(f"an image of {h.width}x{h.height} pixels is over 100 megapixels")
    if not QUALITY_STEPS <= h.quality <= 100 * QUALITY_STEPS:
        raise error(f"a quality of {h.quality / QUALITY_STEPS} is not in [1, 100]")
