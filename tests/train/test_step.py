import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.losses import jnd
from jaxlic.losses.rate_distortion import rate_distortion, squared_error
from jaxlic.models import load_params
from jaxlic.ops.jnd import smoothed
from tests.random_params import random_params
from train.experiment import load_experiment
from train.step import adopt, draw_quality, init_state, make_step


@pytest.fixture(scope="module")
def setup():
    """(compiled step, first state, batch); compiled once, which takes longest here."""
    e = load_experiment("configs/smoke.py", {"batch": 2})
    image = jax.random.randint(jax.random.key(0), (2, 64, 64, 3), 0, 256).astype(jnp.uint8)
    return jax.jit(make_step(e)), jax.jit(lambda: init_state(e))(), {"image": image}


def test_the_same_state_and_batch_give_the_same_bits(setup):
    step, state, batch = setup
    a, b = step(state, batch)[0], step(state, batch)[0]
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_every_parameter_learns_and_the_average_follows(setup):
    step, state, batch = setup
    after, metrics = step(state, batch)
    assert int(after.step) == 1 and np.isfinite(float(metrics["loss"]))
    later = step(step(after, batch)[0], batch)[0]  # Residual branches start at zero.
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, later.params)
    assert np.mean(jax.tree.leaves(moved)) > 0.9
    expected = jax.tree.map(lambda a, b: 0.1 * a + 0.9 * b, state.params, after.params)
    for x, y in zip(jax.tree.leaves(after.ema), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


def test_the_loss_falls_on_one_batch(setup):
    step, state, batch = setup
    losses = []
    for _ in range(40):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_qualities_cover_the_range():
    quality = np.asarray(draw_quality(jax.random.key(0), 8))
    assert quality.min() >= 1 and quality.max() <= 100
    np.testing.assert_array_equal(np.floor((quality - 1) / 99 * 8), np.arange(8))


def test_weights_to_start_from_are_taken_where_they_fit():
    fresh = {"a": {"kernel": jnp.zeros(2), "bias": jnp.zeros(1)}, "b": jnp.zeros(3)}
    start = {"a": {"kernel": jnp.ones(2), "bias": jnp.ones(9)}, "c": jnp.ones(3)}
    params, stayed = adopt(fresh, start)
    assert sorted(stayed) == ["a/bias", "b"]
    assert params["a"]["kernel"].tolist() == [1, 1] and params["a"]["bias"].tolist() == [0]
    with pytest.raises(ValueError, match="in common"):
        adopt(fresh, {"d": jnp.ones(1)})


def test_the_dynamic_codec_starts_where_base_is():
    """All that `base` has is taken, and what is added starts as the identity."""
    e = load_experiment("configs/dkic.py", {})
    base = load_params("base")
    fresh = random_params(e.codec.init, jnp.zeros((1, 64, 64, 3)), jax.random.key(0))
    _, stayed = adopt(fresh, base)
    assert len(jax.tree.leaves(fresh)) - len(stayed) == len(jax.tree.leaves(base))
    added = ("group", "params/context", "/restoration/")
    assert all(any(part in name for part in added) for name in stayed)


def test_the_released_image_wise_loss_trains_as_plain_fine_tuning_to_the_bit():
    e = load_experiment("tests/train/toy.py", {"batch": 2})
    margin = 3
    image = jax.random.randint(jax.random.key(0), (2, 22, 22, 3), 0, 256).astype(jnp.uint8)
    after = []
    for distortion in (squared_error, jnd.image_wise_as_released):
        tuned = dataclasses.replace(
            e,
            loss=rate_distortion(lmbda, distortion),
            maps={"target": smoothed},
            margin=margin,
        )
        state = jax.jit(functools.partial(init_state, tuned))()
        step = jax.jit(make_step(tuned))
        for _ in range(3):
            state, metrics = step(state, {"image": image})
        assert np.isfinite(float(metrics["loss"]))
        after.append(state.params)
    for a, b in zip(*map(jax.tree.leaves, after), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_target_of_the_users_goes_before_a_computed_one():
    e = load_experiment("tests/train/toy.py", {"batch": 2})

    def loss(batch, rec):
        value = jnp.mean(batch["target"])
        assert batch["target"].shape == batch["image"].shape == (2, 16, 16, 3)
        return value + 0 * jnp.sum(rec.x_hat), {"loss": value}

    tuned = dataclasses.replace(e, loss=loss, maps={"target": smoothed}, margin=2)
    batch = {"image": jnp.zeros((2, 20, 20, 3), jnp.uint8)}
    given = {**batch, "target": jnp.full((2, 20, 20, 3), 255, jnp.uint8)}
    state = jax.jit(functools.partial(init_state, tuned))()
    step = jax.jit(make_step(tuned))
    assert float(step(state, batch)[1]["loss"]) == 0
    assert float(step(state, given)[1]["loss"]) == 1


def _poison(image):
    """NaN for images that are white all over."""
    white = (image == 1).all(axis=(1, 2, 3), keepdims=True)
    return jnp.where(white, jnp.nan, 0) * jnp.ones_like(image)


def _poisoned(loss):
    """A term that is NaN, or one whose gradient alone is."""

    def value(batch, rec):
        cost, metrics = loss(batch, rec)
        return cost + jnp.mean(rec.x_hat * batch["poison"]), metrics

    def gradient(batch, rec):
        cost, metrics = loss(batch, rec)
        one = jnp.where(jnp.isnan(jnp.sum(batch["poison"])), 0.0, 1.0)
        # The square root of zero is zero; its derivative is not finite.
        return cost + jnp.sqrt(one + 0 * jnp.sum(rec.x_hat)) - one, metrics

    return value, gradient


@pytest.mark.parametrize("which", [0, 1], ids=["loss", "gradient"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_is_not_finite_changes_nothing_but_the_count(which, accumulate):
    toy = load_experiment("tests/train/toy.py", {"batch": 4, "accumulate": accumulate})
    toy = dataclasses.replace(
        toy, maps={"poison": _poison}, loss=_poisoned(toy.loss)[which], ema_decay=0.5
    )
    rng = np.random.default_rng(0)
    fine = {"image": rng.integers(0, 255, (4, 16, 16, 3), np.uint8)}
    bad = {"image": fine["image"].copy()}
    bad["image"][2] = 255
    step = jax.jit(make_step(toy))
    first, metrics = step(init_state(toy), fine)
    assert float(metrics["skipped"]) == 0
    second, metrics = step(first, bad)
    assert float(metrics["skipped"]) == 1 and int(second.step) == 2
    for a, b in zip(
        *map(jax.tree.leaves, (first, second.replace(step=first.step))), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    third, metrics = step(second, fine)
    assert float(metrics["skipped"]) == 0
    moved = jax.tree.map(lambda a, b: bool((a != b).all()), second.params, third.params)
    assert all(jax.tree.leaves(moved))
