"""What names of files say, before anything is read or computed."""

from __future__ import annotations

import argparse
import os
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from jaxlic.commands.messages import STREAM, remark
from jaxlic.errors import UsageError

# Images that cameras and programs write, and that are not read here.
_OTHERS = frozenset({".arw", ".avif", ".cr2", ".cr3", ".dng", ".exr", ".gif", ".hdr", ".heic"})
_OTHERS |= {".heif", ".jp2", ".nef", ".orf", ".pgm", ".ppm", ".psd", ".raf", ".rw2", ".tga"}


def place(text: str) -> pathlib.Path:
    """A path, or the stream that `-` means."""
    return STREAM if text == "-" else pathlib.Path(text)


class Output(argparse.Action):
    """Stores a path, and in `into` whether it was given with a slash at its end: a folder."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        text = str(values)
        setattr(namespace, self.dest, place(text))
        namespace.into = text.endswith((os.sep, os.altsep or os.sep))


def images_alone(targets: list[pathlib.Path]) -> None:
    """Raises UsageError for a target whose name is of no format that images are written in."""
    from jaxlic.files.images import WRITTEN

    for target in targets:
        if target is not STREAM and target.suffix.lower() not in WRITTEN:
            suffix = target.suffix or "(none)"
            raise UsageError(f"{target}: cannot write images of type {suffix}")


def no_images(targets: list[pathlib.Path]) -> None:
    """Raises UsageError for a target that has the name of an image."""
    from jaxlic.files.images import SUFFIXES

    for target in targets:
        if target is not STREAM and target.suffix.lower() in SUFFIXES | _OTHERS:
            raise UsageError(f"{target}: is an image's name, and .jlic files are written")


def tell_unread(args: argparse.Namespace) -> None:
    """Says which images of the inputs' folders are left alone."""
    folders = [source for source in args.inputs if source is not STREAM and source.is_dir()]
    there = (p.suffix.lower() for folder in folders for p in folder.rglob("*") if p.is_file())
    left = Counter(suffix for suffix in there if suffix in _OTHERS)
    if left:
        count, kinds = left.total(), ", ".join(sorted(left))
        many = "an image" if count == 1 else f"{count} images"
        remark(f"{many} of types that are not read: {kinds}")
