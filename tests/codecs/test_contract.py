"""The promises every codec keeps."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic import coding
from jaxlic.codecs import dkic
from jaxlic.codecs.transform import transform_codec
from jaxlic.entropy.range_coder import CONSTRICTION
from jaxlic.errors import ModelError
from jaxlic.models import BUILDERS, Spec, build, load_model
from jaxlic.ops import quantisation
from tests.conftest import TINY
from tests.random_params import random_params

SMALL = {
    "hyperprior.lapped": dict(TINY.settings),
    "hyperprior.convolutional": dict(features=8, latents=12),
    "dkic.lapped": dict(
        **TINY.settings,
        kernel_hidden=[16, 16],
        kernel_blocks=[1, 1],
        slices=[4, 12],
        passes=[4, 1],
        summary=8,
        context_hidden=8,
        restoration=8,
    ),
    "pyramid.lapped": dict(
        features=16,
        latents=48,
        learned=8,
        hidden=8,
        blocks=[1, 1],
        analysis_widths=[8, 8, 8],
        synthesis_widths=[8, 8, 8],
        slices=[4, 12],
        passes=[4, 1],
        summary=8,
        context_hidden=8,
        magnitudes=True,
        error_price=0.0,
    ),
    "dkic.convolutional": dict(
        features=8,
        latents=12,
        kernel_hidden=16,
        kernel_blocks=[1, 1, 0],
        radius=1,
        slices=[4, 8],
        passes=[2, 1],
        summary=8,
        context_hidden=8,
    ),
}

# Its parts are those of other codecs here, and it compiles as long as all of them.
LIGHT = sorted(set(SMALL) - {"dkic.convolutional"})


@pytest.fixture(scope="module", params=sorted(SMALL))
def codec(request):
    """(codec built for hard quantisation, params, tables)."""
    module = build(Spec(request.param, SMALL[request.param]))
    codec = transform_codec(module, quantise=quantisation.hard)
    params = random_params(codec.init, jnp.zeros((1, 64, 64, 3)), jax.random.key(0), scale=0.03)
    return codec, params, codec.tables(params)


def test_every_codec_is_held_to_them():
    codecs = {name for name, b in BUILDERS.items() if b.assemble is transform_codec}
    assert set(SMALL) == codecs


def test_decoded_latents_are_the_hard_quantised_ones(codec, photo):
    codec, params, tables = codec
    image = photo[:128, :192]
    segments = coding.compress(codec, params, tables, image, 30.0)
    decoded = coding.latents(codec, params, tables, segments, image.shape[:2], 30.0)
    x = jnp.asarray(image[None] / np.float32(255))
    rec = jax.jit(codec.forward)(params, x, jnp.full(1, 30.0), jax.random.key(0))
    # The encoder's floats may put a value on the other side of a rounding boundary.
    same = np.isclose(decoded, rec.aux["y_hat"][0], atol=1e-3)
    assert same.mean() > 0.999
    assert np.isfinite(decoded).all()


def test_the_image_is_that_of_forward(codec, photo):
    codec, params, tables = codec
    image = photo[:128, :192]
    segments = coding.compress(codec, params, tables, image, 60.0)
    back = coding.decompress(codec, params, tables, segments, image.shape[:2], 60.0)
    x = jnp.asarray(image[None] / np.float32(255))
    rec = jax.jit(codec.forward)(params, x, jnp.full(1, 60.0), jax.random.key(0))
    expected = np.round(np.clip(np.asarray(rec.x_hat[0]), 0, 1) * 255)
    assert np.mean(np.abs(back - expected) <= 1) > 0.99


def test_estimated_and_real_bits_agree(codec, photo):
    codec, params, tables = codec
    image = photo[:128, :192]
    bits = 8 * sum(len(p[0]) for p in coding.compress(codec, params, tables, image, 50.0))
    x = jnp.asarray(image[None] / np.float32(255))
    rec = jax.jit(codec.forward)(params, x, jnp.full(1, 50.0), jax.random.key(0))
    estimate = float(sum(rec.bits.values())[0])
    # Untrained models have outliers, which escapes code for less than the estimate's floor.
    assert 0.5 * estimate < bits < 1.1 * estimate + 200


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (63, 65), (130, 70)])
def test_any_size_comes_back(codec, photo, shape):
    codec, params, tables = codec
    image = np.ascontiguousarray(photo[: shape[0], : shape[1]])
    segments = coding.compress(codec, params, tables, image, 99.0)
    back = coding.decompress(codec, params, tables, segments, image.shape[:2], 99.0)
    assert back.shape == image.shape and back.dtype == np.uint8


# What the others add is held to it in tests/nn, in less time.
@pytest.mark.parametrize(
    "codec", ["hyperprior.convolutional", "hyperprior.lapped"], indirect=True
)
def test_forward_survives_jit_vmap_and_grad(codec):
    codec, params, _ = codec
    x = jax.random.uniform(jax.random.key(0), (2, 1, 64, 64, 3))
    quality = jnp.array([[20.0], [80.0]])

    def cost(params, x, quality):
        rec = codec.forward(params, x, quality, jax.random.key(1))
        return jnp.mean(jnp.square(rec.x_hat - x)) + 1e-6 * jnp.sum(sum(rec.bits.values()))

    both = jax.jit(jax.vmap(jax.value_and_grad(cost), in_axes=(None, 0, 0)))
    costs, gradients = both(params, x, quality)
    one = jax.jit(cost)(params, x[1], quality[1])
    np.testing.assert_allclose(costs[1], one, rtol=1e-3)
    assert all(bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(gradients))
    touched = [float(jnp.abs(a).sum()) > 0 for a in jax.tree.leaves(gradients)]
    assert np.mean(touched) > 0.9


def test_what_the_decoder_was_not_told_cannot_reach_the_image(tiny, photo):
    """A codec that slips its own latent past the coder decodes to NaN, and is found out."""

    class Leaky:
        """Adds to the coded latent a little of the true one."""

        def __init__(self, module):
            self._module = module

        def __getattr__(self, name):
            return getattr(self._module, name)

        def bind(self, params):
            code = self._module.bind(params).code
            return types.SimpleNamespace(code=lambda y, *args: code(y, *args) + 1e-6 * y)

    _, params, tables = tiny
    codec = transform_codec(Leaky(build(TINY)))
    image = photo[:64, :64]
    segments = coding.compress(codec, params, tables, image, 50.0)
    assert np.isnan(coding.latents(codec, params, tables, segments, (64, 64), 50.0)).all()


def test_tiles_leave_no_seams(tiny, photo):
    """Decoding the same latents in tiles or whole gives the same image."""
    codec, params, tables = tiny
    image = np.tile(photo, (2, 2, 1))[:320, :448]
    segments = coding.compress(codec, params, tables, image, 70.0, edge=128)
    assert len(segments) == 12
    y_hat = coding.latents(codec, params, tables, segments, (320, 448), 70.0, edge=128)
    tiled = coding.decompress(codec, params, tables, segments, (320, 448), 70.0, edge=128)
    module = build(TINY)
    synthesis = jax.jit(functools.partial(module.apply, method="synthesis"))
    whole = synthesis(params, y_hat[None], jnp.full(1, 70.0))[0]
    whole = np.round(np.clip(np.asarray(whole), 0, 1) * 255)
    assert np.abs(tiled - whole).max() <= 1
    assert np.mean(tiled != whole) < 0.01


def test_deeper_decoders_have_a_wider_halo():
    shipped, deeper, shallow = (
        build(Spec("pyramid.lapped", settings)).halo
        for settings in ({}, {"blocks": [4, 4]}, {"synthesis_depths": [1, 1, 1]})
    )
    assert (shipped, deeper, shallow) == (192, 256, 192)


@pytest.mark.parametrize(
    ("builder", "settings"),
    [
        ("dkic.lapped", {}),
        ("dkic.lapped", dict(blocks=[2, 2], radius=[1, 1], restoration=0)),
        ("dkic.lapped", dict(blocks=[4, 4], kernel_blocks=[2, 1], restoration=0)),
        ("hyperprior.lapped", dict(blocks=[4, 4])),
        ("pyramid.lapped", {}),
    ],
)
def test_no_kernel_looks_beyond_the_halo(builder, settings):
    module = build(Spec(builder, SMALL[builder] | settings))
    quality, middle = jnp.full(1, 40.0), module.halo + 32
    x = jax.random.uniform(jax.random.key(0), (1, 2 * module.halo + 64, 64, 3))
    init = transform_codec(module).init
    params = random_params(init, x[:, :64], jax.random.key(0), scale=0.3)
    params = jax.tree_util.tree_map_with_path(_far, params)

    def latent(x):
        return jnp.sum(module.apply(params, x, quality, method="analysis")[:, middle // 16])

    def pixels(y):
        return jnp.sum(module.apply(params, y, quality, method="synthesis")[:, middle])

    rows = np.flatnonzero(jnp.abs(jax.jit(jax.grad(latent))(x)).sum(axis=(0, 2, 3)))
    assert middle - module.halo <= rows.min() and rows.max() <= middle + 16 + module.halo
    assert np.ptp(rows) > 80  # Offsets do reach out.
    y = jax.random.normal(jax.random.key(1), (1, x.shape[1] // 16, 4, module.latents))
    rows = np.flatnonzero(jnp.abs(jax.jit(jax.grad(pixels))(y)).sum(axis=(0, 2, 3)))
    assert middle - module.halo <= 16 * rows.min()
    assert 16 * rows.max() <= middle + module.halo


def _far(path, a):
    """Drives offsets to their bound."""
    return 100 * a if "offset" in jax.tree_util.keystr(path) else a


def test_shipped_halos_are_what_they_were():
    halos = {"base": 128, "dkic": 256, "pyramid-3": 192}
    assert {name: load_model(name).codec.geometry.halo for name in halos} == halos


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(kernel="magic"), "kernels are dynamic"),
        (dict(kernel_hidden=[128, 100]), "100 wide: no multiple of 16"),
        (dict(restoration=31, restoration_kernel="dynamic"), "31 wide"),
        (dict(radius=[2, 0]), "1 blocks of radius 0"),
        (dict(slices=[-3, 323], passes=[1, 1]), "are not 320 channels"),
        (dict(slices=[1, 2], passes=[1, 1]), "are not 320 channels"),
        (dict(slices=[160, 160], passes=[1, 3]), "1, 2 or 4"),
        (dict(slices=[160, 160], passes=[1]), "1, 2 or 4"),
    ],
)
def test_settings_that_make_no_codec_are_refused(settings, message):
    with pytest.raises(ModelError, match=message):
        build(Spec("dkic.lapped", settings))


@pytest.mark.parametrize("kernel", dkic.KERNELS)
def test_every_kernel_makes_a_codec(kernel):
    module = build(Spec("dkic.lapped", {**SMALL["dkic.lapped"], "kernel": kernel}))
    assert module == build(Spec("dkic.lapped", {**SMALL["dkic.lapped"], "kernel": kernel}))
    shapes = jax.eval_shape(
        transform_codec(module).init, jnp.zeros((1, 64, 64, 3)), jax.random.key(0)
    )
    names = str(jax.tree_util.tree_structure(shapes))
    assert ("offset" in names) == (
        kernel in ("dynamic", "sigmoid", "unbounded", "offsets-only")
    )


@pytest.mark.parametrize("builder", LIGHT)
def test_a_price_of_errors_buys_bytes(builder, photo):
    module = build(Spec(builder, SMALL[builder]))
    init, example = transform_codec(module).init, jnp.zeros((1, 64, 64, 3))
    params = random_params(init, example, jax.random.key(0), scale=0.03)
    tables = transform_codec(module).tables(params)
    analysis = jax.jit(functools.partial(module.apply, method="analysis"))
    image, quality = photo[None, :128, :192] / np.float32(255), jnp.full(1, 70.0)
    y, sizes, errors = np.asarray(analysis(params, image, quality))[0], [], []
    for price in (0.0, 3.0):
        codec = transform_codec(build(Spec(builder, {**SMALL[builder], "error_price": price})))
        payloads = codec.encode(params, tables, y, 70.0, CONSTRICTION)
        y_hat = codec.decode(params, tables, payloads, 70.0, y.shape[:2], CONSTRICTION)
        sizes.append(sum(map(len, payloads)))
        errors.append(np.mean(np.square(y - y_hat)))
    assert sizes[1] < sizes[0] and errors[1] > errors[0]
