"""EfficientNet-Lite0 beside the package efficientnet_lite_pytorch 0.1.0, on random weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.metrics.efficientnet import FEATURES, efficientnet_lite0, shapes
from tests.conftest import kodim


def random_arrays():
    """Weights of the right shapes, the same in every run."""
    rng, arrays = np.random.default_rng(0), {}
    for name, shape in shapes().items():
        scale = np.sqrt(2 / np.prod(shape[:3]))
        arrays[f"{name}/kernel"] = (rng.normal(size=shape) * scale).astype(np.float32)
        arrays[f"{name}/bias"] = (0.05 * rng.normal(size=shape[-1])).astype(np.float32)
    return arrays


@pytest.fixture(scope="module")
def network():
    arrays = random_arrays()
    weights = {
        name: {part: arrays[f"{name}/{part}"] for part in ("kernel", "bias")}
        for name in shapes()
    }
    return jax.jit(lambda x: efficientnet_lite0(weights, x))


def test_it_has_the_published_size():
    assert sum(np.prod(shape) for shape in shapes().values()) == 3_328_992


def test_features_are_those_of_the_package(network):
    image = kodim("kodim05_crop")[:96, :128]
    got = np.asarray(network(jnp.asarray(image[None], jnp.float32) / 255))[0]
    assert got.shape == (FEATURES,)
    np.testing.assert_allclose(got[:3], [1.6399552, 0, 3.4462833], atol=1e-5)
    np.testing.assert_allclose(got[-3:], [1.1485461, 1.1353122, 0.72116995], atol=1e-5)
    assert got.mean() == pytest.approx(1.4575058, abs=1e-5)


def test_odd_sizes_pass_and_small_ones_do_not(network):
    assert bool(jnp.isfinite(network(jnp.full((1, 37, 61, 3), 0.5))).all())
    with pytest.raises(ValueError, match="32 pixels"):
        network(jnp.zeros((1, 31, 64, 3)))
