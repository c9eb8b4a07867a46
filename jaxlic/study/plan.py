"""Who is asked what, in which order, on which side: drawn once from a seed, before anybody is.

The questions are divided into blocks. A version of the plan is an order of the blocks (a
balanced Latin square: each block follows each other one equally often) with a side for every
picture; the next version is its mirror image. Observers get the versions in turn.

Source for the kinds of question: ISO/IEC 29170-3 (AIC-3) as its public data show it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

from jaxlic.study.stimuli import SOURCE, TRAP, Stimulus

SAME, CROSS, BIAS, CATCH = "same", "cross", "bias", "trap"
CHECKS = 0.05  # The share of traps, and that of two equal pictures.
REACH = 3  # Across codecs: with how many next in squared error each picture is compared.
LEAST_CHECKS = 2

RULES = {
    "answers": 0.5,
    "traps": 0.7,
    "one_side": 0.9,
    "fast_seconds": 0.4,
    "fast": 0.2,
}
"""When an observer does not count: fewer than a share of the questions answered; fewer than a
share of the traps right; more than a share of the answers that took a side on one and the same;
more than a share of the answers faster than so many seconds."""


@dataclasses.dataclass(frozen=True)
class Question:
    """Which of two pictures differs more from their original?

    Attributes:
        id: from 1 on.
        left, pivot, right: indices of stimuli, before a version mirrors them.
        sort: `SAME` codec, `CROSS` codecs, `BIAS` (two equal pictures) or `CATCH` (the original
            and a picture that nobody takes for it).
    """

    id: int
    left: int
    pivot: int
    right: int
    sort: str


Version = list[list[tuple[int, bool]]]  # Blocks of (question, whether sides are swapped).


def questions(
    stimuli: Sequence[Stimulus], chance: random.Random, *, repeats: int = 1
) -> list[Question]:
    """Triplets for a scale: all pairs within a codec and some across, and the checks.

    Within a codec every level is compared with every other and with the original. Across
    codecs, a picture with the next `REACH` of other codecs in the order of squared error. Each
    pair is asked `repeats` times, the sides in turn.
    """
    pairs: list[tuple[int, int, str]] = []
    for number in sorted({s.image for s in stimuli}):
        own = [i for i, s in enumerate(stimuli) if s.image == number and s.codec != TRAP]
        source = next(i for i in own if stimuli[i].codec == SOURCE)
        for codec in dict.fromkeys(stimuli[i].codec for i in own if i != source):
            levels = [source, *(i for i in own if stimuli[i].codec == codec)]
            pairs += [(a, b, SAME) for a, b in itertools.combinations(levels, 2)]
        ordered = sorted((i for i in own if i != source), key=lambda i: stimuli[i].mse)
        for place, a in enumerate(ordered):
            others = [b for b in ordered[place + 1 :] if stimuli[b].codec != stimuli[a].codec]
            pairs += [(a, b, CROSS) for b in others[:REACH]]
    return _sided(stimuli, repeats * pairs, chance)


def duels(
    stimuli: Sequence[Stimulus], chance: random.Random, *, repeats: int = 1
) -> list[Question]:
    """A/B: both codecs of every photograph, `repeats` times with each on the left; checks."""
    pairs = []
    for number in sorted({s.image for s in stimuli}):
        a, b = (
            i
            for i, s in enumerate(stimuli)
            if s.image == number and s.codec not in (SOURCE, TRAP)
        )
        pairs += [(a, b, CROSS), (b, a, CROSS)]
    return _sided(stimuli, repeats * pairs, chance, swap=False)


def _sided(
    stimuli: Sequence[Stimulus],
    pairs: list[tuple[int, int, str]],
    chance: random.Random,
    *,
    swap: bool = True,
) -> list[Question]:
    """Questions of pairs: the greater error on the left in half of each sort, and checks."""
    checks = max(LEAST_CHECKS, math.ceil(CHECKS * len(pairs) / (1 - 2 * CHECKS)))
    numbers = sorted({s.image for s in stimuli})

    def of(number: int, codec: str) -> int:
        return next(i for i, s in enumerate(stimuli) if (s.image, s.codec) == (number, codec))

    order = chance.sample(numbers, len(numbers))
    traps = [n for n, _ in zip(itertools.cycle(order), range(checks), strict=False)]
    found = [*pairs, *((of(n, SOURCE), of(n, TRAP), CATCH) for n in traps)]
    shown = [i for i, s in enumerate(stimuli) if s.codec not in (SOURCE, TRAP)]
    equal = itertools.cycle(chance.sample(shown, len(shown)))
    found += [(i, i, BIAS) for i, _ in zip(equal, range(checks), strict=False)]
    sided = []
    for sort in (SAME, CROSS, BIAS, CATCH):
        own = [pair for pair in found if pair[2] == sort]
        chance.shuffle(own)
        turn: dict[tuple[int, int], int] = {}
        for a, b, _ in own:
            low, high = sorted((a, b), key=lambda i: (stimuli[i].mse, i))
            turn[low, high] = turn.get((low, high), len(turn)) + 1
            if swap or sort == CATCH:
                a, b = (low, high) if turn[low, high] % 2 == 0 else (high, low)
            sided.append((a, b, sort))
    return [
        Question(id_, a, of(stimuli[a].image, SOURCE), b, sort)
        for id_, (a, b, sort) in enumerate(sided, 1)
    ]


def versions(found: Sequence[Question], block: int, chance: random.Random) -> list[Version]:
    """All versions of the plan: of about `block` questions a block, each sort spread evenly."""
    count = max(1, round(len(found) / block))
    blocks: list[list[int]] = [[] for _ in range(count)]
    dealt = chance.sample(list(found), len(found))
    dealt.sort(key=lambda q: q.sort)
    for place, question in enumerate(dealt):
        blocks[place % count].append(question.id)
    result = []
    for row in latin_square(count):
        orders = [chance.sample(blocks[b], len(blocks[b])) for b in row]
        for mirrored in (False, True):
            result.append([[(id_, mirrored) for id_ in order] for order in orders])
    return result


def latin_square(n: int) -> list[list[int]]:
    """Orders of n things where each follows each other one equally often (Williams 1949).

    >>> latin_square(4)
    [[0, 1, 3, 2], [1, 2, 0, 3], [2, 3, 1, 0], [3, 0, 2, 1]]
    """
    first = [0]
    for step in range(1, n):
        first.append((n - step // 2) % n if step % 2 == 0 else (step + 1) // 2)
    rows = [[(place + shift) % n for place in first] for shift in range(n)]
    return rows if n % 2 == 0 else rows + [row[::-1] for row in rows]


def unpacked(question: dict[str, Any]) -> Question:
    """A question as `study.json` has it."""
    return Question(**question)
