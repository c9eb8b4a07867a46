"""What the commands that make files of files share: which becomes which, reading, writing."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import os
import pathlib
import sys
from collections import Counter
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from jaxlic.commands.messages import (
    STREAM,
    mute,
    name,
    overheard,
    progress,
    remark,
    report,
    say,
    tell,
)
from jaxlic.errors import Error, UsageError

if TYPE_CHECKING:
    from jaxlic.files.images import Picture

SUFFIX = ".jlic"

Find = Callable[[pathlib.Path], list[pathlib.Path]]
Job = tuple[pathlib.Path, pathlib.Path]
Several = Callable[[pathlib.Path], list[pathlib.Path]] | None


@dataclasses.dataclass
class Todo:
    """What is to be done.

    Attributes:
        jobs: (source, target) of every file.
        several: whether there may be more than one.
        refused: how many files are not among them because of an error, which was told.
        skipped: how many are not because they are there already.
    """

    jobs: list[Job]
    several: bool
    refused: int = 0
    skipped: int = 0


def jobs(args: argparse.Namespace, find: Find, suffix: str, several_of: Several = None) -> Todo:
    """Finds out which file becomes which, before anything is read.

    Files that cannot be done are reported, and are no reason to leave the others. Where a file
    becomes several, `several_of` a name are theirs, and the first is the job's target.

    Raises:
        UsageError: if there is nothing left to do, or outputs exist and the arguments do not
            say what to do with them.
    """
    streams = STREAM in (_only(args.inputs), args.output) and _stream_job(args)
    if streams:
        source, target = streams
        names = [target] if several_of is None or target is STREAM else several_of(target)
        there = [a for a in names if a is not STREAM and os.path.lexists(a)]
        if there and not args.force:
            raise UsageError(f"{there[0]}: exists; use --force to replace it")
        return Todo([(source, names[0])], several=False)
    several = len(args.inputs) > 1 or args.inputs[0].is_dir()
    folder = args.output and (args.into or args.output.is_dir())
    if several and args.output and not folder and args.output.suffix.lower() == suffix:
        raise UsageError(f"{args.output}: names one file, but there may be several")
    if several and args.output and args.output.exists() and not args.output.is_dir():
        raise UsageError(f"{args.output}: is a file, but there are several inputs")
    found, errors = _pairs(args, find, suffix, several)
    found, collisions = _apart(found)
    errors += collisions
    targets = {a: several_of(a) if several_of else [a] for _, a in found}
    there = [a for names in targets.values() for a in names if os.path.lexists(a)]
    if there and not (args.force or args.skip_existing):
        count = f" ({len(there)} of {sum(map(len, targets.values()))} do)" if several else ""
        raise UsageError(
            f"{there[0]}: exists{count}; use --force to replace it"
            + (", or --skip-existing to go on" if several else "")
        )
    if not found and len(errors) == 1:
        raise errors[0]
    for error in errors:
        report(error)
    if not found:
        raise UsageError(f"none of {len(errors)} inputs can be used")
    existing = set(there) if args.skip_existing else set()
    left = [(a, targets[b][0]) for a, b in found if not existing.issuperset(targets[b])]
    return Todo(left, several, len(errors), len(found) - len(left))


def each(todo: Todo, work: Callable[[pathlib.Path, pathlib.Path], str], label: str) -> int:
    """Does all jobs; a bad one is reported and does not keep the others from being done."""
    written, failed, heard = 0, todo.refused, True
    for source, target in progress(todo.jobs, len(todo.jobs), label):
        try:
            with naming(source, target):
                make_folder(target)
                result = work(source, target)
        except (Error, OSError, MemoryError) as error:
            failed += 1
            report(error)
            continue
        written += 1
        if target is not STREAM:
            heard &= say(f"{name(source)} -> {target}  {result}")
    if todo.several or todo.skipped:
        parts = [f"{written} written"]
        parts += [f"{todo.skipped} skipped"] * bool(todo.skipped)
        parts += [f"{failed} failed"] * bool(failed)
        remark(f"{written + todo.skipped + failed} files: {', '.join(parts)}")
    return 2 if failed or not heard else 0


@contextlib.contextmanager
def naming(source: pathlib.Path, target: pathlib.Path | None = None) -> Generator[None]:
    """Errors that are raised inside begin with the name of the file that they are about."""
    names = (name(source), *([str(target)] if target else []))
    try:
        yield
    except Error as error:
        text = str(error)
        raise UsageError(text if text.startswith(names) else f"{names[0]}: {text}") from error
    except MemoryError as error:
        raise MemoryError(f"{names[0]}: not enough memory ({error})") from error


def picture(source: pathlib.Path, *, max_pixels: int | None = None) -> Picture:
    """Reads an image, and tells what a user should know about it. Raises Error."""
    from jaxlic.files import images

    limit: dict[str, Any] = {} if max_pixels is None else {"max_pixels": max_pixels}
    data = _stdin() if source is STREAM else source
    with naming(source), overheard() as lines:
        read = images.read(data, **limit)
    tell(source, [*read.notes, *lines])
    return read


def photographs(folder: pathlib.Path) -> list[pathlib.Path]:
    """All images below a folder. Raises UsageError if there is none."""
    from jaxlic.files import images

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    found = images.find(folder)
    if not found:
        raise UsageError(f"{folder}: holds no image")
    return found


def read(source: pathlib.Path) -> bytes:
    """The bytes of a file. Raises Error."""
    from jaxlic.files import disk

    return _stdin() if source is STREAM else disk.read_bytes(source)


def write(target: pathlib.Path, data: bytes) -> None:
    """Writes a file, whole or not at all. Raises Error."""
    from jaxlic.files import disk

    if target is not STREAM:
        return disk.write_bytes(target, data)
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        mute()
        raise UsageError(f"standard output: {error.strerror}") from error


def write_picture(source: pathlib.Path, target: pathlib.Path, image: Picture) -> None:
    """Writes an image, as PNG if it goes to stdout. Raises Error."""
    from jaxlic.files import images

    if target is STREAM:
        write(target, images.encoded(image))
    else:
        tell(source, images.write(target, image))


def _stdin() -> bytes:
    from jaxlic.files import disk

    if sys.stdin is None:
        raise UsageError("standard input: is closed")
    return disk.read_bounded(sys.stdin.buffer, name(STREAM))


def _only(inputs: list[pathlib.Path]) -> pathlib.Path | None:
    """The one that is a stream."""
    streams = [source for source in inputs if source is STREAM]
    if streams and len(inputs) > 1:
        raise UsageError("-: standard input must be the only input")
    return streams[0] if streams else None


def _stream_job(args: argparse.Namespace) -> Job | None:
    """The only job where input or output is a stream."""
    source, target = args.inputs[0], args.output
    if source is not STREAM and target is not STREAM:
        return None
    if len(args.inputs) > 1 or source.is_dir():
        raise UsageError("-: standard output takes one file, but there may be several")
    if source is not STREAM and not source.exists():
        raise UsageError(f"{source}: no such file or folder")
    if target is None or target is STREAM:
        if sys.stdout is None or sys.stdout.isatty():
            raise UsageError("-: standard output is a terminal; name a file with -o")
        return source, STREAM
    if target.is_dir():
        raise UsageError(f"{target}: is a folder; name a file for standard input")
    return source, target


def _pairs(
    args: argparse.Namespace, find: Find, suffix: str, several: bool
) -> tuple[list[Job], list[UsageError]]:
    """All jobs, and what is wrong with the inputs that give none."""
    found: list[Job] = []
    errors: list[UsageError] = []
    into = args.output is not None and (several or args.into or args.output.is_dir())
    for source in args.inputs:
        folder = source.is_dir()
        files = find(source) if folder else [source]
        if not source.exists():
            errors.append(UsageError(f"{source}: no such file or folder"))
            continue
        if not files:
            errors.append(UsageError(f"{source}: holds nothing to do"))
        for file in files:
            target = args.output
            if target is None or into:
                renamed = (
                    file.with_name(file.name + suffix)
                    if args.keep_suffix
                    else file.with_suffix(suffix)
                )
                target = renamed
                if into:
                    shape = renamed.relative_to(source.parent if not folder else source)
                    target = args.output / shape
            found.append((file, target))
    return found, errors


def _apart(found: list[Job]) -> tuple[list[Job], list[UsageError]]:
    """The jobs that get in nobody's way, and what is wrong with the others."""
    real_folder = functools.cache(os.path.realpath)

    def real(path: pathlib.Path) -> str:
        if path.is_symlink():
            return os.path.realpath(path)
        return os.path.join(real_folder(path.parent), path.name)

    targets = [real(target) for _, target in found]
    counts = Counter(targets)
    apart, errors = [], []
    for (source, target), resolved in zip(found, targets, strict=True):
        if counts[resolved] > 1:
            errors.append(
                UsageError(
                    f"{source}: {target} would be written more than once; --keep-suffix or "
                    "another -o tells them apart"
                )
            )
        elif resolved == real(source):
            errors.append(UsageError(f"{target}: would replace its own source"))
        else:
            apart.append((source, target))
    return apart, errors


def make_folder(target: pathlib.Path) -> None:
    """Makes the folder of a file to be written. Raises UsageError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{target}: {target.parent} is not a folder") from error
