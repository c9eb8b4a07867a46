"""Whose a workdir is: one run's, of one config, settings, images and targets, on all hosts."""

from __future__ import annotations

import hashlib
import json
import pathlib

import numpy as np

from jaxlic.files import disk
from train.crops import Source
from train.experiment import ConfigError
from train.hosts import alike

_OWN = {"config.py", "settings.json", "data.json"}
_EARLY = {*_OWN, "provenance.json", "metrics.jsonl", "checkpoints"}


def digest(source: Source | None) -> str | None:
    """SHA-256 of the names and sizes of images, which decide what is drawn when."""
    if source is None:
        return None
    told = hashlib.sha256(json.dumps(list(source.names)).encode())
    told.update(np.asarray(source.sizes, "<i8").tobytes())
    return told.hexdigest()


def claim(
    workdir: pathlib.Path,
    config: pathlib.Path,
    settings: dict[str, str],
    images: Source,
    targets: Source | None = None,
    *,
    leads: bool = True,
    by_clock: bool = False,
) -> None:
    """Makes the workdir this run's; one whose run came to no step that was told is free.

    `by_clock` is whether minutes decide where its schedules are, instead of steps.

    Raises:
        ConfigError: if it is another run's, or the processes do not do the same.
    """
    text = config.read_bytes()
    data: dict[str, object] = {"images": digest(images), "targets": digest(targets)}
    if by_clock:
        data["by_clock"] = True
    if not alike(json.dumps([settings, data], sort_keys=True).encode() + text):
        raise ConfigError("the processes have different configs, settings, images or targets")
    if not leads:
        return
    if workdir.is_file():
        raise ConfigError(f"{workdir}: exists and is not a training run")
    if not all(path.is_dir() for path in workdir.parents if path.exists()):
        raise ConfigError(f"{workdir}: lies below a file")
    recorded = workdir / "settings.json"
    if recorded.is_file() and _began(workdir):
        if _read(recorded) != settings or (workdir / "config.py").read_bytes() != text:
            raise ConfigError(
                f"{workdir}: holds a run of another config or other settings; "
                "choose a new --workdir, or repeat the old command to resume"
            )
        known = workdir / "data.json"  # Runs of earlier releases have none.
        before = _read(known) if known.is_file() else data
        if before.get("by_clock", False) != by_clock:
            kind, how = ("steps", "without") if by_clock else ("the clock", "with its")
            raise ConfigError(
                f"{workdir}: holds a run by {kind}; choose a new --workdir, or repeat the old "
                f"command, {how} --minutes, to resume"
            )
        if before != data:
            raise ConfigError(
                f"{workdir}: holds a run on other images or targets than are there now; "
                "choose a new --workdir, or resume with those that it began with"
            )
    elif not recorded.is_file() and workdir.is_dir() and any(workdir.iterdir()):
        raise ConfigError(f"{workdir}: exists and is not a training run")
    workdir.mkdir(parents=True, exist_ok=True)
    for name, content in (("data.json", data), ("settings.json", settings)):
        line = json.dumps(content, indent=2, sort_keys=True) + "\n"
        disk.write_bytes(workdir / name, line.encode())
    disk.write_bytes(workdir / "config.py", text)


def _began(workdir: pathlib.Path) -> bool:
    """Whether a run has something to lose there: a step that was told or saved, or more."""
    names, log = {path.name for path in workdir.iterdir()}, workdir / "metrics.jsonl"
    saved = workdir / "checkpoints"
    return (
        bool(names - _EARLY)
        or (saved.is_dir() and any(saved.iterdir()))
        or (log.is_file() and '"kind": "train"' in log.read_text())
    )


def _read(path):
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f"{path}: damaged ({error})") from error
