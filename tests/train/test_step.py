import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.experiment import load_experiment
from train.step import draw_quality, init_state, make_step


def _setup():
    e = load_experiment("configs/smoke.py", {"batch": 2})
    image = jax.random.randint(jax.random.key(0), (2, 64, 64, 3), 0, 256).astype(jnp.uint8)
    return e, jax.jit(lambda: init_state(e))(), {"image": image}


def test_the_same_state_and_batch_give_the_same_bits():
    e, state, batch = _setup()
    step = jax.jit(make_step(e))
    a, b = step(state, batch)[0], step(state, batch)[0]
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_every_parameter_learns_and_the_average_follows():
    e, state, batch = _setup()
    step = jax.jit(make_step(e))
    after, metrics = step(state, batch)
    assert int(after.step) == 1 and np.isfinite(float(metrics["loss"]))
    later = step(step(after, batch)[0], batch)[0]  # Residual branches start at zero.
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, later.params)
    assert np.mean(jax.tree.leaves(moved)) > 0.9
    expected = jax.tree.map(lambda a, b: 0.1 * a + 0.9 * b, state.params, after.params)
    for x, y in zip(jax.tree.leaves(after.ema), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


def test_the_loss_falls_on_one_batch():
    e, state, batch = _setup()
    step = jax.jit(make_step(e))
    losses = []
    for _ in range(40):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_qualities_cover_the_range():
    quality = np.asarray(draw_quality(jax.random.key(0), 8))
    assert quality.min() >= 1 and quality.max() <= 100
    np.testing.assert_array_equal(np.floor((quality - 1) / 99 * 8), np.arange(8))
