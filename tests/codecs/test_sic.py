"""The size of the codec in levels, and what it takes from the pyramid codec."""

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxlic.codecs.sic import LOWER, OCTAVE, coarser
from jaxlic.models import Spec, assemble, build
from jaxlic.nn.pyramid import ANCHORS
from jaxlic.report import complexity
from train.extend import SIC


def _shapes(name):
    example = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    return jax.eval_shape(assemble(Spec(name, {})).init, example, jax.random.key(0))


@pytest.fixture(scope="module")
def shapes():
    return _shapes("sic.lapped")


def test_decoding_takes_about_40_kmac_a_pixel(shapes):
    cost = complexity.kmacs_per_pixel(build(Spec("sic.lapped", {})), shapes)
    assert 35 < cost["decode"] < 41 and 35 < cost["encode"] < 42
    seeing = Spec("sic.lapped", {"magnitudes": True} | SIC)
    shapes = jax.eval_shape(assemble(seeing).init, jnp.zeros((1, 64, 64, 3)), jax.random.key(0))
    assert 38 < complexity.kmacs_per_pixel(build(seeing), shapes)["decode"] < 39


@pytest.mark.parametrize("quality", [10.0, 40.0, 95.0])
def test_a_picture_of_a_level_is_made_as_with_the_steps_of_the_level(quality):
    module, seen = build(Spec("sic.lapped", {})), []

    class Recorded(nn.Module):
        def __call__(self, y, told, size=None):
            seen.append((y, told))
            return y

    module = module.clone(synthesis_transform=Recorded())
    table = jax.random.normal(jax.random.key(0), (2, ANCHORS, 320)) / 9
    params = {"gain": {"log_gain": table[0]}, "inverse_gain": {"log_gain": table[1]}}
    low = max(quality - LOWER, 1.0)
    for level, octaves in ((1, 0), (6, 0), (7, 0.5), (8, 1), (10, 2), (None, 2)):
        asked = None if level is None else jnp.array([level])

        def run(module, y, asked=asked):
            q = jnp.full(1, quality)
            module.synthesis(module.cells * module.gain(coarser(q)) * y, q, level=asked)
            told = seen[-1][1]
            return module.gain(told) * module.inverse_gain(told) * y

        expected = module.apply({"params": params}, jnp.ones((1, 2, 2, 320)), method=run)
        y, told = seen.pop()
        np.testing.assert_allclose(told, min(low + octaves * OCTAVE, 100))
        np.testing.assert_allclose(y, expected, rtol=1e-4)


def test_the_large_one_has_the_papers_levels_and_about_its_size():
    module, shapes = build(Spec("sic.swin", {})), _shapes("sic.swin")
    assert module.levels == 16 and "r0" not in module.level_of
    assert list(module.level_of.values()).count(3) == 2
    count = sum(np.prod(a.shape) for a in jax.tree.leaves(shapes)) / 1e6
    assert 65 < count < 90  # Of them 42.7 in the transforms.


def test_all_but_the_fine_planes_is_the_pyramid_codecs(shapes):
    mine, other = (
        flax.traverse_util.flatten_dict(tree["params"], sep="/")
        for tree in (shapes, _shapes("pyramid.lapped"))
    )
    own = [name for name in mine if name not in other]
    assert own and all(name.startswith("refinement_") for name in own)
    narrower = [n for n in mine if n in other and mine[n].shape != other[n].shape]
    assert len(narrower) == 6
    for name in narrower:
        assert mine[name].shape[:-1] == other[name].shape[:-1]
        assert mine[name].shape[-1] == 320 and other[name].shape[-1] == 768
