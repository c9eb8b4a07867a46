"""Architectures of the user's own, from a file that he or she names."""

from __future__ import annotations

import contextlib
import os
import pathlib
import runpy
import sys
from collections.abc import Generator

from jaxlic.core import Builder
from jaxlic.errors import UsageError


def builders_in(path: pathlib.Path | None) -> tuple[Builder, ...]:
    """`BUILDERS` of a Python file, which is executed; none if no file is named.

    It finds modules that lie beside it and in the current folder, as Python programs do.

    Raises:
        UsageError: if there is no such file, or it has no `BUILDERS`.
    """
    if path is None:
        return ()
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        with _paths(str(path.resolve().parent), os.getcwd()):
            found = runpy.run_path(str(path)).get("BUILDERS")
    except Exception as error:  # It is the user's program: anything may go wrong.
        raise UsageError(f"{path}: {type(error).__name__}: {error}") from error
    several = isinstance(found, tuple | list) and len(found) > 0
    if not several or not all(isinstance(builder, Builder) for builder in found):
        raise UsageError(f"{path}: defines no BUILDERS, a tuple of jaxlic.Builder")
    return tuple(found)


@contextlib.contextmanager
def _paths(*folders: str) -> Generator[None]:
    before = sys.path.copy()
    sys.path[:0] = folders
    try:
        yield
    finally:
        sys.path[:] = before
