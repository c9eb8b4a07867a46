"""Philox4x32-10: random integers that are a function of a key and a counter, in NumPy.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"
(constants of Random123). There is no state, and nothing but 32-bit integer arithmetic: the
same on every machine, in any order.
"""

from __future__ import annotations

import numpy as np

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_STEPS = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(key: int, counter: np.ndarray) -> np.ndarray:
    """The random words of some counters.

    Args:
        key: 64 bits; its low half is the first word.
        counter: uint32 `[N, 4]`.

    Returns:
        uint32 `[N, 4]`.

    Raises:
        ValueError: if the key has more than 64 bits.

    >>> [hex(int(word)) for word in philox(0, np.zeros((1, 4), np.uint32))[0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    if not 0 <= key < 1 << 64:
        raise ValueError(f"a key has 64 bits, got {key}")
    a, b, c, d = (counter[:, i].astype(np.uint64) for i in range(4))
    first, second = key & 0xFFFFFFFF, key >> 32
    for _ in range(_ROUNDS):
        left, right = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (
            (right >> _HALF) ^ b ^ np.uint64(first),
            right & _LOW,
            (left >> _HALF) ^ d ^ np.uint64(second),
            left & _LOW,
        )
        first, second = (first + _STEPS[0]) & 0xFFFFFFFF, (second + _STEPS[1]) & 0xFFFFFFFF
    return np.stack([a, b, c, d], axis=1).astype(np.uint32)
