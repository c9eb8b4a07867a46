"""Images of a shard, a window of them at a time: read, coded together, put; a row each.

Several windows are on their way at once: while the device sees one, the next is read and the
last one written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from jaxlic.batch.rows import Row, Source
from jaxlic.batch.store import Store, below
from jaxlic.batch.tasks import Coded, Task
from jaxlic.errors import Error, FileError, StorageError, one_line
from jaxlic.files import images
from jaxlic.files.images import Picture

_LANES = 3
_TRANSFERS = 16
_IMAGES, _PIXELS, _UNKNOWN = 32, 24_000_000, 4_000_000

T = TypeVar("T")


class Stamp(NamedTuple):
    """What all rows of an attempt have in common: see `Row`."""

    attempt: int
    worker: str
    shard: int


class _Image(NamedTuple):
    source: Source
    size: int = 0
    picture: Picture | None = None
    notes: tuple[str, ...] = ()
    error: BaseException | None = None
    seconds: float = 0.0


def process(store: Store, task: Task, sources: Sequence[Source], stamp: Stamp) -> list[Row]:
    """Does images; what is wrong with one of them is in its rows.

    Raises:
        StorageError: if the store gives no answer.
    """
    lanes = ThreadPoolExecutor(_LANES, "window")
    transfers = ThreadPoolExecutor(_TRANSFERS, "transfer")
    try:

        def work(window: list[Source]) -> list[Row]:
            return _window(store, task, window, stamp, transfers)

        found = lanes.map(work, windows(sources))
        return [row for rows in found for row in rows]
    finally:
        lanes.shutdown(cancel_futures=True)
        transfers.shutdown(cancel_futures=True)


def windows(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Consecutive images, as many as are read and coded together."""
    window: list[Source] = []
    pixels = 0
    for source in sources:
        more = source.height * source.width or _UNKNOWN
        if window and (len(window) == _IMAGES or pixels + more > _PIXELS):
            yield window
            window, pixels = [], 0
        window.append(source)
        pixels += more
    if window:
        yield window


def failed(task: Task, source: Source, error: BaseException, stamp: Stamp) -> list[Row]:
    """The rows of an image that could not be done."""
    return _failed(task, _Image(source, max(source.bytes, 0), error=error), stamp)


def _window(
    store: Store, task: Task, window: list[Source], stamp: Stamp, pool: ThreadPoolExecutor
) -> list[Row]:
    read = list(pool.map(lambda source: _read(store, task, source), window))
    good = [image for image in read if image.picture is not None]
    began = time.perf_counter()
    results = _coded(task, [image.picture for image in good if image.picture is not None])
    seconds = time.perf_counter() - began
    total = sum(_pixels(image.picture) for image in good)

    def written(pair: tuple[_Image, Any]) -> list[Row]:
        image, result = pair
        share = seconds * _pixels(image.picture) / total
        if isinstance(result, Exception):
            return _failed(task, image._replace(error=result), stamp, code=share)
        return _put(store, task, image, result, stamp, share)

    done = dict(
        zip(
            (id(i) for i in good),
            pool.map(written, zip(good, results, strict=True)),
            strict=True,
        )
    )
    return [
        row
        for image in read
        for row in (done[id(image)] if id(image) in done else _failed(task, image, stamp))
    ]


def _read(store: Store, task: Task, source: Source) -> _Image:
    url, began, size = source.source, time.perf_counter(), max(source.bytes, 0)
    try:
        if source.bytes == 0:
            raise FileError(f"{url}: is empty")
        data = store.read_source(url)
        size = len(data)
        picture = images.read(data, name=url, max_pixels=task.max_pixels)
        changed = source.bytes not in (-1, size)
        notes = (*picture.notes, *["changed since it was planned"] * changed)
        return _Image(source, size, picture, notes, None, time.perf_counter() - began)
    except StorageError:
        raise
    except Exception as error:  # Whatever it is, the other images are none the worse.
        return _Image(source, size, error=error, seconds=time.perf_counter() - began)


def _coded(task: Task, pictures: list[Picture]) -> list[Any]:
    """The results of all, and of one that fails what was raised."""
    if not pictures:
        return []
    try:
        return list(task.run(pictures))
    except Exception:  # Of one of them, or there is too little memory for all.
        return [_attempt(lambda p=p: task.run([p])[0]) for p in pictures]


def _attempt(work: Callable[[], T]) -> T | Exception:
    try:
        return work()
    except Exception as error:
        return error


def _put(
    store: Store, task: Task, image: _Image, results: list[Coded], stamp: Stamp, code: float
) -> list[Row]:
    began = time.perf_counter()
    if task.suffix:
        try:
            store.write(_output(image.source), results[0].data)
        except StorageError:
            raise
        except FileError as error:
            return _failed(task, image._replace(error=error), stamp, code=code)
    write = time.perf_counter() - began
    return [
        _row(task, image, stamp, quality, coded, (code, write))
        for quality, coded in zip(task.qualities, results, strict=True)
    ]


def _output(source: Source) -> str:
    return f"out/{below(source.output)}"  # A plan may come from anybody.


def _failed(task: Task, image: _Image, stamp: Stamp, code: float = 0.0) -> list[Row]:
    return [_row(task, image, stamp, quality, None, (code, 0.0)) for quality in task.qualities]


def _row(
    task: Task,
    image: _Image,
    stamp: Stamp,
    quality: float,
    coded: Coded | None,
    seconds: tuple[float, float],
) -> Row:
    source, picture = image.source, image.picture
    size = (source.height, source.width) if picture is None else picture.rgb.shape[:2]
    share, bytes_ = 1 / len(task.qualities), len(coded.data) if coded else None
    return Row(
        source=source.source,
        etag=source.etag,
        bytes=image.size,
        output=_output(source) if coded and task.suffix else None,
        output_bytes=bytes_,
        width=size[1],
        height=size[0],
        quality=quality,
        bpp=None if bytes_ is None else 8 * bytes_ / (size[0] * size[1]),
        psnr=coded.psnr if coded else None,
        read_seconds=image.seconds * share,
        code_seconds=seconds[0] * share,
        write_seconds=seconds[1] * share,
        model=task.model,
        fingerprint=task.stream,
        notes=[*image.notes, *(coded.notes if coded else ())],
        error_type=None if image.error is None else type(image.error).__name__,
        error=None if image.error is None else _text(source.source, image.error),
        attempt=stamp.attempt,
        worker=stamp.worker,
        shard=stamp.shard,
    )


def _text(url: str, error: BaseException) -> str:
    """One line that begins with the name of the object."""
    text = str(error) if isinstance(error, Error) else one_line(error)
    text = " ".join(text.split())
    return text if text.startswith(url) else f"{url}: {text}"


def _pixels(picture: Picture | None) -> int:
    return 0 if picture is None else picture.rgb.shape[0] * picture.rgb.shape[1]
