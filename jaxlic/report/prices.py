"""A price list in TOML: what bytes and seconds cost, and how images are used."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import tomllib
from typing import Any

from jaxlic.errors import FileError
from jaxlic.files import disk

_LARGEST = 1e15


@dataclasses.dataclass(frozen=True)
class Prices:
    """A price list. Money is in `currency`, a GB is 10^9 bytes, amounts are a month.

    Attributes:
        storage: of a GB for a month.
        egress: of a GB sent.
        cpu, gpu: of a second of one processor and of one accelerator.
        energy: of a kWh; 0 leaves it out.
        cpu_watts, gpu_watts: while they work.
        images: stored, all of which are coded anew once.
        new_images: added a month.
        views: of an image a month; each sends its file.
        megapixels: of an image.
        decoded: share of views that are decoded on machines that are paid for.
        refined: share of those that are refined on an accelerator.
        refine_seconds: of the accelerator for a megapixel.
        processors: how many were busy in the seconds that were measured.
        one_off: what the change costs beside coding the images anew.
        before, quality: the codec in use, and its quality.
        after: the codec to change to.
        metric: at whose equal mean the two are compared.
    """

    currency: str
    storage: float
    egress: float
    cpu: float
    gpu: float
    energy: float
    cpu_watts: float
    gpu_watts: float
    images: float
    new_images: float
    views: float
    megapixels: float
    decoded: float
    refined: float
    refine_seconds: float
    processors: float
    one_off: float
    before: str
    quality: float
    after: str
    metric: str


# Where each stands in the file, and what it is if it is not there; None: it has to be.
_FIELDS: dict[str, tuple[str, str, Any]] = {
    "currency": ("", "currency", "USD"),
    "storage": ("prices", "storage_gb_month", None),
    "egress": ("prices", "egress_gb", None),
    "cpu": ("prices", "cpu_second", 0.0),
    "gpu": ("prices", "gpu_second", 0.0),
    "energy": ("prices", "energy_kwh", 0.0),
    "cpu_watts": ("prices", "cpu_watts", 0.0),
    "gpu_watts": ("prices", "gpu_watts", 0.0),
    "images": ("use", "images", None),
    "new_images": ("use", "new_images_month", 0.0),
    "views": ("use", "views_per_image_month", None),
    "megapixels": ("use", "megapixels", None),
    "decoded": ("use", "decoded_by_us", 0.0),
    "refined": ("use", "refined", 0.0),
    "refine_seconds": ("use", "refine_gpu_seconds_per_megapixel", 0.0),
    "processors": ("use", "processors", 1.0),
    "one_off": ("use", "one_off", 0.0),
    "before": ("compare", "from", None),
    "quality": ("compare", "quality", None),
    "after": ("compare", "to", None),
    "metric": ("compare", "metric", "psnr"),
}
_SHARES = ("decoded", "refined")


def read(path: str | pathlib.Path) -> Prices:
    """The price list in a TOML file.

    Raises:
        FileError: if it cannot be read, lacks something, or has what is not known.
    """
    try:
        data = tomllib.loads(disk.read_bytes(path).decode())
        known = {(table, key) for table, key, _ in _FIELDS.values()}
        for table, entries in data.items():
            keys = entries if isinstance(entries, dict) else {}
            names = [(table, key) for key in keys] or [("", table)]
            for name in names:
                if name not in known:
                    raise ValueError(f"{'.'.join(filter(None, name))} is not known")
        return Prices(**{name: _value(data, name) for name in _FIELDS})
    except (RecursionError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{path}: is no price list ({error})") from error


def _value(data: dict[str, Any], name: str) -> Any:
    table, key, default = _FIELDS[name]
    shown = f"{table}.{key}" if table else key
    found = (data.get(table, {}) if table else data).get(key, default)
    if found is None:
        raise ValueError(f"{shown} is missing")
    if name in ("currency", "before", "after", "metric"):
        if not isinstance(found, str) or not 0 < len(found) <= 200 or not found.isprintable():
            raise ValueError(f"{shown} must be a line of text")
        return found
    number = isinstance(found, int | float) and not isinstance(found, bool)
    if not number or not math.isfinite(found) or not 0 <= found <= _LARGEST:
        raise ValueError(f"{shown} must be a number from 0 on")
    if name in _SHARES and found > 1:
        raise ValueError(f"{shown} is a share, at most 1, got {found}")
    if name in ("images", "megapixels", "processors") and found == 0:
        raise ValueError(f"{shown} must be above 0")
    return float(found)
