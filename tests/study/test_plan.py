import itertools
import random
from collections import Counter

import numpy as np
import pytest

from jaxlic.study import plan
from jaxlic.study.stimuli import SOURCE, TRAP, Stimulus

EMPTY = np.zeros((0, 8, 3), np.uint8)


def _stimuli(images=3, codecs=("a", "b"), levels=4):
    rows = []
    for image in range(images):
        rows.append(Stimulus(image, SOURCE, 0, 0, 0.0, None, None, EMPTY))
        for shift, codec in enumerate(codecs):
            rows += [
                Stimulus(image, codec, i + 1, i, i + 1 + shift / 3, 9, 1.0, EMPTY)
                for i in range(levels)
            ]
        rows.append(Stimulus(image, TRAP, 0, 0, 99.0, None, None, EMPTY))
    return rows


def test_every_pair_within_a_codec_is_asked_and_some_across():
    stimuli = _stimuli()
    found = plan.questions(stimuli, random.Random(0))
    count = Counter(q.sort for q in found)
    assert count[plan.SAME] == 3 * 2 * 10  # Of the original and four levels.
    assert count[plan.CROSS] > 3 * 8
    assert [q.id for q in found] == list(range(1, len(found) + 1))
    pairs = {(q.sort, *sorted((q.left, q.right))) for q in found if q.sort in ("same", "cross")}
    assert len(pairs) == count[plan.SAME] + count[plan.CROSS]
    for q in found:
        image = stimuli[q.pivot].image
        assert stimuli[q.pivot].codec == SOURCE
        assert {stimuli[q.left].image, stimuli[q.right].image} == {image}


def test_one_in_twenty_is_a_trap_and_one_in_twenty_two_equal_pictures():
    stimuli = _stimuli()
    found = plan.questions(stimuli, random.Random(0))
    for sort in (plan.BIAS, plan.CATCH):
        share = sum(q.sort == sort for q in found) / len(found)
        assert 0.05 <= share < 0.06
    for q in found:
        if q.sort == plan.BIAS:
            assert q.left == q.right
        if q.sort == plan.CATCH:
            assert {stimuli[q.left].codec, stimuli[q.right].codec} == {SOURCE, TRAP}


def test_sides_are_balanced_within_a_version_and_mirrored_in_the_next():
    stimuli = _stimuli()
    asked = plan.questions(stimuli, random.Random(1))
    for sort in (plan.SAME, plan.CROSS, plan.CATCH):
        own = [q for q in asked if q.sort == sort]
        left = sum(stimuli[q.left].mse > stimuli[q.right].mse for q in own)
        assert abs(2 * left - len(own)) <= 1
    versions = plan.versions(asked, 20, random.Random(1))
    for one, two in zip(versions[::2], versions[1::2], strict=True):
        flat = [dict(itertools.chain(*version)) for version in (one, two)]
        assert flat[0].keys() == flat[1].keys() == {q.id for q in asked}
        assert all(flat[0][id_] != flat[1][id_] for id_ in flat[0])


def test_repeated_pairs_change_sides():
    stimuli = _stimuli(images=1)
    once = plan.questions(stimuli, random.Random(1))
    asked = [
        q for q in plan.questions(stimuli, random.Random(1), repeats=4) if q.sort == plan.SAME
    ]
    assert len(asked) == 4 * sum(q.sort == plan.SAME for q in once)
    sides = Counter((q.left, q.right) for q in asked)
    assert set(sides.values()) == {2} and all((b, a) in sides for a, b in sides)


def test_blocks_are_alike_and_counterbalanced():
    asked = plan.questions(_stimuli(), random.Random(0))
    versions = plan.versions(asked, 30, random.Random(0))
    sort = {q.id: q.sort for q in asked}
    blocks = versions[0]
    count = len(blocks)
    for kind in (plan.BIAS, plan.CATCH, plan.SAME):
        numbers = [sum(sort[id_] == kind for id_, _ in block) for block in blocks]
        assert max(numbers) - min(numbers) <= 1
    names = {frozenset(id_ for id_, _ in block): i for i, block in enumerate(blocks)}
    after = Counter()
    for version in versions:
        order = [names[frozenset(id_ for id_, _ in block)] for block in version]
        after.update(itertools.pairwise(order))
    assert len(after) == count * (count - 1) and len(set(after.values())) == 1


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 9])
def test_in_the_square_each_follows_each_other_equally_often(n):
    rows = plan.latin_square(n)
    assert all(sorted(row) == list(range(n)) for row in rows)
    after = Counter(pair for row in rows for pair in itertools.pairwise(row))
    assert len(set(after.values())) <= 1 and len(after) == n * (n - 1)
    first = Counter(row[0] for row in rows)
    assert len(first) == n and len(set(first.values())) == 1


def test_the_plan_follows_from_the_seed():
    def drawn(seed):
        chance = random.Random(seed)
        asked = plan.questions(_stimuli(), chance)
        return asked, plan.versions(asked, 20, chance)

    assert drawn(3) == drawn(3) and drawn(3) != drawn(4)


def test_duels_show_each_pair_from_both_sides():
    stimuli = _stimuli(levels=1)
    asked = [q for q in plan.duels(stimuli, random.Random(0)) if q.sort == plan.CROSS]
    pairs = {(q.left, q.right) for q in asked}
    assert len(pairs) == len(asked) == 6
    assert pairs == {(b, a) for a, b in pairs}
