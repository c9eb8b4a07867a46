"""Published rate-distortion points, and where measured codecs stand among them.

The points in the package are averages over the 24 Kodak photographs that authors or CompressAI
have published; the file names each source. They are comparable with measurements on those
photographs alone.
"""

from __future__ import annotations

import csv
import io
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from jaxlic.errors import FileError
from jaxlic.files import disk
from jaxlic.metrics import scores
from jaxlic.report.judges import scaled

KODAK = pathlib.Path(__file__).with_name("kodak_published.csv")
PHOTOGRAPHS = frozenset(f"kodim{i:02}" for i in range(1, 25))
_COLUMNS = ("codec", "bpp", "source")
_MAX_ROWS = 10_000

Points = dict[str, dict[str, list[tuple[float, float]]]]


def read(path: str | pathlib.Path = KODAK) -> tuple[Points, dict[str, str]]:
    """The points by metric and codec, (bits a pixel, value), and by codec where they are from.

    Args:
        path: a CSV file with the columns codec, bpp, source and one a metric, called as in
            records; a cell may be empty.

    Raises:
        FileError: if it cannot be read or is no such file.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(disk.read_bytes(path).decode())))
        if len(rows) > _MAX_ROWS:
            raise ValueError(f"{len(rows)} points are too many")
        points: Points = {}
        sources: dict[str, str] = {}
        for row in rows:
            codec, source = row["codec"], row["source"]
            if not codec or not codec.isprintable() or len(codec) > 60:
                raise ValueError("a codec has a name of 1 to 60 characters")
            sources[codec] = source or ""
            for metric in set(row) - {*_COLUMNS, None}:
                if row[metric]:
                    point = float(row["bpp"]), float(row[metric])
                    if not all(map(math.isfinite, point)) or point[0] <= 0:
                        raise ValueError(f"{codec} has a point that is not finite")
                    points.setdefault(metric, {}).setdefault(codec, []).append(point)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        if isinstance(error, FileError):
            raise
        reason = f"no column {error}" if isinstance(error, KeyError) else str(error)
        raise FileError(f"{path}: is no list of published points ({reason})") from error
    return points, sources


def is_kodak(images: Iterable[str]) -> bool:
    """Whether images are by their names the 24 Kodak photographs, all of them and no other."""
    return {pathlib.PurePath(name).stem.lower() for name in images} == PHOTOGRAPHS


def ladder(
    measured: Mapping[str, Sequence[tuple[float, float]]],
    published: Mapping[str, Sequence[tuple[float, float]]],
    metric: str,
) -> list[tuple[float, str, bool]]:
    """BD-rates in % against the first published codec, over 0.2 to 1.0 bits a pixel.

    Args:
        measured, published: points (bits a pixel, value of the metric) by codec.
        metric: what they are points of, as records call it.

    Returns:
        (BD-rate, codec, whether it is published), the best first. A codec whose curve does
        not cover half of that range, or has no value in common, is left out.

    Raises:
        ImportError: without the extra `jaxlic[eval]`.
    """
    if not published:
        return []
    anchor = _scaled(next(iter(published.values())), metric)
    found = []
    for curves, known in ((measured, False), (published, True)):
        for codec, curve in curves.items():
            try:
                found.append((scores.bd_rate(anchor, _scaled(curve, metric)), codec, known))
            except ValueError:
                continue
    return sorted(found)


def _scaled(curve: Sequence[tuple[float, float]], metric: str) -> list[tuple[float, float]]:
    return [(rate, float(scaled(metric, np.array(value)))) for rate, value in curve]
