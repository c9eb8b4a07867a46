"""Bisection of what kills workers."""

from collections import Counter

import pytest

from jaxlic.batch.pieces import DEATHS, Attempts, Fate, attempts, marker, part, pieces


def _run(count, killers, limit=200):
    """Deaths until a shard is done, and what was given up, with images that kill."""
    names, deaths = [], 0
    while deaths < limit:
        given_up = []
        for fate, low, high in pieces(count, attempts(names, 0)):
            if fate is Fate.GIVE_UP:
                given_up.append(low)
            elif fate is Fate.DO:
                names.append(marker(0, low, high))
                if any(low <= k < high for k in killers):
                    deaths += 1
                    break
                names.append(part(0, low, high))
        else:
            return deaths, given_up
    raise AssertionError("never done")


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_one_image_that_kills_is_found_in_few_deaths(count):
    levels = (count - 1).bit_length()
    for killer in range(count):
        deaths, given_up = _run(count, {killer})
        assert given_up == [killer]
        assert deaths <= DEATHS + max(levels - 1, 0) + DEATHS


def test_several_that_kill_are_all_found_and_the_others_done():
    deaths, given_up = _run(16, {0, 5, 15})
    assert given_up == [0, 5, 15] and deaths < 40


def test_a_whole_shard_is_tried_three_times_before_it_is_cut():
    whole = Attempts(Counter({(0, 8): DEATHS - 1}), set())
    assert [tuple(p) for p in pieces(8, whole)] == [(Fate.DO, 0, 8)]
    cut = Attempts(Counter({(0, 8): DEATHS, (0, 4): 1}), {(0, 4)})
    assert [tuple(p) for p in pieces(8, cut)] == [(Fate.DONE, 0, 4), (Fate.DO, 4, 8)]


def test_names_of_other_turns_and_of_others_are_ignored():
    names = [marker(0, 0, 8), marker(2, 0, 8), part(2, 0, 4), "x-y", "-.parquet", "1-2", ".tmp"]
    assert attempts(names, 2) == Attempts(Counter({(0, 8): 1}), {(0, 4)})
