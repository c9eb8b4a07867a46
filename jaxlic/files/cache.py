"""Where compiled programs and packed training data are kept."""

from __future__ import annotations

import os
import pathlib
import re
import warnings
from collections.abc import Callable
from typing import Any

from jaxlic.errors import FileError

_MESSAGE = re.compile(
    r"Error (?P<what>reading|writing) persistent compilation cache entry for '(?P<program>.*?)'"
)


def cache_folder() -> pathlib.Path:
    """`$JAXLIC_CACHE`, or `jaxlic` in the user's cache folder.

    Raises:
        FileError: if the user has no home and the environment names no folder.
    """
    if named := os.environ.get("JAXLIC_CACHE"):
        return pathlib.Path(named)
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return pathlib.Path(base) / "jaxlic"
    home = os.path.expanduser("~")  # Stays as it is for a user without a home.
    if not os.path.isabs(home):
        raise FileError("there is no home folder to keep a cache in; set JAXLIC_CACHE")
    return pathlib.Path(home) / ".cache" / "jaxlic"


def keep_compiled(*, tell: Callable[[str], None] | None = None) -> None:
    """Keeps compiled programs in the cache folder, so that the next process starts fast.

    What the command line does. It configures JAX and warnings for the whole process, and leaves
    a cache that is already configured alone. Where there is no folder, nothing is kept. If it
    cannot be written, or holds damaged programs, that is told once; what is damaged is made
    anew.

    Args:
        tell: takes these two messages; by default they are warnings.
    """
    import jax

    # JAX makes the attributes of its config at run time.
    if jax.config.jax_compilation_cache_dir is not None:  # ty: ignore[missing-attribute]
        return
    try:
        compiled = cache_folder() / "compiled"
        compiled.mkdir(parents=True, exist_ok=True)
        os.listdir(compiled)
    except (FileError, OSError):
        return
    jax.config.update("jax_compilation_cache_dir", str(compiled))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    warnings.filterwarnings("always", _MESSAGE.pattern)
    show = watcher(compiled, warnings.showwarning, tell=tell)
    warnings.showwarning = show  # ty: ignore[invalid-assignment] - made to be replaced


def watcher(
    folder: pathlib.Path, show: Callable[..., None], *, tell: Callable[[str], None] | None
) -> Callable[..., None]:
    """A `warnings.showwarning` that mends the cache in `folder`, and else does as `show`.

    JAX warns of every entry that it cannot use, each time it is wanted, and never replaces one.
    """
    told: set[str] = set()

    def watch(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        found = _MESSAGE.match(str(message))
        if found is None:
            return show(message, *args, **kwargs)
        if found["what"] == "writing":
            text = "cannot be written; programs are compiled each time"
        elif _remove(folder, found["program"]):
            text = "held damaged programs; they are compiled anew"
        else:
            text = "holds damaged programs and cannot be written"
        if text not in told:
            told.add(text)
            if tell is None:
                show(f"{folder}: {text}", *args, **kwargs)
            else:
                tell(f"{folder}: {text}")

    return watch


def _remove(folder: pathlib.Path, program: str) -> bool:
    """Removes what JAX keeps of a program; whether that was possible."""
    try:
        for path in folder.iterdir():
            if path.name.startswith(f"{program}-") and path.name.endswith("-cache"):
                path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
