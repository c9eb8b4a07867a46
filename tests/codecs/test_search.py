import jax
import numpy as np
import pytest

from jaxlic import coding
from jaxlic.codecs import search
from jaxlic.codecs.search import searcher
from jaxlic.codecs.transform import transform_codec
from jaxlic.entropy.models import IndexedGaussian
from jaxlic.entropy.range_coder import CONSTRICTION
from jaxlic.errors import ModelError
from jaxlic.models import Spec, build
from jaxlic.ops.tiling import tiles
from tests.codecs.test_contract import SMALL
from tests.random_params import random_params

QUALITY = 50.0


def _search(codec, params, tables, image, steps):
    """The payloads of an image of one tile, and how many steps were made."""
    ratio = codec.geometry.latent_stride
    (tile,) = tiles(*image.shape[:2], codec.geometry.halo)
    size = np.array([image.shape[:2]], np.int32)
    y = codec.analyse(params, image[None], np.full(1, QUALITY, np.float32), size)
    y = np.asarray(y)[0]
    running = codec.search(
        params, tables, image, y, np.round(y), tile.shrunk(ratio), QUALITY, steps, CONSTRICTION
    )
    made = 0
    while True:
        try:
            next(running)
        except StopIteration as stop:
            return stop.value, made
        made += 1


@pytest.mark.parametrize("builder", ["dkic.lapped", "hyperprior.lapped", "pyramid.lapped"])
def test_a_search_writes_what_it_chose(builder, photo, monkeypatch):
    codec = transform_codec(build(Spec(builder, SMALL[builder])))
    image = photo[:64, :128]
    params = random_params(codec.init, np.zeros((1, 64, 64, 3), np.float32), jax.random.key(0))
    tables, chosen, real = codec.tables(params), [], search._descend

    def descend(*args):
        best = yield from real(*args)
        chosen.append((args[0], best))
        return best

    monkeypatch.setattr(search, "_descend", descend)
    payloads, made = _search(codec, params, tables, image, 2)
    assert 1 <= made <= 2
    ((first, best),) = chosen
    assert np.any(best != first.y_hat)
    shape = best.shape[:2]
    found = codec.decode(params, tables, payloads, QUALITY, shape, CONSTRICTION)
    np.testing.assert_array_equal(found, best)


def test_moves_are_those_that_gain_most_in_their_region():
    shape = (4, 8, 2)
    rng = np.random.default_rng(0)
    slope, up = rng.normal(0, 20, shape), rng.normal(1, 1, shape)
    here = search._State(np.zeros(shape), slope, up, -up, np.zeros((1, 2)))
    curvature, share = np.full(shape, 3.0), np.array([[0.0, 0.5]])
    moves = search._moves(here, curvature, share, 4)
    assert not moves[:, :4].any() and moves[:, 4:].any()
    change = moves * (slope + up) + np.abs(moves) * curvature
    assert np.all(change[moves != 0] < 0)
    full = search._moves(here, curvature, np.ones((1, 2)), 4)
    left = (full != 0) & (moves == 0)
    left[:, :4] = False
    gains = -(full * (slope + up) + np.abs(full) * curvature)
    assert gains[left].max() <= gains[moves != 0].min()
    assert abs(int(left.sum()) - int((moves != 0).sum())) <= 1


def test_regions_of_any_shape_are_summed_and_spread():
    a = np.arange(35.0).reshape(5, 7)
    sums = search._sums(a, 4)
    assert sums.shape == (2, 2) and sums.sum() == a.sum() and sums[1, 1] == a[4:, 4:].sum()
    spread = search._spread(sums, 4, a.shape)
    assert spread.shape == a.shape and spread[0, 0] == sums[0, 0] and spread[4, 6] == sums[1, 1]


def test_a_model_that_codes_other_numbers_has_no_search(tiny, photo):
    codec, params, tables = tiny

    def doubled(params, y, coder, quality):
        return np.asarray(coder("y", 2 * y[None], _model(y), None))[0]

    found = searcher(
        build(Spec("hyperprior.lapped", SMALL["hyperprior.lapped"])),
        float,
        doubled,
        codec.encode,
    )
    with pytest.raises(ModelError, match="no search"):
        _search(codec._replace(search=found), params, tables, photo[:64, :64], 1)


def _model(y):
    return IndexedGaussian(np.zeros_like(y[None]), np.zeros_like(y[None]))


def test_payloads_are_smaller_at_equal_error(tiny, photo):
    codec, params, tables = tiny
    image = photo[:128, :128]
    (payloads,), _ = _search(codec, params, tables, image, 5)
    ((plain,),) = coding.compress(codec, params, tables, image, QUALITY)

    def worth(payload):
        x_hat = coding.decompress(codec, params, tables, [[payload]], (128, 128), QUALITY)
        error = np.square(x_hat.astype(np.float64) - image).sum()
        return 8 * len(payload) + codec.lmbda(QUALITY) * error / 3

    assert worth(payloads) < 0.98 * worth(plain)
