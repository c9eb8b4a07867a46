"""From the answers of a study to its results: a scale in JND, or a win rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxlic.errors import UsageError
from jaxlic.study import ab, scale, store
from jaxlic.study.folder import AB, Shown, Study
from jaxlic.study.observers import Observer, observers, sides, swapped
from jaxlic.study.plan import CATCH, CROSS
from jaxlic.study.scale import JND, Answers, Scale
from jaxlic.study.stimuli import SOURCE, TRAP

_RESPONSES = {name: i for i, name in enumerate(store.RESPONSES)}


@dataclasses.dataclass(frozen=True)
class Value:
    """A picture on the scale.

    Attributes:
        picture: its index in `Study.shown`.
        jnd: just-noticeable differences from its original, for the middle observer.
        low, high: ends of the 95 % interval over observers; None with fewer than two.
    """

    picture: int
    jnd: float
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True)
class Result:
    """What a study says.

    Attributes:
        study: the plan.
        observers: all who answered, excluded ones too.
        values: of all pictures but originals and traps; empty for A/B.
        sensitivity, doubt: by worker, of those who count; empty for A/B.
        at_one: by (image, codec) the level where the middle observer sees one JND; None where
            the levels do not reach it.
        own: by (worker, image, codec) the same for each observer.
        verdict: of A/B, on the second codec against the first.
    """

    study: Study
    observers: list[Observer]
    values: list[Value] = dataclasses.field(default_factory=list)
    sensitivity: dict[int, float] = dataclasses.field(default_factory=dict)
    doubt: dict[int, float] = dataclasses.field(default_factory=dict)
    at_one: dict[tuple[int, str], float | None] = dataclasses.field(default_factory=dict)
    own: dict[tuple[int, int, str], float | None] = dataclasses.field(default_factory=dict)
    verdict: ab.Verdict | None = None


def analyse(study: Study, *, draws: int = 400, margin: float = 0.1, seed: int = 0) -> Result:
    """Reads the answers of a study and says what they say.

    Args:
        study: its plan.
        draws: of the bootstrap over observers.
        margin: of A/B, see `ab.judge`.
        seed: of the bootstrap.

    Raises:
        UsageError: if no observer counts, or the plan was changed after the first answers.
        jaxlic.errors.FileError: if the answers cannot be read.
    """
    with store.opened(study) as answers:
        found = observers(study, store.sessions(answers), store.everything(answers))
    counted = [o for o in found if not o.excluded]
    if study.kind == AB:
        verdict = ab.judge([_wins(study, o) for o in counted], margin=margin)
        return Result(study, found, verdict=verdict)
    if not counted:
        raise UsageError(f"{study.path}: no observer counts, of {len(found)} who answered")
    pictures = [i for i, s in enumerate(study.shown) if s.codec not in (SOURCE, TRAP)]
    rows = arrays(study, counted, pictures)
    best, drawn = scale.measure(rows, draws=draws, seed=seed)
    ends: list[tuple[float | None, float | None]] = [(None, None)] * len(pictures)
    if drawn is not None:
        low, high = scale.interval(best.values, drawn, len(counted))
        ends = list(zip((low / JND).tolist(), (high / JND).tolist(), strict=True))
    values = [
        Value(i, float(jnd), *end) for i, jnd, end in zip(pictures, best.jnd, ends, strict=True)
    ]
    middle, own = _levels(study, counted, pictures, best)
    workers = [o.worker for o in counted]
    return Result(
        study,
        found,
        values,
        dict(zip(workers, best.sensitivity.tolist(), strict=True)),
        dict(zip(workers, best.doubt.tolist(), strict=True)),
        middle,
        own,
    )


def arrays(study: Study, counted: Sequence[Observer], pictures: Sequence[int]) -> Answers:
    """Answers to all questions but traps, for `scale.fit`; pictures by place in `pictures`."""
    place = {picture: i for i, picture in enumerate(pictures)}
    rows = []
    for number, observer in enumerate(counted):
        mirrored = swapped(study, observer.version)
        for answer in observer.answers:
            question = study.questions[answer.question]
            if question.sort == CATCH:
                continue
            left, right = sides(question, mirrored[question.id])
            response = _RESPONSES[answer.response]
            rows.append((number, place.get(left, -1), place.get(right, -1), response))
    columns = np.array(rows, int).reshape(-1, 4).T
    return Answers(*columns, pictures=len(pictures), observers=len(counted))


def _levels(
    study: Study, counted: Sequence[Observer], pictures: Sequence[int], best: Scale
) -> tuple[dict[tuple[int, str], float | None], dict[tuple[int, int, str], float | None]]:
    """Where one JND lies, for the middle observer and for each."""
    middle, own = {}, {}
    groups: dict[tuple[int, str], list[int]] = {}
    for place, picture in enumerate(pictures):
        shown = study.shown[picture]
        groups.setdefault((shown.image, shown.codec), []).append(place)
    for (image, codec), places in groups.items():
        rows = [study.shown[pictures[p]] for p in places]
        levels, values = np.array([s.level for s in rows]), best.jnd[places]
        if _is_strength(rows):  # The original is at level 0.
            levels, values = np.append(levels, 0), np.append(values, 0)
        middle[image, codec] = scale.level_at(1, levels, values)
        for observer, sensitivity in zip(counted, best.sensitivity, strict=True):
            found = scale.level_at(1, levels, sensitivity * values)
            own[observer.worker, image, codec] = found
    return middle, own


def _is_strength(shown: Sequence[Shown]) -> bool:
    """Whether levels say how strongly a picture is distorted: they rise with its rank."""
    ranked = [s.level for s in sorted(shown, key=lambda s: s.dlevel)]
    return len(ranked) > 1 and ranked == sorted(ranked) and min(ranked) > 0


def _wins(study: Study, observer: Observer) -> float:
    """The share of photographs, and sides, where the second codec differed less."""
    second = study.codecs[2]
    mirrored = swapped(study, observer.version)
    wins = []
    for answer in observer.answers:
        question = study.questions[answer.question]
        if question.sort == CROSS:
            left, right = sides(question, mirrored[question.id])
            worse = left if answer.response == "left" else right
            wins.append(study.shown[worse].codec != second)
    return float(np.mean(wins)) if wins else 0.5
