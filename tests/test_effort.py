import itertools

import numpy as np
import pytest

from jaxlic import coding, effort
from jaxlic.errors import Error, ModelError

QUALITY = 40.0


def _worth(codec, params, tables, image, payloads, edge=1024):
    back = coding.decompress(
        codec, params, tables, payloads, image.shape[:2], QUALITY, edge=edge
    )
    error = np.square(back.astype(np.float64) - image).sum()
    size = sum(len(payload) for tile in payloads for payload in tile)
    return 8 * size + codec.lmbda(QUALITY) * error / 3


def test_no_effort_is_the_plain_encoder(tiny, photo):
    image = photo[:65, :130]
    plain = coding.compress(*tiny, image, QUALITY)
    assert effort.compress(*tiny, image, QUALITY, effort=0) == plain


@pytest.mark.parametrize("shape", [(65, 130), (1, 1)])
def test_effort_is_never_worse_and_the_same_again(tiny, photo, shape):
    image = photo[: shape[0], : shape[1]]
    plain = coding.compress(*tiny, image, QUALITY)
    found = effort.compress(*tiny, image, QUALITY, effort=1)
    before, after = (_worth(*tiny, image, payloads) for payloads in (plain, found))
    assert after <= before
    assert after < 0.99 * before or min(shape) == 1
    assert effort.compress(*tiny, image, QUALITY, effort=1) == found


def test_tiles_are_searched_one_by_one(tiny, photo):
    seen = []

    def track(steps, total):
        seen.append(total)
        for step in steps:
            seen.append(step)
            yield step

    plain = coding.compress(*tiny, photo, QUALITY, edge=128)
    found = effort.compress(*tiny, photo, QUALITY, effort=1, edge=128, track=track)
    assert len(found) == len(plain) == 4 and all(map(len, found))
    assert seen[0] == 4 * effort.STEPS[1] and len(seen) <= 1 + seen[0]
    before, after = (_worth(*tiny, photo, p, edge=128) for p in (plain, found))
    assert after < 0.99 * before


def test_the_plain_encoding_is_kept_where_it_is_better(tiny, photo):
    codec, params, tables = tiny

    def worse(params, tables, window, y, y_hat, tile, quality, steps, range_coder):
        yield
        return codec.encode(params, tables, y + 2, quality, range_coder)

    bad = codec._replace(search=worse)
    plain = coding.compress(*tiny, photo, QUALITY)
    assert effort.compress(bad, params, tables, photo, QUALITY, effort=3) == plain


def test_a_search_that_is_given_up_leaves_the_other_tiles_as_they_were(tiny, photo):
    plain = coding.compress(*tiny, photo, QUALITY, edge=128)
    steps = effort.STEPS[1] + 1  # The first tile has ended, the second has not.
    found = effort.compress(
        *tiny,
        photo,
        QUALITY,
        effort=1,
        edge=128,
        track=lambda work, total: itertools.islice(work, steps),
    )
    assert len(found) == 4 and found[2:] == plain[2:]
    before, after = (_worth(*tiny, photo, p, edge=128) for p in (plain, found))
    assert after <= before


def test_efforts_that_are_not_there_are_refused(tiny, photo):
    codec, params, tables = tiny
    for wrong in (-1, 4, 1.0):
        with pytest.raises(Error, match="effort must be 0 to 3"):
            effort.compress(*tiny, photo, QUALITY, effort=wrong)
    without = codec._replace(search=None)
    without = without._replace(analyse=None)  # Told before anything is computed.
    with pytest.raises(ModelError, match="only effort 0"):
        effort.compress(without, params, tables, photo[:64, :64], QUALITY, effort=1)
