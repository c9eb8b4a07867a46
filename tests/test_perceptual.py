"""ST-LPIPS beside the values of the package its weights come from (stlpips_pytorch 0.0.2)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.checkpoint import ModelError, save_arrays
from jaxlic.perceptual import NETWORKS, assemble, st_lpips
from tests.conftest import kodim
from tests.ops.test_distortion import _blurred, _posterised

GOLDEN = {
    ("kodim05_crop", (192, 256), _blurred): 0.190517,
    ("kodim05_crop", (192, 256), _posterised): 0.058637,
    ("kodim23_crop", (97, 131), _blurred): 0.005843,
    ("kodim23_crop", (97, 131), _posterised): 0.358452,
}


@pytest.fixture(scope="module")
def alex():
    return st_lpips()


@pytest.mark.parametrize("case", GOLDEN, ids=lambda c: f"{c[0]}-{c[1][0]}-{c[2].__name__}")
def test_values_are_those_of_the_package(alex, case):
    name, (height, width), change = case
    image = kodim(name)[:height, :width]
    x, y = (jnp.asarray(a[None], jnp.float32) / 255 for a in (image, change(image)))
    assert float(jax.jit(alex.distance)(x, y)[0]) == pytest.approx(GOLDEN[case], abs=1e-4)


def test_equal_images_are_at_zero_and_batches_do_not_mix(alex):
    x = jax.random.uniform(jax.random.key(0), (2, 40, 48, 3))
    y = x.at[1].set(0.5)
    d = jax.jit(alex.distance)(x, y)
    assert float(d[0]) == 0 and float(d[1]) > 0.1
    np.testing.assert_allclose(alex.distance(x[1:], y[1:]), d[1:], rtol=1e-4)


def test_it_can_be_descended_and_is_finite_at_rest(alex):
    x = jax.random.uniform(jax.random.key(0), (1, 40, 48, 3))
    slope = jax.jit(jax.grad(lambda y: alex.distance(x, y)[0]))
    for y in (x, jnp.zeros_like(x), 0.5 * x):
        assert bool(jnp.isfinite(slope(y)).all())
    y = 0.5 * x
    step = y - 0.1 * slope(y) / jnp.abs(slope(y)).max()
    assert float(alex.distance(x, step)[0]) < float(alex.distance(x, y)[0])


def _random(network):
    """Weights of the right shapes, small."""
    rng, widths = (
        np.random.default_rng(0),
        {
            "alex": [(11, 64), (5, 192), (3, 384), (3, 256), (3, 256)],
            "vgg": [(3, n) for n in (64, 64, 128, 128, *[256] * 3, *[512] * 6)],
        }[network],
    )
    arrays, before = {}, 3
    for i, (edge, width) in enumerate(widths):
        kernel = rng.normal(size=(edge, edge, before, width)) / np.sqrt(edge**2 * before)
        arrays |= {f"conv{i}/kernel": kernel.astype(np.float16)}
        arrays |= {f"conv{i}/bias": np.zeros(width, np.float16)}
        before = width
    heads = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}[network]
    return arrays | {f"head{i}": np.ones(n, np.float16) for i, n in enumerate(heads)}


@pytest.mark.parametrize("network", NETWORKS)
def test_features_have_the_published_shapes(network):
    metric = assemble(network, _random(network))
    shapes = jax.eval_shape(metric.features, jnp.zeros((1, 64, 96, 3)))
    assert [s.shape[-1] for s in shapes] == [head.shape[0] for head in metric.heads]
    assert shapes[0].shape[1] > shapes[2].shape[1] >= shapes[4].shape[1]


def test_a_users_file_is_loaded_and_a_wrong_one_refused(tmp_path):
    path = tmp_path / "vgg.safetensors"
    save_arrays(path, _random("vgg"))
    assert len(st_lpips("vgg", path).weights) == 13
    with pytest.raises(ModelError, match="not the weights of ST-LPIPS with alex"):
        st_lpips("alex", path)
    with pytest.raises(ModelError, match="do not ship"):
        st_lpips("vgg")
    with pytest.raises(ModelError, match="cannot be read"):
        st_lpips("vgg", tmp_path / "missing")
    with pytest.raises(ModelError, match="networks are"):
        st_lpips("resnet")


def test_images_that_do_not_fit_are_refused(alex):
    x = jnp.zeros((1, 40, 40, 3))
    with pytest.raises(ValueError, match="cannot be compared"):
        alex.distance(x, x[:, :39])
    with pytest.raises(ValueError, match="32 pixels"):
        alex.distance(x[:, :20], x[:, :20])
