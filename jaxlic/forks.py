"""JAX does not survive a fork: its threads are gone, and the first call waits for ever."""

from __future__ import annotations

import os

from jaxlic.errors import Error

_started: list[int] = []  # The process in which a model was first loaded.


def check() -> None:
    """Called before JAX is used for a model.

    Raises:
        Error: if a model was loaded in this process's parent, before it was forked.
    """
    if not _started:
        _started.append(os.getpid())
    if _started[0] != os.getpid():
        raise Error(
            "jaxlic was used before this process was forked, which JAX does not survive: "
            "start workers with multiprocessing.get_context('spawn'), or use threads"
        )
