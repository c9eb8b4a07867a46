"""What a `.jlic` file says of itself, and which shipped model it names."""

from __future__ import annotations

from typing import Any

from jaxlic import models
from jaxlic.entropy import range_coder
from jaxlic.files import bitstream
from jaxlic.files.bitstream import Header


def describe(data: bytes) -> dict[str, Any]:
    """What a file says of itself: model, quality, geometry, bytes. Raises BitstreamError."""
    file = bitstream.unpack(data)
    h = file.header
    coded = sum(len(payload) for tile in file.payloads for payload in tile)
    extra = {"alpha": len(file.alpha or b""), "icc": len(file.icc or b"")}
    return {
        "model": name_of(h),
        "quality": h.quality / bitstream.QUALITY_STEPS,
        "width": h.width,
        "height": h.height,
        "grey": h.grey,
        "coder": range_coder.NAMES[h.coder],
        "bytes": {
            "file": len(data),
            "header": file.header_size,
            "tiles": [sum(map(len, tile)) for tile in file.payloads],
            "image": coded,
            **extra,
        },
        "bpp": 8 * len(data) / (h.height * h.width),
        "version": h.version,
        "levels": {
            "written": h.levels,
            "missing payloads": file.missing,
            "ends": list(file.ends),
        },
        "entropy path": "integer" if h.exact else "floating point",
        "checksums": "ok",
    }


def name_of(h: Header) -> str:
    """Id and fingerprint of the model that wrote a file; the latter alone if not shipped."""
    name = numbered(h.model)
    return h.fingerprint.hex() if name is None else f"{name} ({h.fingerprint.hex()})"


def numbered(number: int) -> str | None:
    """The shipped codec that files call by this number."""
    for name in models.shipped():
        if number and models.card(name)["number"] == number:
            return name
    return None
