"""The size of the codec in levels, and what it takes from the pyramid codec."""

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.models import Spec, assemble, build
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
    assert 35 < cost["decode"] < 40 and 35 < cost["encode"] < 41
    seeing = Spec("sic.lapped", {"magnitudes": True} | SIC)
    shapes = jax.eval_shape(assemble(seeing).init, jnp.zeros((1, 64, 64, 3)), jax.random.key(0))
    assert 38 < complexity.kmacs_per_pixel(build(seeing), shapes)["decode"] < 38.5


def test_the_large_one_has_the_papers_levels_and_about_its_size():
    module, shapes = build(Spec("sic.swin", {})), _shapes("sic.swin")
    assert module.levels == 16 and "r0" not in module.level_of
    assert list(module.level_of.values()).count(3) == 2
    count = sum(np.prod(a.shape) for a in jax.tree.leaves(shapes)) / 1e6
    assert 65 < count < 90  # Of them 42.7 in the transforms.


def test_all_but_the_fine_plane_is_the_pyramid_codecs(shapes):
    mine, other = (
        flax.traverse_util.flatten_dict(tree["params"], sep="/")
        for tree in (shapes, _shapes("pyramid.lapped"))
    )
    own = [name for name in mine if name not in other]
    assert own and all(name.startswith("refinement/") for name in own)
    narrower = [n for n in mine if n in other and mine[n].shape != other[n].shape]
    assert len(narrower) == 6
    for name in narrower:
        assert mine[name].shape[:-1] == other[name].shape[:-1]
        assert mine[name].shape[-1] == 320 and other[name].shape[-1] == 768
