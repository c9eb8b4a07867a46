"""Chunks of PNG files that Pillow refuses for their size, though the images are fine."""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO, NamedTuple

from jaxlic.errors import ImageError
from jaxlic.files.bitstream import MAX_ICC

MAGIC = b"\x89PNG\r\n\x1a\n"
_PILLOW = 1 << 20  # What Pillow inflates of a chunk, at most.


class Prepared(NamedTuple):
    """A file for Pillow.

    Attributes:
        file: the PNG, or what is left of it.
        icc: a profile that was taken out.
        notes: what was ignored.
    """

    file: BinaryIO
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


def prepare(file: BinaryIO) -> Prepared:
    """Takes out profiles and texts of more than a MiB; profiles of up to 16 MiB are kept.

    Raises:
        ImageError: if such a chunk is damaged.
    """
    file.seek(len(MAGIC))
    kept, icc, notes = [], None, []
    start = 0
    while len(head := file.read(8)) == 8:
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        begin = file.tell() - 8
        if name in (b"iCCP", b"zTXt", b"iTXt") and length < 2 * MAX_ICC:
            body = file.read(length)
            content = _inflated(name, body, _PILLOW)
            if content is not None and len(content) > _PILLOW:
                if zlib.crc32(name + body).to_bytes(4, "big") != file.read(4):
                    raise ImageError("a checksum does not match")
                kept.append((start, begin))
                start = begin + 12 + length
                if name == b"iCCP" and icc is None:
                    icc = _inflated(name, body, MAX_ICC)
                    if icc is None or len(icc) > MAX_ICC:
                        icc = None
                        notes.append("its colour profile is over 16 MiB and ignored")
        file.seek(begin + 12 + length)
        if name == b"IEND":
            break
    if not kept:
        return Prepared(file)
    parts = []
    for begin, end in (*kept, (start, None)):
        file.seek(begin)
        parts.append(file.read() if end is None else file.read(end - begin))
    return Prepared(io.BytesIO(b"".join(parts)), icc, tuple(notes))


def _inflated(name: bytes, body: bytes, limit: int) -> bytes | None:
    """The first `limit + 1` bytes of what a chunk holds compressed; None if it does not."""
    start = body.find(b"\0") + 2  # A name, a zero, the method.
    if name == b"iTXt":
        if body[start - 1 : start] != b"\1":
            return None
        start = body.find(b"\0", body.find(b"\0", start + 1) + 1) + 1
    try:
        return zlib.decompressobj().decompress(body[start:], limit + 1)
    except zlib.error:
        return None
