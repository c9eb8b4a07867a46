"""Files in levels: what is left of one when it is cut."""

from __future__ import annotations

from jaxlic.errors import UsageError
from jaxlic.files import bitstream


def truncate(data: bytes, *, level: int | None = None, size: int | None = None) -> bytes:
    """The beginning of a file: its first levels, without decoding anything.

    Args:
        data: a `.jlic` file, which may have been cut before.
        level: how many levels to keep, from 1 on; None for as many as there are.
        size: keep as many levels as fit in so many bytes; None for no limit.

    Raises:
        BitstreamError: if the file is damaged, up to `level`.
        UsageError: if it has not so many levels, or the first does not fit.
    """
    asked = level if level is not None and level > 0 else None
    file = bitstream.unpack(data, asked)
    whole = len(file.ends)
    if level is not None and level < 1:
        raise UsageError(f"levels are 1 to {file.header.levels}, got {level}")
    if level is not None and level > whole:
        kept = "1 level" if whole == 1 else f"{whole} levels"
        raise UsageError(f"holds {kept} of {file.header.levels}, not {level}")
    ends = file.ends[:level]
    fitting = [end for end in ends if size is None or end <= size]
    if not fitting:
        raise UsageError(f"its first level takes {ends[0]:,} bytes: {size:,} are too few")
    if file.header.version == 1:  # Alpha and profile come last there.
        return data
    return data[: fitting[-1]]


def count(data: bytes) -> tuple[int, int]:
    """How many levels of a file are whole, and how many were written. Raises BitstreamError."""
    file = bitstream.unpack(data)
    return len(file.ends), file.header.levels
