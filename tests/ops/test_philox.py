import numpy as np
import pytest

from jaxlic.ops.philox import philox

# Known answers of Random123 (kat_vectors), philox4x32 with 10 rounds: counter, key, words.
KNOWN = [
    ([0] * 4, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    (
        [0xFFFFFFFF] * 4,
        0xFFFFFFFFFFFFFFFF,
        [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
    ),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        0x299F31D0A4093822,
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter, key, words):
    assert philox(key, np.array([counter], np.uint32))[0].tolist() == words


def test_every_counter_is_by_itself():
    counters = np.arange(40, dtype=np.uint32).reshape(10, 4)
    together = philox(5, counters)
    for i in range(10):
        np.testing.assert_array_equal(philox(5, counters[i : i + 1])[0], together[i])
    assert len(np.unique(together)) == 40


def test_a_key_of_more_than_64_bits_is_refused():
    with pytest.raises(ValueError, match="64 bits"):
        philox(1 << 64, np.zeros((1, 4), np.uint32))
