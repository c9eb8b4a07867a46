"""Records of an evaluation as JSON and CSV files, and back from a file of anybody's."""

from __future__ import annotations

import csv
import io
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from jaxlic.errors import FileError
from jaxlic.files import disk

Record = dict[str, Any]

_TEXTS, _NUMBERS = ("codec", "image"), ("quality", "bytes", "bpp")
_OTHER = ("note", "generated")
_MAX_RECORDS = 1_000_000


def to_json(summary: Mapping[str, Any]) -> str:
    """The text of `--json`. A number that is not finite is null: JSON has no other word.

    That is a measure of an image too small for it, or the PSNR of equal images.
    """
    return json.dumps(finite(summary), indent=1, allow_nan=False) + "\n"


def to_csv(records: Sequence[Record]) -> str:
    """A line a record, a column a field. Cells that a spreadsheet would run begin with '."""
    fields = list(dict.fromkeys(field for record in records for field in record))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(fields)
    for record in finite(records):
        writer.writerow(_cell(record.get(field)) for field in fields)
    return out.getvalue()


def read(path: str | pathlib.Path) -> list[Record]:
    """The records in what `jaxlic eval --json` wrote. A number that was not finite is NaN.

    Raises:
        FileError: if it cannot be read, or holds no records with what they need.
    """
    try:
        data = json.loads(disk.read_bytes(path))
        records = data["records"] if isinstance(data, dict) else data
        if not isinstance(records, list) or not 0 < len(records) <= _MAX_RECORDS:
            raise ValueError("records must be a list, and not empty")
        return [_checked(record) for record in records]
    except (KeyError, RecursionError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)[:100]
        raise FileError(f"{path}: holds no records of an evaluation ({reason})") from error


def finite(value: Any) -> Any:
    """The same of JSON's types, None in the place of numbers that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def _checked(record: Any) -> Record:
    if not isinstance(record, dict):
        raise ValueError("a record must be an object")
    for name in _TEXTS:
        if not isinstance(record[name], str) or len(record[name]) > 4096:
            raise ValueError(f"{name} must be a text")
    for name, value in record.items():
        if value is None or name in (*_TEXTS, *_OTHER):
            continue
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not numeric:
            raise ValueError(f"{name[:60]} must be a number")
        if name in _NUMBERS and not 0 <= value < 1e15:
            raise ValueError(f"{name} must be a number from 0 on")
        if not abs(value) < 1e300:
            record[name] = float("nan")
    if any(record.get(name) is None for name in _NUMBERS) or record["bpp"] <= 0:
        raise ValueError("a record needs quality, bytes and bpp above 0")
    return {name: float("nan") if value is None else value for name, value in record.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping):
        value = "; ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, str) and value[:1] in tuple("=+-@\t\r"):
        return "'" + value
    return value
