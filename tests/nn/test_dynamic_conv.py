"""A convolution that looks where content says."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.nn import dynamic_conv
from jaxlic.nn.dynamic_conv import DynamicConv, PlainConv, SeparableConv
from jaxlic.ops import warp
from tests.random_params import random_params

X = jax.random.normal(jax.random.key(0), (1, 6, 8, 8))


def _moved(module, x=X, scale=0.3):
    return random_params(module.init, jax.random.key(0), x, scale=scale)


def test_it_starts_as_a_box_filter_between_projections():
    module = DynamicConv(5, group=4)
    variables = module.init(jax.random.key(1), X)
    params = variables["params"]
    assert set(variables) == {"params"}  # Nothing sown is kept among the parameters.
    u = X @ params["project"]["kernel"][0, 0]
    padded = np.pad(u, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    box = sum(padded[:, i : i + 6, j : j + 8] for i in range(3) for j in range(3)) / 9
    np.testing.assert_allclose(
        module.apply(variables, X), box @ params["out"]["kernel"][0, 0], atol=1e-5
    )


@pytest.mark.parametrize(
    ("modulation", "total"),
    [(dynamic_conv.softmax, 1), (dynamic_conv.sigmoid, 4.5), (dynamic_conv.unbounded, 1)],
)
def test_the_weights_of_the_taps_start_alike(modulation, total):
    weights = modulation(jnp.zeros((2, 9)))
    np.testing.assert_allclose(weights, total / 9, rtol=1e-6)


def test_offsets_are_bounded_whatever_the_input():
    module = DynamicConv(8, group=4, radius=2)
    variables = _moved(module, scale=3.0)
    for scale in (1.0, 1e6, 1e30):
        y, seen = module.apply(variables, scale * X, mutable=["intermediates"])
        offsets = seen["intermediates"]["offsets"][0]
        assert float(jnp.abs(offsets).max()) <= 2
        assert bool(jnp.isfinite(y).all())


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_predictions_that_are_not_finite_fall_back_and_are_counted(bad):
    module = DynamicConv(8, group=4)
    variables = _moved(module)
    params = variables["params"]
    broken = {**params, "offset": {**params["offset"], "bias": jnp.full(36, bad)}}
    y, seen = module.apply({"params": broken}, X, mutable=["intermediates"])
    still = {**params, "offset": jax.tree.map(jnp.zeros_like, params["offset"])}
    np.testing.assert_allclose(y, module.apply({"params": still}, X), atol=1e-6)
    modulation, offsets = seen["intermediates"]["fallbacks"]
    assert (int(modulation), int(offsets)) == (0, 6 * 8 * 2 * 9 * 2)


MODULES = {
    "dynamic": DynamicConv(5, group=4),
    "sigmoid": DynamicConv(5, group=4, modulation=dynamic_conv.sigmoid),
    "unbounded": DynamicConv(5, group=4, modulation=dynamic_conv.unbounded),
    "offsets-only": DynamicConv(5, group=4, modulation=dynamic_conv.uniform),
    "modulation-only": DynamicConv(5, group=4, offsets=False),
    "depthwise": SeparableConv(5),
    "plain": PlainConv(5),
}


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_a_padded_window_gives_what_the_valid_part_alone_gives(module):
    variables = _moved(module)
    alone = module.apply(variables, X[:, :4, :6])
    padded = jax.jit(module.apply)(variables, X, jnp.array([4, 6]))
    assert alone.shape == (1, 4, 6, 5)
    np.testing.assert_allclose(padded[:, :4, :6], alone, atol=1e-5)


@pytest.mark.parametrize("name", ["dynamic", "offsets-only", "modulation-only"])
def test_gradients_reach_every_parameter(name):
    module = MODULES[name]
    variables = _moved(module)

    def cost(variables):
        return jnp.sum(jnp.sin(module.apply(variables, X)))

    gradients = jax.jit(jax.grad(cost))(variables)["params"]
    idle = {"modulation"} if name == "offsets-only" else set()
    for layer, arrays in gradients.items():
        for a in jax.tree.leaves(arrays):
            assert bool(jnp.isfinite(a).all())
            assert (float(jnp.abs(a).sum()) > 0) == (layer not in idle)


def test_both_implementations_are_the_same_layer():
    layers = [
        DynamicConv(5, group=4, aggregate=function)
        for function in (warp.aggregate_gather, warp.aggregate_window)
    ]
    variables = _moved(layers[0])
    first, second = (jax.jit(layer.apply)(variables, X) for layer in layers)
    np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [dict(radius=0), dict(radius=-1), dict(radius=1.5), dict(kernel_size=2), dict(group=0)],
)
def test_settings_that_make_no_kernel_are_refused(settings):
    with pytest.raises(ValueError, match=r"radius is|odd edges|in groups of 0"):
        jax.eval_shape(DynamicConv(5, **{"group": 4, **settings}).init, jax.random.key(0), X)


@pytest.mark.parametrize("kind", [DynamicConv, PlainConv, SeparableConv])
def test_results_are_of_the_type_of_the_input(kind):
    module = kind(5, group=4) if kind is DynamicConv else kind(5)
    variables, low = _moved(module), X.astype(jnp.bfloat16)
    y = module.apply(variables, low)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(y.astype("f4"), module.apply(variables, X), atol=0.1)


def test_channels_must_divide_into_groups():
    with pytest.raises(ValueError, match="groups of 16"):
        jax.eval_shape(functools.partial(DynamicConv(8).init, jax.random.key(0)), X)
