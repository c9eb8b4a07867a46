"""A job's folder and `job.json`, which says all that its outputs depend on.

job.json               arguments, versions, fingerprints; is there when the plan is whole
plan/NNNNN.parquet     the images of a shard
out/...                what becomes of them
report/NNNNN.parquet   rows of a finished shard; put after its outputs
attempt/NNNNN/...      who began a shard and did not finish it; how far a bisection is
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import jaxlic
from jaxlic.batch.store import Store
from jaxlic.batch.tasks import Kind, Task
from jaxlic.errors import FileError, UsageError, one_line

JOB = "job.json"
_FORMAT = 1
_PACKAGES = ("jax", "jaxlib", "flax", "numpy", "pillow", "imagecodecs", "constriction")


class Job(NamedTuple):
    """What `job.json` holds.

    Attributes:
        command: one of `tasks.COMMANDS`.
        arguments: of the task, and the input.
        versions: of the packages that pixels and bytes come from.
        model, stream, pixels: of the model: id, fingerprints.
        shards, images, bytes: how many there are; bytes where they are known.
        kinds: what workers compile before they begin.
    """

    command: str
    arguments: dict[str, Any]
    versions: dict[str, str]
    model: str
    stream: str
    pixels: str
    shards: int = 0
    images: int = 0
    bytes: int = 0
    kinds: Sequence[Kind] = ()


def plan_of(shard: int) -> str:
    """The name of a shard's plan."""
    return f"plan/{shard:05}.parquet"


def report_of(shard: int) -> str:
    """The name of a shard's report."""
    return f"report/{shard:05}.parquet"


def versions() -> dict[str, str]:
    """Versions of what pixels and bytes come from."""
    found = {"jaxlic": jaxlic.__version__}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def new(command: str, arguments: dict[str, Any], task: Task) -> Job:
    """A job of which nothing is planned yet."""
    return Job(command, arguments, versions(), task.model, task.stream, task.pixels)


def save(store: Store, job: Job) -> None:
    """Writes `job.json`. Raises FileError."""
    text = json.dumps({"format": _FORMAT, **job._asdict()}, indent=1)
    store.write(JOB, (text + "\n").encode())


def load(store: Store) -> Job | None:
    """What is in the folder; None if there is no job. Raises FileError if it is damaged."""
    url = store.at(JOB)
    if JOB not in store.names(""):
        return None
    try:
        fields = json.loads(store.read(url))
        if fields.pop("format") != _FORMAT:
            raise FileError(f"{url}: written by another release")
        kinds = [tuple((int(h), int(w)) for h, w in kind) for kind in fields.pop("kinds")]
        job = Job(**fields, kinds=kinds)
        if not isinstance(job.shards, int) or not isinstance(job.arguments, dict):
            raise ValueError("a field is of another type")
        return job
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{url}: damaged ({one_line(error)})") from error


def existing(store: Store) -> Job:
    """As `load`, where there must be one. Raises UsageError if there is none."""
    job = load(store)
    if job is None:
        raise UsageError(f"{store.root}: holds no job ({JOB} is missing)")
    return job


def check(store: Store, job: Job, wanted: Job, *, other_versions: bool = False) -> None:
    """Refuses to go on with a job as if it were another.

    Args:
        store: of the job.
        job: what is in its folder.
        wanted: what the command says, with the model and the packages of this process.
        other_versions: whether other versions of packages will do.

    Raises:
        UsageError: if they would not give the same bytes.
    """
    differ = [
        (name, getattr(job, name), getattr(wanted, name))
        for name in ("command", "model", "stream", "pixels")
    ]
    differ += _unlike(job.arguments, wanted.arguments)
    differ += [] if other_versions else _unlike(job.versions, wanted.versions)
    for name, there, here in differ:
        if there != here:
            hint = "; --other-versions goes on all the same" if name in wanted.versions else ""
            raise UsageError(
                f"{store.at(JOB)}: begun with {name} {there}, not {here}: its outputs would "
                f"not be alike. Take another folder{hint}"
            )


def _unlike(there: dict[str, Any], here: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    names = dict.fromkeys([*there, *here])
    return [(name, there.get(name), here.get(name)) for name in names]
