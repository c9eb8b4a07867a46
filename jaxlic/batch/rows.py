"""The tables of a job, as Parquet: what is to be done, and what was done of it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, get_type_hints

from jaxlic.errors import FileError, UsageError, one_line

_CHUNK = 10_000  # Rows of a manifest that are in memory at a time.


class Source(NamedTuple):
    """A row of a plan, or of a manifest: an image that is to be done.

    Attributes:
        source: its URL or path.
        etag: what its store says that changes with its contents.
        bytes: its size; -1 where nobody has looked.
        height, width: in pixels, upright; 0 where they are not known.
        output: what its output is called in the job's folder; "" if there is none.
    """

    source: str
    etag: str = ""
    bytes: int = -1
    height: int = 0
    width: int = 0
    output: str = ""


class Row(NamedTuple):
    """A row of a report: what became of an image (at one quality).

    Attributes:
        source, etag, bytes: of the image; the bytes that were read, else those of the plan.
        output, output_bytes: the file that was written, from the job's folder; in `eval`, the
            size that it would have.
        width, height: in pixels.
        quality: what it was coded with.
        bpp: bits a pixel.
        psnr: in dB, of RGB, where it was asked for.
        read_seconds, code_seconds, write_seconds: of a window of images that were coded
            together the share by pixels.
        model, fingerprint: what coded it: its id, and its stream's name in hexadecimal.
        notes: what was lost in reading.
        error_type, error: why it failed; None if it did not.
        attempt: how often its shard was begun, this time included.
        worker: who did it: machine and process.
        shard: of the plan.
    """

    source: str
    etag: str
    bytes: int
    output: str | None
    output_bytes: int | None
    width: int
    height: int
    quality: float
    bpp: float | None
    psnr: float | None
    read_seconds: float
    code_seconds: float
    write_seconds: float
    model: str
    fingerprint: str
    notes: list[str]
    error_type: str | None
    error: str | None
    attempt: int
    worker: str
    shard: int


def packed(rows: Sequence[Source] | Sequence[Row], kind: type[Source] | type[Row]) -> bytes:
    """Rows as a Parquet file."""
    pa, pq = _pyarrow()
    types: dict[Any, Any] = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    types |= {hint | None: type_ for hint, type_ in types.items()}
    types[list[str]] = pa.list_(pa.string())
    fields = {name: types[hint] for name, hint in get_type_hints(kind).items()}
    columns = zip(*rows, strict=True) if rows else [()] * len(fields)
    arrays = [
        pa.array(column, type_) for column, type_ in zip(columns, fields.values(), strict=True)
    ]
    out = io.BytesIO()
    pq.write_table(pa.table(dict(zip(fields, arrays, strict=True))), out, compression="zstd")
    return out.getvalue()


def reports(data: bytes, url: str) -> list[Row]:
    """The rows of a report. Raises FileError if `data`, of the object `url`, is none."""
    return _unpacked(data, url, Row)


def plans(data: bytes, url: str) -> list[Source]:
    """The rows of a plan. Raises as `reports` does."""
    return _unpacked(data, url, Source)


def manifest(data: bytes, url: str) -> tuple[int, Iterator[Source]]:
    """How many rows a manifest has, and the rows, a part of which is in memory at a time.

    Its column `source` is needed; `etag`, `bytes`, `height` and `width`, where they are
    there, spare the look at every image; any others are ignored.

    Raises:
        FileError: if `data`, of the object `url`, is no Parquet file, or a column is of
            another type.
        UsageError: if there is no column `source`.
    """
    pa, pq = _pyarrow()
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = set(file.schema_arrow.names) & set(Source._fields) - {"output"}
    except (OSError, ValueError) as error:
        raise FileError(f"{url}: no Parquet file ({one_line(error)})") from error
    if "source" not in names:
        raise UsageError(f"{url}: a manifest needs a column `source`")

    def rows() -> Iterator[Source]:
        try:
            for batch in file.iter_batches(_CHUNK, columns=sorted(names)):
                for row in batch.to_pylist():
                    yield _source(row)
        except (OSError, ValueError, TypeError) as error:
            raise FileError(f"{url}: damaged manifest ({one_line(error)})") from error

    return file.metadata.num_rows, rows()


def _source(row: dict[str, Any]) -> Source:
    height, width = (int(row.get(side) or 0) for side in ("height", "width"))
    known = row.get("bytes")
    if not isinstance(row["source"], str):
        raise TypeError("a source is a text")
    size = -1 if known is None else int(known)
    return Source(row["source"], str(row.get("etag") or ""), size, height, width)


def _unpacked(data: bytes, url: str, kind: Any) -> list[Any]:
    pa, pq = _pyarrow()
    try:
        table = pq.read_table(pa.BufferReader(data), columns=list(kind._fields))
        return [kind(**row) for row in table.to_pylist()]
    except (OSError, ValueError, TypeError) as error:
        raise FileError(f"{url}: damaged ({one_line(error)})") from error


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError('needs fsspec and pyarrow: pip install "jaxlic[batch]"') from error
    return pyarrow, pyarrow.parquet
