"""What the commands share: which file becomes which, progress, errors in one line."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jaxlic.errors import Error, UsageError

SUFFIX = ".jlic"


def report(error: BaseException) -> int:
    """Prints an error in one line; returns the exit code for bad input."""
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"jaxlic: error: {text}", file=sys.stderr)
    return 2


@contextlib.contextmanager
def naming(source: pathlib.Path) -> Iterator[None]:
    """Errors about input that are raised inside begin with the file's name."""
    try:
        yield
    except Error as error:
        text = str(error)
        named = text if text.startswith(str(source)) else f"{source}: {text}"
        raise UsageError(named) from error


def tell(source: pathlib.Path, notes: Iterable[str]) -> None:
    """Prints what a user should know about a file."""
    for note in notes:
        print(f"jaxlic: {source}: {note}", file=sys.stderr)


def jobs(
    args: argparse.Namespace, find: Callable[[pathlib.Path], list[pathlib.Path]], suffix: str
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """(source, target) of every file, before anything is read."""
    several = len(args.inputs) > 1 or args.inputs[0].is_dir()
    if (
        several
        and args.output is not None
        and args.output.exists()
        and not args.output.is_dir()
    ):
        raise UsageError(f"{args.output}: is a file, but there are several inputs")
    jobs = []
    for source in args.inputs:
        if not source.exists():
            raise UsageError(f"{source}: no such file or folder")
        found = find(source) if source.is_dir() else [source]
        if not found:
            raise UsageError(f"{source}: holds nothing to do")
        for file in found:
            relative = file.relative_to(source) if source.is_dir() else pathlib.Path(file.name)
            if args.output is None:
                target = file.with_suffix(suffix)
            elif several or args.output.is_dir():
                target = args.output / relative.with_suffix(suffix)
            else:
                target = args.output
            jobs.append((file, target))
    targets = [target.resolve() for _, target in jobs]
    for (source, target), resolved in zip(jobs, targets, strict=True):
        if targets.count(resolved) > 1:
            raise UsageError(f"{target}: would be written more than once; choose another -o")
        if resolved == source.resolve():
            raise UsageError(f"{target}: would replace its own source")
        if target.exists() and not args.force:
            raise UsageError(f"{target}: exists; use --force to replace it")
    return jobs


def each(jobs, work: Callable[[pathlib.Path, pathlib.Path], str], label: str) -> int:
    """Does all jobs; a bad one is reported and does not keep the others from being done."""
    failed = 0
    for source, target in progress(jobs, len(jobs), label):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            print(f"{source} -> {target}  {work(source, target)}")
        except (Error, OSError, MemoryError) as error:
            failed += 1
            report(error)
    if failed and len(jobs) > 1:
        print(f"jaxlic: {failed} of {len(jobs)} files failed", file=sys.stderr)
    return 2 if failed else 0


def progress(items: Iterable[Any], total: int, label: str) -> Iterable[Any]:
    """Shows a bar on stderr if it is a terminal and there is something to wait for."""
    if total < 2 or not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, label, total=total, console=Console(stderr=True), transient=True)


def read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
