"""The invertible networks: as published in size and structure, exactly invertible."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.ops.wavelet import haar
from jaxlic.rescaling import sain
from tests.random_params import random_params


def _both(module, x):
    down = module.forward(x)
    return module.inverse(down.compressed, module.draw(down.lr, jax.random.key(0)))


def _init(model):
    return functools.partial(model.init, jax.random.key(0), method=_both)


def _apply(model, params, *args, method):
    return jax.jit(functools.partial(model.apply, method=method))(params, *args)


@pytest.mark.parametrize(
    "layout, count",
    [
        (sain.PAPER_X2, 2_015_422),
        (sain.PAPER_X4, 6_493_748),
        (sain.IRN_X2, 1_667_952),
        (sain.IRN_X4, 4_355_136),
    ],
)
def test_parameters_of_the_published_networks(layout, count):
    x = jnp.zeros((1, 16, 16, 3))
    params = jax.eval_shape(_init(sain.dense(layout)), x)
    sizes = {
        name: sum(a.size for a in jax.tree.leaves(p)) for name, p in params["params"].items()
    }
    assert sizes.pop("mixture") == 15
    assert sum(sizes.values()) == count


@pytest.fixture(scope="module", params=[(2, 1e-5), (4, 5e-5)], ids=["x2", "x4"])
def network(request):
    """A small network with weights that are not at rest, and its tolerance."""
    scale, tolerance = request.param
    layout = ("haar",) * (scale // 2) + ("V1", "E2", "V1")
    model = sain.dense(layout, growth=4)
    x = jax.random.uniform(jax.random.key(1), (1, 32, 48, 3))
    params = random_params(_init(model), x, scale=0.04)
    return model, params, x, tolerance


def test_it_starts_as_the_haar_transform():
    x = jax.random.uniform(jax.random.key(1), (1, 16, 16, 3))
    model = sain.folded(width=8)
    params = jax.jit(_init(model))(x)
    down = _apply(model, params, x, method="forward")
    np.testing.assert_allclose(down.lr, haar(x)[..., :3], atol=1e-6)
    np.testing.assert_allclose(down.compressed, down.lr, atol=1e-6)
    assert down.latent.shape == (1, 8, 8, 9)


def test_the_inverse_gives_back_image_and_thumbnail(network):
    model, params, x, tolerance = network
    down = _apply(model, params, x, method="forward")
    assert float(jnp.abs(down.lr - down.compressed).max()) > 0.01
    up = _apply(model, params, down.compressed, down.latent, method="inverse")
    np.testing.assert_allclose(up.hr, x, atol=tolerance)
    np.testing.assert_allclose(up.restored, down.lr, atol=tolerance)


def test_a_sender_runs_less_and_gets_the_same_thumbnail(network):
    model, params, x, _ = network
    down = _apply(model, params, x, method="forward")
    np.testing.assert_allclose(_apply(model, params, x, method="down"), down.lr, atol=1e-6)


def test_without_enhanced_blocks_it_is_symmetric():
    x = jax.random.uniform(jax.random.key(1), (1, 16, 16, 3))
    model = sain.folded(("haar", "V2"), width=8)
    params = random_params(_init(model), x)
    down = _apply(model, params, x, method="forward")
    np.testing.assert_array_equal(down.lr, down.compressed)
    up = _apply(model, params, down.lr, down.latent, method="inverse")
    np.testing.assert_allclose(up.hr, x, atol=1e-5)
    np.testing.assert_array_equal(up.restored, down.lr)


def test_the_interleaved_layout_of_irn_is_undone_too():
    x = jax.random.uniform(jax.random.key(1), (1, 16, 16, 3))
    model = sain.dense(("haar", "V1", "haar", "V1"), growth=4)
    params = random_params(_init(model), x)
    down = _apply(model, params, x, method="forward")
    assert down.latent.shape == (1, 4, 4, 45)
    up = _apply(model, params, down.lr, down.latent, method="inverse")
    np.testing.assert_allclose(up.hr, x, atol=5e-5)


def test_latents_by_name(network):
    model, params, x, _ = network
    lr = x[:, :8, :8]
    mean, zero = (model.apply(params, lr, None, name, method="up") for name in ("mean", "zero"))
    assert float(jnp.abs(mean - zero).max()) > 0
    sample = [
        model.apply(params, lr, None, "sample", jax.random.key(seed), method="up")
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(sample[0], sample[1])
    assert float(jnp.abs(sample[0] - sample[2]).max()) > 0
    with pytest.raises(ValueError, match="latent is"):
        model.apply(params, lr, None, "guess", method="up")
    with pytest.raises(ValueError, match="latent is"):
        model.apply(params, lr, None, "sample", method="up")


def test_it_survives_jit_and_vmap(network):
    model, params, x, _ = network

    def down(x):
        return model.apply(params, x, method="down")

    expected = jax.jit(down)(x)
    np.testing.assert_allclose(jax.jit(jax.vmap(down))(x[None])[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    "layout", ["haar W3", "V1 haar", "haar", "haar E1 haar V1", "haar haar haar V1", "haar V0"]
)
def test_other_layouts_are_refused(layout):
    with pytest.raises(ValueError, match="layout"):
        sain.dense(tuple(layout.split()))
