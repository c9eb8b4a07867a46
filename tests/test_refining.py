"""A refiner of random weights: what is promised of every one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic import coding, refining
from jaxlic.diffusion.samplers import ddim, ddpm
from jaxlic.diffusion.schedule import cosine, grid
from jaxlic.models import Spec, assemble
from tests.conftest import TINY
from tests.random_params import random_params

SPEC = Spec(
    "refined.lapped",
    dict(base="hyperprior", settings=TINY.settings, widths=[4, 4, 4], embedding=4),
)
KEY = jax.random.key(3)


@pytest.fixture(scope="module")
def refined():
    """(codec, params, tables)."""
    codec = assemble(SPEC)
    example = jnp.zeros((1, 64, 64, 3))
    params = random_params(lambda key: codec.init(example, key), jax.random.key(0), scale=0.1)
    return codec, params, codec.tables(params)


@pytest.fixture(scope="module")
def decoded(refined, photo):
    """(image, latent) of a file at quality 30."""
    codec, params, tables = refined
    payloads = coding.compress(codec, params, tables, photo[:150, :200], 30.0)
    y_hat = coding.latents(codec, params, tables, payloads, (150, 200), 30.0)
    return coding.synthesise(codec, params, y_hat, (150, 200), 30.0), y_hat


def _refine(refined, decoded, steps, key=KEY, **kwargs):
    return refining.refine(refined[0], refined[1], *decoded, 30.0, steps, key, **kwargs)


def test_the_base_is_that_of_its_own(refined, decoded, photo):
    codec, params, tables = refined
    own = assemble(Spec("hyperprior.lapped", TINY.settings))
    assert coding.compress(own, params, tables, photo[:150, :200], 30.0) == coding.compress(
        codec, params, tables, photo[:150, :200], 30.0
    )


def test_seeds_and_strength(refined, decoded):
    steps = ddim(grid(cosine, 2, start=0.9))
    one = _refine(refined, decoded, steps)
    assert one.shape == decoded[0].shape and one.dtype == np.uint8
    np.testing.assert_array_equal(one, _refine(refined, decoded, steps))
    assert (one != _refine(refined, decoded, steps, jax.random.key(4))).mean() > 0.1
    np.testing.assert_array_equal(_refine(refined, decoded, steps, strength=0.0), decoded[0])
    half = _refine(refined, decoded, steps, strength=0.5).astype(int) - decoded[0]
    whole = one.astype(int) - decoded[0]
    assert np.abs(half).mean() < 0.7 * np.abs(whole).mean()


@pytest.mark.parametrize("sampler", [ddim, ddpm])
def test_tiles_are_the_whole(refined, decoded, sampler):
    steps, told = sampler(grid(cosine, 2, start=0.9)), []
    whole = _refine(refined, decoded, steps)
    tiled = _refine(refined, decoded, steps, edge=64, tell=told.append)
    assert sum(told) == 2 * len(refining.places(refined[0], (150, 200), edge=64)) == 24
    np.testing.assert_allclose(tiled.astype(int), whole, atol=1)


def test_what_is_not_told_of_the_picture_does_not_look_at_it(refined, decoded):
    direct, cdc = (
        assemble(Spec(SPEC.builder, {**SPEC.settings, "direct": True, **more}))
        for more in ({"told": True}, {})
    )
    steps = ddim(grid(cosine, 2, start=0.9))
    image, y_hat = decoded

    def differ(codec):
        one, other = (
            refining.refine(codec, refined[1], x, y_hat, 30.0, steps, KEY)
            for x in (image, 255 - image)
        )
        return (one != other).mean()

    assert differ(cdc) == 0
    assert differ(direct) > 0.5 and differ(refined[0]) > 0.5


def test_codecs_without_one_are_refused(tiny, decoded):
    with pytest.raises(ValueError, match="nothing to refine with"):
        refining.refine(tiny[0], tiny[1], *decoded, 30.0, ddim(grid(cosine, 1)), KEY)
    with pytest.raises(ValueError, match="nothing to refine with"):
        refining.places(tiny[0], (64, 64))
    with pytest.raises(ValueError, match="nothing to refine with"):
        refining.affordable(tiny[0], tiny[1], [], 1.0)


def test_some_tiles_are_refined_and_the_others_stay(refined, decoded):
    steps, told = ddim(grid(cosine, 2, start=0.9)), []
    whole = _refine(refined, decoded, steps, edge=64)
    some = _refine(refined, decoded, steps, edge=64, chosen=[1, 5], tell=told.append)
    assert sum(told) == 4
    left = decoded[0].copy()
    left[:128, 64:128] = some[:128, 64:128]
    np.testing.assert_array_equal(some, left)  # Tiles 1 and 5 are one above the other.
    far, near = (slice(0, 80), slice(96, 97)), (slice(0, 80), slice(64, 65))
    drawn, kept = (a.astype(int) - decoded[0] for a in (whole, some))
    assert np.abs(kept[near]).mean() < 0.1 * np.abs(drawn[near]).mean()
    assert np.abs(kept[far]).mean() > 0.5 * np.abs(drawn[far]).mean()
    none = _refine(refined, decoded, steps, edge=64, chosen=[])
    np.testing.assert_array_equal(none, decoded[0])
    with pytest.raises(ValueError, match="12 tiles"):
        _refine(refined, decoded, steps, edge=64, chosen=[12])


def test_as_many_tiles_as_there_is_time_for(refined, monkeypatch):
    wanted, measured = refining.places(refined[0], (150, 200), edge=64), []
    few, many = (refining.affordable(*refined[:2], wanted, s, edge=64) for s in (1e-9, 600.0))
    assert (few, many) == (0, 12)

    def hour(codec, params, tile, edge):
        measured.append(tile)
        return 3600.0

    monkeypatch.setattr(refining, "_measured", hour)
    count = refining.affordable(*refined[:2], wanted, 2.5 * 3600, edge=64)
    assert count == 2 and len(measured) <= 2
    assert refining.affordable(*refined[:2], wanted, 2.5 * 3600, edge=64, steps=2) == 1


def test_trained_without_noise_it_starts_from_nothing(refined, decoded):
    codec = assemble(Spec(SPEC.builder, {**SPEC.settings, "deterministic": True}))
    steps = ddim(np.array([-12.0, np.inf]))
    one, two = (_refine((codec, refined[1]), decoded, steps, jax.random.key(n)) for n in (3, 9))
    np.testing.assert_array_equal(one, two)
    assert (one != decoded[0]).any()


def test_a_direct_one_leaves_other_tiles_as_they_are(refined, decoded):
    direct = assemble(Spec(SPEC.builder, {**SPEC.settings, "direct": True}))
    steps = ddim(grid(cosine, 2, start=0.9))
    some = _refine((direct, refined[1]), decoded, steps, edge=64, chosen=[0])
    np.testing.assert_array_equal(some[64:], decoded[0][64:])
    assert (some != decoded[0]).any()
    none = _refine((direct, refined[1]), decoded, steps, strength=0.0)
    np.testing.assert_array_equal(none, decoded[0])


def test_what_is_added_to_a_grey_picture_is_grey(refined, decoded):
    grey = decoded[0].mean(-1, keepdims=True).repeat(3, -1).astype(np.uint8)
    found = _refine(refined, (grey, decoded[1]), ddim(grid(cosine, 2, start=0.9)))
    assert np.ptp(found, axis=-1).max() == 0 and (found != grey).any()


def test_noise_does_not_depend_on_the_programs_settings():
    one = refining._field(KEY, 0, (64, 128))
    with jax.enable_x64(True), jax.threefry_partitionable(False):
        np.testing.assert_array_equal(refining._field(KEY, 0, (64, 128)), one)
