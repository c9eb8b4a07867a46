"""Levels: what each needs, what each holds, and what is drawn in the place of the others."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic import coding
from jaxlic.codecs.hyperprior import ideal_step, lmbda
from jaxlic.codecs.pyramid import LAMBDAS
from jaxlic.codecs.sic import LOWER, OCTAVE, coarser
from jaxlic.entropy.detail import Detail, Routed
from jaxlic.entropy.range_coder import CONSTRICTION
from jaxlic.errors import BitstreamError, ModelError
from jaxlic.models import Spec, assemble, build, load_model
from tests.levelled import LEVELLED, LEVELS, QUALITY, folder, levelled
from tests.random_params import random_params

SHAPE = (128, 64)


@pytest.fixture(scope="module")
def payloads(photo):
    codec, params, tables = levelled()
    return coding.compress(codec, params, tables, photo[:128, :64], QUALITY)


def _latents(payloads, detail=None):
    codec, params, tables = levelled()
    return coding.latents(codec, params, tables, payloads, SHAPE, QUALITY, detail=detail)


def _cut(payloads, level):
    return [tile[:level] for tile in payloads]


class _Recorder:
    """Answers with given integers, and keeps the distributions that it was asked with."""

    reads = False

    def __init__(self, integers):
        self._integers, self.seen = integers, {}

    def __call__(self, name, y, model, size=None):
        offset, indexes = (
            np.broadcast_to(a, y.shape).copy() for a in (model.offset, model.indexes)
        )
        self.seen[name] = (offset, indexes, model.table)
        own = self._integers.setdefault(name, np.zeros(y.shape, np.float32))
        return offset + own


def _asked(integers):
    """The distributions of every answer of `code`, in NumPy, by name."""
    module, (_, params, _) = build(LEVELLED), levelled()
    recorder = _Recorder(integers)
    y = np.zeros((1, 8, 4, module.latents), np.float32)
    size, quality = np.array([8, 4], np.int32), np.full(1, QUALITY, np.float32)
    module.apply(params, y, recorder, quality, size, method="code")
    return recorder.seen


def test_levels_are_named_in_coding_order_and_take_two_passes_at_most():
    module = build(Spec("sic.lapped", {}))
    levels = list(module.level_of.values())
    assert module.levels == 10 and sorted(levels) == levels
    assert set(levels) == set(range(10))
    names = [name for name in module.level_of if name != "z"]
    counts = np.bincount([module.level_of[name] for name in names])
    assert counts.max() <= 2
    assert build(LEVELLED).levels == LEVELS


@pytest.mark.parametrize("level", range(1, LEVELS))
def test_no_table_of_a_level_depends_on_later_ones(level):
    module, rng = build(LEVELLED), np.random.default_rng(level)
    integers = {}
    for name, (offset, _, _) in _asked({}).items():
        integers[name] = rng.integers(-3, 4, offset.shape).astype(np.float32)
    before = _asked(dict(integers))
    for name, own in integers.items():
        if module.level_of[name] >= level:
            integers[name] = own + rng.integers(1, 4, own.shape)
    after = _asked(dict(integers))
    assert list(before) == list(module.level_of)
    changed = {
        name: np.any(before[name][0] != after[name][0])
        or np.any(before[name][1] != after[name][1])
        for name in before
    }
    assert not any(changed[name] for name in before if module.level_of[name] < level)
    # But later passes do look at what came before.
    if level < LEVELS - 2:
        assert any(changed.values())


def test_all_levels_hold_the_hard_quantised_latent(payloads, photo):
    codec = assemble(LEVELLED, quantise=_hard)
    x = jnp.asarray(photo[None, :128, :64] / np.float32(255))
    _, params, _ = levelled()
    rec = jax.jit(codec.forward)(params, x, jnp.full(1, QUALITY), jax.random.key(0))
    same = np.isclose(_latents(payloads), rec.aux["y_hat"][0], atol=1e-2)
    assert same.mean() > 0.995
    assert rec.aux["level_bits"].shape == (1, LEVELS)
    np.testing.assert_allclose(rec.aux["level_bits"].sum(), sum(rec.bits.values()), rtol=1e-5)
    real = 8 * np.array([len(level) for level in payloads[0]])
    estimated = np.asarray(rec.aux["level_bits"][0])
    assert np.all(real < 1.1 * estimated + 64) and real.sum() > 0.5 * estimated.sum()


def _hard(y, offset, key):
    from jaxlic.ops import quantisation

    return quantisation.hard(y, offset, key)


def test_what_was_sent_stays_and_the_rest_is_drawn(payloads):
    module, whole = build(LEVELLED), _latents(payloads)
    for level in range(1, LEVELS + 1):
        cut = _cut(payloads, level)
        mean, drawn = _latents(cut), _latents(cut, Detail(seed=3))
        again, other = _latents(cut, Detail(seed=3)), _latents(cut, Detail(seed=4))
        np.testing.assert_array_equal(drawn, again)
        np.testing.assert_array_equal(mean, _latents(cut, Detail("mean", seed=9)))
        assert np.isfinite(drawn).all()
        if level == LEVELS:
            np.testing.assert_array_equal(drawn, whole)
            np.testing.assert_array_equal(mean, whole)
            continue
        assert np.any(drawn != other) and np.any(drawn != mean)
        sent = module.apply({}, (1, 8, 4, 48), jnp.array([level]), method="sent")[0] > 0
        # Within the coarse cell that was sent, up to the few that lie beyond it.
        near = np.abs(drawn - whole)[np.asarray(sent)]
        assert near.size == 0 or np.mean(near) < 3
    coarse = LEVELS - 4
    sent = module.apply({}, (1, 8, 4, 48), jnp.array([coarse]), method="sent")
    assert np.all(sent == 1)


def test_levels_bring_the_latent_nearer(payloads):
    whole = _latents(payloads)
    errors = [
        np.mean(np.square(_latents(_cut(payloads, level)) - whole))
        for level in range(1, LEVELS + 1)
    ]
    assert errors[0] > errors[-2] > errors[-1] == 0  # Untrained: not each the next.


def test_pictures_of_a_level_are_told_it(payloads):
    codec, params, tables = levelled()
    y_hat = _latents(payloads)
    low, high = (
        coding.synthesise(codec, params, y_hat, SHAPE, QUALITY, level=level)
        for level in (1, LEVELS)
    )
    assert np.any(low != high)
    every = coding.decompress(codec, params, tables, payloads, SHAPE, QUALITY)
    np.testing.assert_array_equal(high, every)


def test_a_tile_with_fewer_levels_holds_the_others_back(photo):
    codec, params, tables = levelled()
    image = photo[:128, :128]
    found = coding.compress(codec, params, tables, image, QUALITY, edge=64)
    uneven = [tile[: 3 - (i == 1)] for i, tile in enumerate(found)]
    back = coding.decompress(codec, params, tables, uneven, (128, 128), QUALITY, edge=64)
    even = _cut(found, 2)
    expected = coding.decompress(codec, params, tables, even, (128, 128), QUALITY, edge=64)
    np.testing.assert_array_equal(back, expected)


def test_damaged_levels_are_refused_or_finite(payloads):
    codec, params, tables = levelled()
    first, rng = payloads[0], np.random.default_rng(0)
    for _ in range(20):
        level = int(rng.integers(LEVELS))
        damaged = list(first)
        damaged[level] = rng.bytes(len(first[level]) & ~3)
        try:
            y = codec.decode(params, tables, damaged, QUALITY, (8, 4), CONSTRICTION)
        except BitstreamError:
            continue
        assert np.isfinite(y).all()


def test_forward_draws_members_at_levels_of_their_own(photo):
    spec = Spec(LEVELLED.builder, LEVELLED.settings | dict(passes=[1, 1, 1], planes=1))
    codec, levels = assemble(spec, samples=2), build(spec).levels
    x = jnp.asarray(np.stack([photo[:64, :64], photo[64:128, :64]]) / np.float32(255))
    params = random_params(codec.init, x[:1], jax.random.key(0), scale=0.03)

    def cost(params):
        rec = codec.forward(params, x, jnp.full(2, QUALITY), jax.random.key(4))
        return jnp.mean(jnp.square(rec.aux["pictures"] - x)) + 1e-6 * sum(
            jnp.sum(bits) for bits in rec.bits.values()
        ), rec

    (_, rec), slopes = jax.jit(jax.value_and_grad(cost, has_aux=True))(params)
    aux = rec.aux
    assert aux["pictures"].shape == (*aux["pictures"].shape[:2], 64, 64, 3)
    assert aux["pictures"].shape[:2] == (3, 2) and aux["again"].shape == aux["latents"].shape
    assert np.all((np.asarray(aux["level"]) >= 1) & (np.asarray(aux["level"]) <= levels))
    leaves = jax.tree.leaves(slopes)
    assert all(bool(jnp.isfinite(a).all()) for a in leaves)
    assert np.mean([float(jnp.abs(a).sum()) > 0 for a in leaves]) > 0.85
    for i, level in enumerate(np.asarray(aux["level"])):
        same = np.asarray(aux["latents"][1, i]) == np.asarray(aux["latents"][0, i])
        assert same.all() == (level == levels)
        told, sent = np.asarray(aux["told"][1:, i]), np.asarray(aux["sent"][i])
        np.testing.assert_array_equal(told[0], told[1])
        assert not told[0][sent == 0].any()
        own = np.asarray(aux["latents"][:, i])
        alike = (own == own[0]).all(axis=0) & (sent > 0)
        assert alike.any() and (told[0] == own[0])[alike].mean() > 0.8
    assert levels in np.asarray(aux["level"])  # And one that is not.
    assert len(np.unique(aux["level"])) == 2


def test_the_path_to_the_tables_is_proved_exact():
    codec, params, _ = levelled()
    assert 0 < codec.check(params)[0] < 2**24


def test_the_coarse_plane_has_a_quality_of_its_own():
    low, high = (lmbda(np.float32(q), between=LAMBDAS) for q in (20, 20 + OCTAVE))
    assert ideal_step(float(low)) / ideal_step(float(high)) == pytest.approx(2, rel=1e-3)
    np.testing.assert_allclose(coarser(np.array([40.0, 10.0], "f4")), [40 - LOWER, 1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(groups=[16, 48]), "64 in groups of 320"),
        (dict(planes=0), "of 320, 0 planes"),
        (dict(slices=[160, 160], passes=[1, 3]), "1, 2 or 4"),
    ],
)
def test_settings_that_make_no_codec_are_refused(settings, message):
    with pytest.raises(ModelError, match=message):
        build(Spec("sic.lapped", settings))


def test_a_folder_with_planes_beyond_number_is_refused(place):
    about = json.loads((place / "model.json").read_text())
    about["settings"]["planes"] = 32
    (place / "model.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match="planes"):
        load_model(place)


@pytest.fixture
def place(tmp_path):
    return folder(tmp_path / "model")


def test_routes_read_only_where_the_first_level_is_read():
    assert not Routed({}, [lambda *_: None]).reads
