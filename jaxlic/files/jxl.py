"""JPEG XL: what a file says of its size before libjxl sees it, and its pixels by imagecodecs.

Source of the headers: ISO/IEC 18181-1 (codestream), annexes on image headers and colour, and
18181-2 (boxes).
"""

from __future__ import annotations

import dataclasses
from types import ModuleType

import numpy as np

from jaxlic.errors import ImageError

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
MAX_EXTRA = 4  # Channels beside the colours: libjxl takes memory for each.
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_HEADER = 1 << 16  # Bytes of the codestream that hold it.
_GREY, _XYB = 1, 2
_SRGB = (1, 1, 13)  # White point, primaries, transfer function.
_ALPHA, _SPOT, _CFA = 0, 2, 5


@dataclasses.dataclass(frozen=True)
class Header:
    """What a codestream says before its first frame.

    Attributes:
        width, height: in pixels, before orientation.
        bits: of a sample.
        animated: whether there may be several frames.
        extra: number of channels beside the colours.
        premultiplied: whether colours were multiplied with alpha.
        profile: whether there is an ICC profile.
        srgb: whether colours are sRGB.
    """

    width: int
    height: int
    bits: int = 8
    animated: bool = False
    extra: int = 0
    premultiplied: bool = False
    profile: bool = False
    srgb: bool = True


def header(data: bytes) -> Header:
    """Parses the beginning of a file.

    Raises:
        ImageError: if it is none of JPEG XL, or is cut off.
    """
    stream = _codestream(data)
    if stream[:2] != CODESTREAM:
        raise ImageError("holds no JPEG XL codestream")
    return _parse(_Bits(stream[2:_HEADER]))


def decode(data: bytes) -> np.ndarray:
    """The first frame, `[H, W]` or `[H, W, C]`, upright.

    Raises:
        ImageError: if imagecodecs is not there or cannot decode it.
    """
    try:
        return imagecodecs().jpegxl_decode(data, index=0)
    except ImageError:
        raise
    except Exception as error:  # Of types of its own.
        raise ImageError(f"damaged image ({error})") from error


def imagecodecs() -> ModuleType:
    """The package. Raises ImageError if it is not installed."""
    try:
        import imagecodecs
    except ImportError as error:
        raise ImageError("JPEG XL needs `pip install imagecodecs`") from error
    return imagecodecs


def _codestream(data: bytes) -> bytes:
    """Its first bytes, out of the boxes of a container."""
    if not data.startswith(CONTAINER):
        return data[:_HEADER]
    found, position = b"", 0
    while position + 8 <= len(data) and len(found) < _HEADER:
        size, name = (
            int.from_bytes(data[position : position + 4], "big"),
            data[position + 4 :][:4],
        )
        start = position + 8
        end = position + size if size else len(data)
        if size == 1:
            end = position + int.from_bytes(data[start : start + 8], "big")
            start += 8
        if end < start:
            raise ImageError("damaged image (a box of impossible size)")
        if name in (b"jxlc", b"jxlp"):
            start += 4 * (name == b"jxlp")
            found += data[start : min(end, start + _HEADER)]
        position = end
    return found


class _Bits:
    """Reads bits, the lowest first."""

    def __init__(self, data: bytes):
        self.value, self.left = (
            int.from_bytes(data[:_HEADER], "little"),
            8 * len(data[:_HEADER]),
        )

    def u(self, n: int) -> int:
        """A number of `n` bits."""
        if n > self.left:
            raise ImageError("damaged image (cut off in its header)")
        found = self.value & ((1 << n) - 1)
        self.value >>= n
        self.left -= n
        return found

    def u32(self, *choices: tuple[int, int]) -> int:
        """One of four: an offset and how many bits follow."""
        offset, n = choices[self.u(2)]
        return offset + self.u(n)

    def enum(self) -> int:
        """The number of a choice."""
        return self.u32((0, 0), (1, 0), (2, 4), (18, 6))


def _parse(b: _Bits) -> Header:
    height, width = _size(b)
    found = Header(width, height)
    if b.u(1):  # All as usual.
        return found
    animated = False
    if b.u(1):
        b.u(3)  # Orientation: libjxl applies it.
        if b.u(1):
            _size(b)
        if b.u(1):
            _preview(b)
        animated = bool(b.u(1))
        if animated:
            b.u32((100, 0), (1000, 0), (1, 10), (1, 30))
            b.u32((1, 0), (1001, 0), (1, 8), (1, 10))
            b.u32((0, 0), (0, 3), (0, 16), (0, 32))
            b.u(1)
    bits = _depth(b)
    b.u(1)
    extra = b.u32((0, 0), (1, 0), (2, 4), (1, 12))
    if extra > MAX_EXTRA:
        raise ImageError(f"holds {extra} channels beside its colours, over {MAX_EXTRA}")
    premultiplied = any([_extra(b) for _ in range(extra)])
    b.u(1)
    profile, srgb = _colour(b)
    return Header(width, height, bits, animated, extra, premultiplied, profile, srgb)


def _size(b: _Bits) -> tuple[int, int]:
    small = b.u(1)

    def side() -> int:
        return 8 * (1 + b.u(5)) if small else b.u32((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    return height, _width(b, height, side)


def _preview(b: _Bits) -> tuple[int, int]:
    eighths = b.u(1)

    def side() -> int:
        if eighths:
            return 8 * b.u32((16, 0), (32, 0), (1, 5), (33, 9))
        return b.u32((1, 6), (65, 8), (321, 10), (1345, 12))

    height = side()
    return height, _width(b, height, side)


def _width(b: _Bits, height: int, side) -> int:
    ratio = b.u(3)
    if ratio == 0:
        return side()
    numerator, denominator = _RATIOS[ratio - 1]
    return height * numerator // denominator


def _depth(b: _Bits) -> int:
    if not b.u(1):
        return b.u32((8, 0), (10, 0), (12, 0), (1, 6))
    bits = b.u32((32, 0), (16, 0), (24, 0), (1, 6))
    b.u(4)
    return bits


def _extra(b: _Bits) -> bool:
    """Reads over a channel; whether it is alpha that colours were multiplied with."""
    if b.u(1):
        return False
    kind = b.enum()
    _depth(b)
    b.u32((0, 0), (3, 0), (4, 0), (1, 3))
    b.u(8 * b.u32((0, 0), (0, 4), (16, 5), (48, 10)))
    if kind == _SPOT:
        b.u(64)
    if kind == _CFA:
        b.u32((1, 0), (0, 2), (3, 4), (19, 8))
    return bool(b.u(1)) if kind == _ALPHA else False


def _colour(b: _Bits) -> tuple[bool, bool]:
    """Whether there is a profile, and whether colours are sRGB."""
    if b.u(1):
        return False, True
    profile, space = bool(b.u(1)), b.enum()
    if profile:
        return True, False
    if space == _XYB:
        return False, False
    white, primaries = b.enum(), 1
    if white == 2:
        _points(b, 1)
    if space != _GREY:
        primaries = b.enum()
        if primaries == 2:
            _points(b, 3)
    transfer = b.u(24) and -1 if b.u(1) else b.enum()
    return False, (white, primaries, transfer) == _SRGB


def _points(b: _Bits, n: int) -> None:
    for _ in range(2 * n):
        b.u32((0, 19), (524_288, 19), (1_048_576, 20), (2_097_152, 21))
