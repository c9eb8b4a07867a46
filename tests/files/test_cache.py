"""The cache helps or stays out of the way."""

import os
import pwd
import warnings

import pytest

from jaxlic.errors import FileError
from jaxlic.files import cache

READING = "Error reading persistent compilation cache entry for 'jit_f': ValueError: x"
WRITING = "Error writing persistent compilation cache entry for 'jit_f': OSError: x"


@pytest.fixture
def bare(monkeypatch):
    """A user id without a name, and an environment with nothing in it."""

    def unknown(uid):
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME", "JAXLIC_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    return monkeypatch


def test_the_folder_is_named_or_the_users(bare, tmp_path):
    home, shared, own = (tmp_path / name for name in ("home", "shared", "own"))
    bare.setenv("HOME", str(home))
    assert cache.cache_folder() == home / ".cache" / "jaxlic"
    bare.setenv("XDG_CACHE_HOME", "not/absolute")
    assert cache.cache_folder() == home / ".cache" / "jaxlic"
    bare.setenv("XDG_CACHE_HOME", str(shared))
    assert cache.cache_folder() == shared / "jaxlic"
    bare.setenv("JAXLIC_CACHE", str(own))
    assert cache.cache_folder() == own


def test_without_a_home_nothing_is_kept_and_nothing_fails(bare):
    with pytest.raises(FileError, match="JAXLIC_CACHE"):
        cache.cache_folder()
    import jax

    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        cache.keep_compiled()
        assert jax.config.jax_compilation_cache_dir is None
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_damaged_programs_are_removed_and_it_is_told_once(tmp_path):
    for name in ("jit_f-01-cache", "jit_f-02-cache", "jit_g-01-cache"):
        (tmp_path / name).touch()
    told, shown = [], []
    watch = cache.watcher(tmp_path, lambda *a: shown.append(a), tell=told.append)
    for _ in range(3):
        watch(UserWarning(READING), UserWarning, "compiler.py", 1)
    assert os.listdir(tmp_path) == ["jit_g-01-cache"]
    assert len(told) == 1 and "compiled anew" in told[0] and not shown


def test_a_cache_that_cannot_be_written_is_told_once(tmp_path, monkeypatch):
    told = []
    watch = cache.watcher(tmp_path, lambda *a: None, tell=told.append)
    for _ in range(3):
        watch(UserWarning(WRITING), UserWarning, "compiler.py", 1)
    assert len(told) == 1 and "cannot be written" in told[0]
    watch = cache.watcher(tmp_path / "missing", lambda *a: None, tell=told.append)
    watch(UserWarning(READING), UserWarning, "compiler.py", 1)
    assert len(told) == 2 and "damaged programs and cannot" in told[1]


def test_other_warnings_go_their_way(tmp_path):
    shown = []
    watch = cache.watcher(tmp_path, lambda *a: shown.append(str(a[0])), tell=None)
    watch(UserWarning("other"), UserWarning, "a.py", 1)
    watch(UserWarning(WRITING), UserWarning, "compiler.py", 1)
    assert shown[0] == "other" and "cannot be written" in shown[1]


def test_a_damaged_cache_heals(tmp_path):
    """With JAX's own cache: damaged, compiled anew, then read without a word."""
    import jax
    import jax.numpy as jnp
    from jax.experimental.compilation_cache import compilation_cache

    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    told = []

    def run():
        def triple(x):
            return 3 * x + 1

        jax.jit(triple)(jnp.ones(5)).block_until_ready()

    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXLIC_CACHE", str(tmp_path))
        try:
            jax.config.update(names[0], None)
            compilation_cache.reset_cache()
            cache.keep_compiled(tell=told.append)
            run()
            entries = list((tmp_path / "compiled").glob("jit_triple-*"))
            assert entries
            for entry in entries:
                entry.write_bytes(b"damaged")
            run()
            assert len(told) == 1 and "compiled anew" in told[0]
            assert all(entry.stat().st_size > 100 for entry in entries)
            told.clear()
            run()
            assert told == []
        finally:
            for name, value in before.items():
                jax.config.update(name, value)
            compilation_cache.reset_cache()
