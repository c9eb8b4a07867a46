"""Numbers in the container: seven bits a byte."""

from __future__ import annotations

from jaxlic.errors import BitstreamError


class Cut(BitstreamError):
    """The data ends where more was expected."""


def varint(n: int) -> bytes:
    """Seven bits a byte, lowest first, the high bit on all but the last."""
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at a position, and where it ends.

    Raises:
        Cut: if the data ends before it.
        BitstreamError: if it is too long, or not in shortest form.
    """
    value = 0
    for shift in range(0, 35, 7):
        if position >= len(data):
            raise Cut("the file is cut off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if shift and not byte:
                raise BitstreamError("the file is damaged: a number is not in shortest form")
            return value, position
    raise BitstreamError("the file is damaged: a number is too long")
