"""Where compiled programs and packed training data are kept."""

from __future__ import annotations

import os
import pathlib


def cache_folder() -> pathlib.Path:
    """`$JAXLIC_CACHE`, or `jaxlic` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("JAXLIC_CACHE") or pathlib.Path(base) / "jaxlic")


def keep_compiled() -> None:
    """Keeps compiled programs in the cache folder, so that the next process starts fast.

    What the command line does. It configures JAX for the whole process, and leaves a cache
    that is already configured alone; where the folder cannot be written, nothing is kept.
    """
    import jax

    if jax.config.jax_compilation_cache_dir is not None:
        return
    compiled = cache_folder() / "compiled"
    try:
        compiled.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(compiled))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
