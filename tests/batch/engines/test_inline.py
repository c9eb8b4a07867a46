"""No engine."""

import pytest

from jaxlic.batch.drive import drive
from jaxlic.batch.engines.inline import Inline
from jaxlic.batch.shard import Done


def test_shards_are_done_here_one_after_the_other():
    seen, totals = [], Done()

    def prepare():
        seen.append("prepared")
        return lambda number: seen.append(number) or Done(images=number)

    drive(Inline(prepare), [4, 5], lambda done: totals.add(done or Done()))
    assert seen == ["prepared", 4, 5] and totals.images == 9


def test_what_is_raised_is_raised():
    def fail(number):
        raise KeyError(number)

    with pytest.raises(KeyError):
        drive(Inline(lambda: fail), [4, 5], lambda done: None)
