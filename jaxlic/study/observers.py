"""Who counts, by the rules of the plan: what each observer did where the answer is known."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from jaxlic.study.folder import Study
from jaxlic.study.plan import BIAS, CATCH, Question
from jaxlic.study.stimuli import TRAP
from jaxlic.study.store import Answer


@dataclasses.dataclass(frozen=True)
class Observer:
    """An observer's session.

    Attributes:
        worker: a number from 1 on, in the order in which sessions began.
        session: the anonymous id.
        version: of the plan.
        answers: what was said, in the order in which it was received.
        traps: share of the traps answered right, None if there was none yet.
        equal_left, equal_right: how often a side was taken where both pictures were the same.
        excluded: the rules that were broken; the observer counts if there are none.
    """

    worker: int
    session: str
    version: int
    answers: list[Answer]
    traps: float | None
    equal_left: int
    equal_right: int
    excluded: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """The median time of an answer."""
        return statistics.median(a.response_time for a in self.answers) if self.answers else 0.0


def swapped(study: Study, version: int) -> dict[int, bool]:
    """By question, whether a version of the plan shows the pictures on each other's side."""
    return {id_: mirrored for block in study.versions[version] for id_, mirrored in block}


def sides(question: Question, mirrored: bool) -> tuple[int, int]:
    """The pictures on the left and on the right of the screen."""
    return (question.right, question.left) if mirrored else (question.left, question.right)


def observers(
    study: Study, sessions: dict[str, int], answers: Sequence[Answer]
) -> list[Observer]:
    """All who answered anything, with what the rules say of them."""
    by_session: dict[str, list[Answer]] = {session: [] for session in sessions}
    for answer in answers:
        if answer.question in study.questions:
            by_session[answer.session].append(answer)
    found = []
    for worker, (session, own) in enumerate(by_session.items(), 1):
        if own:
            found.append(_observer(study, worker, session, sessions[session], own))
    return found


def _observer(
    study: Study, worker: int, session: str, version: int, own: list[Answer]
) -> Observer:
    mirrored = swapped(study, version)
    right, traps, equal = 0, 0, {"left": 0, "right": 0}
    for answer in own:
        question = study.questions[answer.question]
        if question.sort == CATCH:
            left, _ = sides(question, mirrored[question.id])
            traps += 1
            right += answer.response == ("left" if study.shown[left].codec == TRAP else "right")
        if question.sort == BIAS and answer.response in equal:
            equal[answer.response] += 1
    share = right / traps if traps else None
    return Observer(
        worker,
        session,
        version,
        own,
        share,
        equal["left"],
        equal["right"],
        _broken(study, own, share),
    )


def _broken(study: Study, own: list[Answer], traps: float | None) -> tuple[str, ...]:
    rules, broken = study.rules, []
    if len(own) < rules["answers"] * len(study.questions):
        broken.append(f"answered {len(own)} of {len(study.questions)}")
    if traps is None or traps < rules["traps"]:
        broken.append("no trap seen" if traps is None else f"{traps:.0%} of traps right")
    taken = [a.response for a in own if a.response != "not sure"]
    one = max((taken.count(side) for side in ("left", "right")), default=0)
    if len(taken) >= 10 and one > rules["one_side"] * len(taken):
        broken.append(f"{one} of {len(taken)} on one side")
    fast = sum(a.response_time < rules["fast_seconds"] for a in own)
    if fast > rules["fast"] * len(own):
        broken.append(f"{fast} of {len(own)} in less than {rules['fast_seconds']:g} s")
    return tuple(broken)
