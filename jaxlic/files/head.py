"""How large an image is, from the first bytes of its file."""

from __future__ import annotations

import io

from jaxlic.files import exif, jxl, opening

ENOUGH = (1 << 16, 1 << 20)  # Bytes that tell the size of nearly all files, and of the others.


def size(data: bytes) -> tuple[int, int] | None:
    """Height and width of the image, upright as `images.read` makes it.

    Of WebP files, and PNG whose EXIF data come last, the orientation is not known: as stored.

    Args:
        data: the beginning of a file, or all of it.

    Returns:
        None if it cannot be told: of no image, of a damaged one, or because the size stands
        further on. Nothing is decoded.
    """
    try:
        format_ = opening.kind(data[:16])
        if format_ is None:
            return None
        if format_ == "JXL":
            head = jxl.header(data)
            return head.height, head.width
        if format_ == "WEBP":  # Its plug-in wants all of the file.
            width, height = opening.webp_size(data[:30])
            return height, width
        with opening.opened(io.BytesIO(data), format_).image as image:
            # PNG's would decode the pixels to find out whether there is one behind them.
            there = "exif" in image.info or format_ == "TIFF"
            turned = there and exif.orientation(image) > 4
            return (image.width, image.height) if turned else (image.height, image.width)
    except MemoryError:
        raise
    except Exception:  # Plug-ins raise a wide range of types on what is cut off or damaged.
        return None
