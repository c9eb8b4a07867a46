"""The settings that trade precision or time for memory, each by what it changes."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxlic.codecs.hyperprior import lmbda
from jaxlic.codecs.transform import transform_codec
from jaxlic.entropy.range_coder import CONSTRICTION
from jaxlic.errors import Error
from jaxlic.losses.rate_distortion import rate_distortion
from jaxlic.models import Spec, build
from tests.random_params import random_params
from train.experiment import load_experiment
from train.step import init_state, make_step

TOY = load_experiment("tests/train/toy.py", {"crop": 64, "batch": 16})
SPEC = Spec("hyperprior.convolutional", dict(features=8, latents=12))
IMAGE, QUALITY = np.zeros((2, 64, 64, 3), np.float32), np.array([20.0, 80.0], np.float32)


def _loss(params, image, *, codec):
    rec = codec.forward(params, image, QUALITY, jax.random.key(0))
    return rate_distortion(lmbda)({"image": image, "quality": QUALITY}, rec)[0]


@pytest.fixture(scope="module")
def plain():
    """(image, parameters, loss and gradient of the codec without any of the settings)."""
    codec = transform_codec(build(SPEC))
    params = random_params(codec.init, IMAGE, jax.random.key(0))
    image = np.random.default_rng(0).random(IMAGE.shape, np.float32)
    loss = functools.partial(_loss, codec=codec)
    return image, params, jax.jit(jax.value_and_grad(loss))(params, image)


def _kept(**settings):
    """Bytes that the loss of the codec keeps for its gradient, parameters apart."""
    spec = SPEC._replace(settings=dict(features=64, latents=96))
    codec = transform_codec(build(spec), **settings)
    params = jax.eval_shape(codec.init, IMAGE, jax.random.key(0))

    def residuals(params):
        return jax.vjp(lambda p: _loss(p, IMAGE, codec=codec), params)[1]

    held, weights = (
        sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(tree))
        for tree in (jax.eval_shape(residuals, params), params)
    )
    return held - weights


def test_less_is_kept_for_the_gradient():
    """What programs of accelerators hold; on CPUs XLA undoes `remat`."""
    full = _kept()
    assert _kept(dtype="bfloat16") < 0.6 * full
    assert _kept(remat=True) < 0.25 * full


def test_a_gradient_in_parts_takes_less_memory():
    def temporary(accumulate):
        e = dataclasses.replace(TOY, accumulate=accumulate)
        state = jax.eval_shape(lambda: init_state(e))
        batch = {"image": jax.ShapeDtypeStruct((16, 64, 64, 3), jnp.uint8)}
        compiled = jax.jit(make_step(e)).lower(state, batch).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporary(8) < 0.3 * temporary(1)


def test_the_loss_in_bfloat16_is_near_that_in_float32(plain):
    image, params, (loss, _) = plain
    codec = transform_codec(build(SPEC), dtype="bfloat16")
    near = jax.jit(functools.partial(_loss, codec=codec))(params, image)
    assert near.dtype == jnp.float32 and near != loss
    assert float(near) == pytest.approx(float(loss), rel=0.01)


def test_twins_decode_the_same_latents_from_the_same_bytes(plain):
    _, params, _ = plain
    half, full = (transform_codec(build(SPEC), dtype=d) for d in ("bfloat16", "float32"))
    tables = full.tables(params)
    y = np.random.default_rng(0).normal(0, 4, (4, 8, 12)).astype("f4")
    written = [c.encode(params, tables, y, 50.0, CONSTRICTION) for c in (half, full)]
    assert written[0] == written[1]
    read = [
        c.decode(params, tables, written[0], 50.0, (4, 8), CONSTRICTION) for c in (half, full)
    ]
    np.testing.assert_array_equal(read[0], read[1])


def test_computing_anew_changes_neither_loss_nor_gradient(plain):
    image, params, (loss, gradient) = plain
    codec = transform_codec(build(SPEC), remat=True)
    again = jax.jit(jax.value_and_grad(functools.partial(_loss, codec=codec)))(params, image)
    assert float(again[0]) == pytest.approx(float(loss), rel=1e-6)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(again[1]), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5 * (1 + np.abs(a).max()))


def test_a_batch_in_parts_gives_the_update_of_the_whole():
    """Without noise, which differs; qualities are those of the whole batch."""
    image = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8)
    after = []
    for accumulate in (1, 4):
        e = dataclasses.replace(
            TOY, accumulate=accumulate, assembly={"width": 0.0}, optimizer=optax.sgd(1e-4)
        )
        after.append(jax.jit(make_step(e))(init_state(e), {"image": image}))
    (whole, a), (parts, b) = after
    for x, y in zip(*map(jax.tree.leaves, (whole.params, parts.params)), strict=True):
        np.testing.assert_allclose(y, x, rtol=1e-5)
    for name in a:
        assert float(b[name]) == pytest.approx(float(a[name]), rel=1e-4), name
    assert (whole.params["params"]["into"] != init_state(TOY).params["params"]["into"]).all()


@pytest.mark.parametrize("change", [{"dtype": "float16"}, {"dtype": "half"}])
def test_other_types_are_refused(change):
    e = load_experiment("configs/smoke.py", {})
    with pytest.raises(Error, match="dtype must be one of float32, bfloat16"):
        _ = dataclasses.replace(e, **change).codec


def test_a_rescaler_says_that_it_has_no_such_setting():
    e = dataclasses.replace(load_experiment("configs/sain.py", {}), dtype="bfloat16")
    with pytest.raises(Error, match="rescaler"):
        _ = e.codec
