"""A study on disk: `study.json` with the whole plan, and pictures whose names say nothing.

The answers go into `answers.sqlite` beside them. The plan's SHA-256 is stored with the first: a
plan that is changed afterwards is refused, so that its rules were written before.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jaxlic.errors import FileError
from jaxlic.files import disk, images
from jaxlic.study import plan
from jaxlic.study.plan import Question, Version
from jaxlic.study.stimuli import AMPLIFICATION, SOURCE, TRAP, ZOOM, Codec, Stimulus, of_image

PLAN, PICTURES, ANSWERS = "study.json", "pictures", "answers.sqlite"
PLAIN, BOOSTED, AB = "plain", "boosted", "ab"
KINDS = (PLAIN, BOOSTED, AB)
FLICKER = 10.0  # Changes a second.
FORMAT = 1
MAX_PLAN = 64 << 20
_FILE = re.compile(r"p\d{5}\.png", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Shown:
    """A picture of a study that is made: a `Stimulus` without its pixels.

    Attributes:
        file: its name below `PICTURES`.
        width, height: in pixels.
        image, codec, dlevel, level, mse, bytes, bpp: as of `Stimulus`.
    """

    file: str
    width: int
    height: int
    image: int
    codec: str
    dlevel: int
    level: float
    mse: float
    bytes: int | None
    bpp: float | None


@dataclasses.dataclass(frozen=True)
class Study:
    """A plan, read and checked.

    Attributes:
        path: the folder.
        kind: one of `KINDS`.
        title, contact, consent: what the page says.
        flicker: changes a second between picture and original, or 0.
        images: names of the photographs.
        codecs: names; `SOURCE` first, `TRAP` last.
        shown: the pictures.
        questions: by their id.
        versions: see `plan`.
        rules: see `plan.RULES`.
        digest: SHA-256 of the plan's file, hexadecimal.
    """

    path: pathlib.Path
    kind: str
    title: str
    contact: str
    consent: str
    flicker: float
    images: list[str]
    codecs: list[str]
    shown: list[Shown]
    questions: dict[int, Question]
    versions: list[Version]
    rules: dict[str, float]
    digest: str


def make(
    out: pathlib.Path,
    files: Sequence[pathlib.Path],
    codecs: Sequence[Codec],
    *,
    kind: str,
    size: tuple[int, int],
    block: int,
    repeats: int = 1,
    seed: int,
    words: dict[str, str],
) -> Iterator[pathlib.Path]:
    """Writes a study; yields each photograph when its pictures are there. The plan comes last.

    Args:
        out: a new or empty folder.
        files: the photographs.
        codecs: what is compared; two of one level each for `AB`.
        kind: one of `KINDS`.
        size: width and height of the window that is shown.
        block: about how many questions there are between two pauses.
        repeats: how often each pair is asked.
        seed: of everything that is drawn.
        words: `title`, `contact`, `consent`.

    Raises:
        jaxlic.Error: if a photograph cannot be read or the folder cannot be written.
    """
    chance = random.Random(seed)
    (out / PICTURES).mkdir(parents=True, exist_ok=True)
    count = sum(len(codec.levels) for codec in codecs) + 2
    numbers = iter(chance.sample(range(len(files) * count), len(files) * count))
    stimuli: list[Stimulus] = []
    shown: list[Shown] = []
    for number, file in enumerate(files):
        found = of_image(number, file, codecs, size, boosted=kind == BOOSTED)
        for stimulus in found:
            name = f"p{next(numbers):05}.png"
            images.write(out / PICTURES / name, images.Picture(stimulus.pixels))
            height, width = stimulus.pixels.shape[:2]
            fields = {f.name: getattr(stimulus, f.name) for f in dataclasses.fields(stimulus)}
            pixels = fields.pop("pixels")
            stimuli.append(dataclasses.replace(stimulus, pixels=pixels[:0]))
            shown.append(Shown(name, width, height, **fields))
        yield file
    asked = (plan.duels if kind == AB else plan.questions)(stimuli, chance, repeats=repeats)
    written = {
        "format": FORMAT,
        "kind": kind,
        **words,
        "seed": seed,
        "boost": {"amplification": AMPLIFICATION, "zoom": ZOOM} if kind == BOOSTED else None,
        "flicker": FLICKER if kind == BOOSTED else 0,
        "rules": plan.RULES,
        "images": [file.name for file in files],
        "codecs": [SOURCE, *(codec.name for codec in codecs), TRAP],
        "pictures": [dataclasses.asdict(s) for s in shown],
        "questions": [dataclasses.asdict(q) for q in asked],
        "versions": plan.versions(asked, block, chance),
    }
    disk.write_bytes(out / PLAN, _text(written).encode())


def _text(written: dict[str, Any]) -> str:
    """JSON that people can read: a line a picture, question and block."""
    lines = []
    for name, value in written.items():
        if name in ("pictures", "questions"):
            rows: Iterable[str] = (json.dumps(row) for row in value)
            text = "[\n  " + ",\n  ".join(rows) + "\n ]"
        elif name == "versions":
            rows = ("[\n   " + ",\n   ".join(json.dumps(b) for b in v) + "\n  ]" for v in value)
            text = "[\n  " + ",\n  ".join(rows) + "\n ]"
        else:
            text = json.dumps(value)
        lines.append(f' "{name}": {text}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def load(path: pathlib.Path) -> Study:
    """Reads the plan of a study and checks what the rest relies on.

    Raises:
        FileError: if there is none, or it is not what `make` writes.
    """
    file = path / PLAN
    with disk.open_regular(file) as opened:
        data = opened.read(MAX_PLAN + 1)
    try:
        if len(data) > MAX_PLAN:
            raise ValueError("is too large")
        return _checked(path, json.loads(data), hashlib.sha256(data).hexdigest())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{file}: is not the plan of a study ({error})") from error


def _checked(path: pathlib.Path, card: dict[str, Any], digest: str) -> Study:
    if card["format"] != FORMAT:
        raise ValueError(f"format {card['format']!r}")
    if card["kind"] not in KINDS:
        raise ValueError(f"kind {card['kind']!r}")
    words = {name: card[name] for name in ("title", "contact", "consent")}
    if not all(isinstance(text, str) for text in words.values()):
        raise ValueError("texts must be texts")
    if not 0 <= float(card["flicker"]) <= 60:
        raise ValueError("flicker must be 0 to 60 changes a second")
    shown = [Shown(**row) for row in card["pictures"]]
    for row in shown:
        if not _FILE.fullmatch(row.file):
            raise ValueError(f"a picture is called {row.file!r}")
        if not 0 <= row.image < len(card["images"]) or row.codec not in card["codecs"]:
            raise ValueError(f"{row.file} is of no image or codec")
    asked = {row["id"]: plan.unpacked(row) for row in card["questions"]}
    for question in asked.values():
        if not all(
            0 <= i < len(shown) for i in (question.left, question.pivot, question.right)
        ):
            raise ValueError(f"question {question.id!r} shows what is not there")
    versions = [[[(int(i), bool(m)) for i, m in b] for b in v] for v in card["versions"]]
    for version in versions:
        if sorted(id_ for block in version for id_, _ in block) != sorted(asked):
            raise ValueError("a version does not ask every question once")
    if not versions or not asked:
        raise ValueError("asks nothing")
    rules = {name: float(card["rules"][name]) for name in plan.RULES}
    return Study(
        path=path,
        kind=card["kind"],
        **words,
        flicker=float(card["flicker"]),
        images=card["images"],
        codecs=card["codecs"],
        shown=shown,
        questions=asked,
        versions=versions,
        rules=rules,
        digest=digest,
    )
