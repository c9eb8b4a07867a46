"""What is left of a shard that was begun before, and what killed its workers."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

DEATHS = 3  # After so many a shard is bisected, and a single image given up.


class Fate(Enum):
    """What becomes of a piece of a shard."""

    DO = auto()
    DONE = auto()
    GIVE_UP = auto()


class Piece(NamedTuple):
    """Images `low` up to `high` of those that a shard has to do."""

    fate: Fate
    low: int
    high: int


class Attempts(NamedTuple):
    """What stands in `attempt/NNNNN/`.

    Attributes:
        begun: by (low, high) how often a piece was begun and not ended.
        done: pieces whose rows are there.
    """

    begun: Counter[tuple[int, int]]
    done: set[tuple[int, int]]


def marker(turn: int, low: int, high: int) -> str:
    """A new name that says that a piece was begun; `turn` tells a retry from the first time."""
    return f"{turn}-{low}-{high}-{secrets.token_hex(4)}"


def part(turn: int, low: int, high: int) -> str:
    """The name of a piece's rows."""
    return f"{turn}-{low}-{high}.parquet"


def attempts(names: list[str], turn: int) -> Attempts:
    """What the names in the folder say of a turn; other names are ignored."""
    begun: Counter[tuple[int, int]] = Counter()
    done = set()
    for name in names:
        fields = name.removesuffix(".parquet").split("-")
        if not all(field.isdigit() for field in fields[:3]) or len(fields) < 3:
            continue
        which, low, high = map(int, fields[:3])
        if which == turn and len(fields) == 4:
            begun[low, high] += 1
        elif which == turn and name.endswith(".parquet"):
            done.add((low, high))
    return Attempts(begun, done)


def pieces(count: int, seen: Attempts) -> Iterator[Piece]:
    """What is to be done with the `count` images of a shard, in order.

    A shard whose workers died three times is done by halves; a half that was begun and not
    ended is halved again, down to single images, which are given up after three times.
    """

    def walk(low: int, high: int) -> Iterator[Piece]:
        patient = high - low in (1, count)
        if (low, high) in seen.done:
            yield Piece(Fate.DONE, low, high)
        elif seen.begun[low, high] < (DEATHS if patient else 1):
            yield Piece(Fate.DO, low, high)
        elif high - low == 1:
            yield Piece(Fate.GIVE_UP, low, high)
        else:
            middle = (low + high) // 2
            yield from walk(low, middle)
            yield from walk(middle, high)

    return walk(0, count)
