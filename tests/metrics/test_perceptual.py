"""Feature distances beside the packages that their weights come from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.errors import ModelError
from jaxlic.files.weights import save_arrays
from jaxlic.metrics.perceptual import METRICS, assemble, over_views, perceptual
from tests.conftest import kodim
from tests.ops.test_distortion import _blurred, _posterised

# Of stlpips_pytorch 0.0.2, AlexNet.
GOLDEN = {
    ("kodim05_crop", (192, 256), _blurred): 0.190517,
    ("kodim05_crop", (192, 256), _posterised): 0.058637,
    ("kodim23_crop", (97, 131), _blurred): 0.005843,
    ("kodim23_crop", (97, 131), _posterised): 0.358452,
}


@pytest.fixture(scope="module")
def alex():
    return perceptual()


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


WIDTHS = {
    "alex": [(11, 64), (5, 192), (3, 384), (3, 256), (3, 256)],
    "vgg": [(3, n) for n in (64, 64, 128, 128, *[256] * 3, *[512] * 6)],
}
NETWORK = {name: "alex" if name.endswith("alex") else "vgg" for name in METRICS}
# Of the packages lpips 0.1.4 and DISTS-pytorch 0.1 with the weights of `_random`.
ON_RANDOM_WEIGHTS = {"lpips-alex": 0.00363803, "lpips-vgg": 0.00806871, "dists": 0.00181293}


def _random(metric):
    """Weights of the right shapes, the same in every run."""
    rng, arrays, before = np.random.default_rng(0), {}, 3
    for i, (edge, width) in enumerate(WIDTHS[NETWORK[metric]]):
        scale = np.sqrt(2 / (edge**2 * before))
        kernel = rng.normal(size=(edge, edge, before, width)) * scale
        arrays[f"conv{i}/kernel"] = kernel.astype(np.float32)
        arrays[f"conv{i}/bias"] = (0.05 * rng.normal(size=width)).astype(np.float32)
        before = width
    if metric.startswith("st-"):
        heads = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
        for i, n in enumerate(heads[NETWORK[metric]]):
            arrays[f"head{i}"] = np.ones(n, np.float32)
    return arrays


@pytest.mark.parametrize("metric", ON_RANDOM_WEIGHTS)
def test_architecture_and_heads_are_those_of_the_packages(metric):
    image = kodim("kodim05_crop")[:97, :131]
    x, y = (jnp.asarray(a[None], jnp.float32) / 255 for a in (image, _posterised(image)))
    judge = assemble(metric, _random(metric))
    got = float(jax.jit(judge.distance)(x, y)[0])
    assert got == pytest.approx(ON_RANDOM_WEIGHTS[metric], abs=2e-6)
    assert abs(float(judge.distance(x, x)[0])) < 1e-6


@pytest.mark.parametrize("metric", METRICS)
def test_features_have_the_published_shapes(metric):
    judge = assemble(metric, _random(metric))
    shapes = jax.eval_shape(judge.features, jnp.zeros((1, 64, 96, 3)))
    assert [s.shape[-1] for s in shapes] == [head.shape[-1] for head in judge.heads]
    assert shapes[0].shape[1] > shapes[2].shape[1] >= shapes[4].shape[1]


def test_only_the_published_network_goes_by_the_name(tmp_path):
    path, published = tmp_path / "vgg.safetensors", "397923af" + 56 * "0"
    save_arrays(path, _random("lpips-vgg"), published)
    assert len(perceptual("lpips-vgg", path=path).weights) == 13
    with pytest.raises(ModelError, match="not the published network of st-lpips-vgg"):
        perceptual("st-lpips-vgg", path=path)
    save_arrays(path, _random("lpips-vgg"), 64 * "0")
    with pytest.raises(ModelError, match="not the published network of lpips-vgg"):
        perceptual("lpips-vgg", path=path)
    save_arrays(path, _random("lpips-alex"), published)
    with pytest.raises(ModelError, match="not the weights"):
        perceptual("lpips-vgg", path=path)
    with pytest.raises(ModelError, match="does not ship"):
        perceptual("dists")
    with pytest.raises(ModelError, match="cannot be read"):
        perceptual("dists", path=tmp_path / "missing")
    with pytest.raises(ModelError, match="perceptual metrics are"):
        perceptual("beauty")


def test_images_that_do_not_fit_are_refused(alex):
    x = jnp.zeros((1, 40, 40, 3))
    with pytest.raises(ValueError, match="cannot be compared"):
        alex.distance(x, x[:, :39])
    with pytest.raises(ValueError, match="32 pixels"):
        alex.distance(x[:, :20], x[:, :20])


def test_views_are_turned_one_by_one_and_halved():
    x, y = jax.random.uniform(jax.random.key(0), (2, 8, 8, 8, 3))

    def first_row(a, b):  # Depends on which way up a picture is.
        return jnp.mean(jnp.square(a[:, 0] - b[:, 0]), axis=(1, 2))

    found, alone = over_views(first_row)(x, y), first_row(x, y)
    halves = [a.reshape(8, 4, 2, 4, 2, 3).mean((2, 4)) for a in (x, y)]
    np.testing.assert_allclose(found[0], (alone[0] + first_row(*halves)[0]) / 2, rtol=1e-5)
    turned = over_views(first_row)(*(jnp.repeat(a[:1], 8, 0) for a in (x, y)))
    assert len(np.unique(np.round(turned, 6))) == 4  # Four edges, each read both ways.
    np.testing.assert_array_equal(over_views(first_row)(x, x), 0)
