"""Architectures of the user's own, from a file that he or she names."""

from __future__ import annotations

import pathlib
import runpy

from jaxlic.core import Builder
from jaxlic.errors import UsageError


def builders_in(path: pathlib.Path | None) -> tuple[Builder, ...]:
    """`BUILDERS` of a Python file, which is executed; none if no file is named.

    Raises:
        UsageError: if there is no such file, or it has no `BUILDERS`.
    """
    if path is None:
        return ()
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        found = runpy.run_path(str(path)).get("BUILDERS", ())
    except Exception as error:  # It is the user's program: anything may go wrong.
        raise UsageError(f"{path}: {type(error).__name__}: {error}") from error
    if not found or not all(isinstance(builder, Builder) for builder in found):
        raise UsageError(f"{path}: defines no BUILDERS, a tuple of jaxlic.Builder")
    return tuple(found)
