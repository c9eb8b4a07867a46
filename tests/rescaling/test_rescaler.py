"""Rescalers: any size, no seams, gradients everywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.losses import rescaling
from jaxlic.rescaling import rescaler as module
from jaxlic.rescaling.bicubic import RestoredBicubic
from jaxlic.rescaling.rescaler import rescaler
from jaxlic.rescaling.sain import folded
from tests.random_params import random_params

QUALITY, KEY = jnp.array([50.0, 80.0]), jax.random.key(0)


def _random(codec):
    return random_params(codec.init, jnp.zeros((1, 16, 16, 3)), KEY, scale=0.03)


@pytest.fixture(scope="module", params=[2, 4], ids=["x2", "x4"])
def small(request):
    layout = ("haar",) * (request.param // 2) + ("E1", "V1")
    codec = rescaler(folded(layout, width=8))
    return codec, _random(codec)


def test_sizes_that_divide_by_nothing(small, photo):
    codec, params = small
    for height, width in ((1, 1), (31, 47), (64, 3)):
        image = photo[:height, :width]
        thumbnail = codec.downscale(params, image)
        s = codec.scale
        assert thumbnail.shape == (-(-height // s), -(-width // s), 3)
        assert thumbnail.dtype == np.uint8
        back = codec.upscale(params, thumbnail, (height, width))
        assert back.shape == image.shape and back.dtype == np.uint8


@pytest.mark.parametrize(
    "model",
    [
        folded(("haar", "E1", "V1"), width=8),
        folded(("haar", "haar", "E1"), width=8),
        RestoredBicubic(2, width=8, blocks=1),
        RestoredBicubic(4, width=0),
    ],
    ids=["x2", "x4", "restored", "bicubic"],
)
def test_tiles_leave_no_seams(photo, monkeypatch, model):
    monkeypatch.setattr(module, "_EDGES", (64, 256))
    whole, tiled = rescaler(model), rescaler(model, tile=64)
    params = _random(whole)
    assert model.reach <= module._MAX_HALO  # Else the halo is cut short.
    thumbnail = whole.downscale(params, photo)
    difference = tiled.downscale(params, photo).astype(int) - thumbnail
    assert np.abs(difference).max() <= 1 and (difference != 0).mean() < 1e-3
    shape = photo.shape[:2]
    for latent in ("mean", "sample"):
        one, many = (c.upscale(params, thumbnail, shape, latent) for c in (whole, tiled))
        assert np.abs(one.astype(int) - many).max() <= 1  # Rounding at a half.
        assert (one != many).mean() < 1e-3


def test_samples_follow_their_seed(small, photo):
    codec, params = small
    thumbnail = codec.downscale(params, photo[:32, :32])
    a, b, c = (codec.upscale(params, thumbnail, (32, 32), "sample", s) for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


@pytest.mark.parametrize(
    "model, loss",
    [
        (folded(("haar", "V1", "E1", "V1"), width=8), rescaling.sain(2, rate=0.01)),
        (folded(("haar", "V2"), width=8), rescaling.irn(2)),
        (RestoredBicubic(2, width=8, blocks=1), rescaling.reconstruction),
    ],
    ids=["sain", "irn", "bicubic"],
)
def test_gradients_are_finite_and_reach_every_parameter(model, loss, photo):
    codec = rescaler(model)
    params = _random(codec)
    x = jnp.asarray(np.stack([photo[:32, :32], photo[32:64, :32]]), jnp.float32) / 255

    @jax.jit
    @jax.grad
    def gradient(params):
        return loss({"image": x}, codec.forward(params, x, QUALITY, KEY))[0]

    for path, g in jax.tree_util.tree_leaves_with_path(gradient(params)):
        assert np.isfinite(g).all(), path
        assert float(jnp.abs(g).max()) > 0, path


def test_forward_says_what_the_losses_need(small, photo):
    codec, params = small
    x = jnp.asarray(np.stack([photo[:32, :64], photo[32:64, :64]]), jnp.float32) / 255
    rec = jax.jit(codec.forward)(params, x, QUALITY, KEY)
    assert rec.x_hat.shape == x.shape
    shape = (2, 32 // codec.scale, 64 // codec.scale, 3)
    for name in ("lr", "lr_8_bits", "lr_decoded", "lr_restored", "reference", "compressed"):
        assert rec.aux[name].shape == shape
    np.testing.assert_array_equal(
        jnp.round(rec.aux["lr_8_bits"] * 255) / 255, rec.aux["lr_8_bits"]
    )
    assert rec.bits["file"].shape == (2,) and (rec.bits["file"] > 0).all()
