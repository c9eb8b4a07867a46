"""What users see: results on stdout, all else on stderr, each message a line."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

_A_LINE = 60.0  # Seconds.
STREAM = pathlib.Path("-")  # Stdin or stdout, by identity: "./-" is a file.


def name(path: pathlib.Path) -> str:
    """What an input is called in messages."""
    return "standard input" if path is STREAM else str(path)


def settle() -> None:
    """Makes streams print any file name, and keeps Python's warnings about images quiet.

    What an image lost in reading is in its notes.
    """
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    warnings.filterwarnings("ignore", module=r"PIL\b")


def say(text: str) -> bool:
    """Prints a line of results. Work goes on if nobody reads it any more.

    Returns:
        False if it could not be printed for another reason; that is told once.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        mute()
    except OSError as error:
        mute()
        report(OSError(f"standard output: {error.strerror}"))
        return False
    return True


def mute() -> None:
    """Drops what is printed to stdout from now on, and what waits in its buffer."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def report(error: BaseException) -> int:
    """Prints an error in one line; returns the exit code for bad input."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    _aside(f"jaxlic: error: {' '.join(text.split()) or type(error).__name__}")
    return 2


def tell(source: pathlib.Path, notes: Iterable[str]) -> None:
    """Prints what a user should know about a file."""
    for note in notes:
        _aside(f"jaxlic: {name(source)}: {note}")


def remark(text: str) -> None:
    """Prints what a user should know about a run."""
    _aside(f"jaxlic: {text}")


def progress(items: Iterable[Any], total: int, label: str) -> Iterable[Any]:
    """Shows a bar on stderr if there is something to wait for; in a log, a line a minute."""
    if total < 2 or sys.stderr is None:
        return items
    if not sys.stderr.isatty():
        return _logged(items, total, label)
    from rich.console import Console
    from rich.progress import track

    return track(items, label, total=total, console=Console(stderr=True), transient=True)


def _logged(items, total, label):
    begun = last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - last >= _A_LINE:
            minutes = (now - begun) / done * (total - done) / 60
            remark(f"{label}: {done} of {total}, some {minutes:.0f} minutes left")
            last = now
        yield item


@contextlib.contextmanager
def counting(label: str, *, shown: bool = True) -> Generator[Callable[[int, int], None]]:
    """A bar as `progress` shows, for work that tells how much is done, and of how much."""
    if not shown or sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def overheard() -> Generator[list[str]]:
    """Collects what libraries in C print to stderr, as libtiff does."""
    lines: list[str] = []
    try:
        saved = os.dup(2)
    except OSError:  # It is closed.
        yield lines
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            heard = file.read(1 << 16).decode(errors="replace").splitlines()
            # A progress bar may have drawn itself meanwhile: not printable.
            lines += dict.fromkeys(line for line in heard if line and line.isprintable())


def quietly(items: Iterable[Any]) -> Iterator[Any]:
    """The same items; what C libraries print as they are made becomes remarks."""
    iterator, end = iter(items), object()
    while True:
        with overheard() as lines:
            item = next(iterator, end)
        for line in lines:
            remark(line)
        if item is end:
            return
        yield item


def _aside(text: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)
