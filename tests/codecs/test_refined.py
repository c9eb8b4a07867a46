"""What a refiner's training sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic.codecs.refined import START, refined, refined_codec
from jaxlic.diffusion.schedule import cosine, grid
from tests.conftest import TINY
from tests.random_params import random_params

MODULE = refined(base="hyperprior", settings=TINY.settings, widths=(4, 4, 4), embedding=4)
IMAGE = jax.random.uniform(jax.random.key(1), (4, 64, 64, 3))
QUALITY, KEY = jnp.linspace(5.0, 50.0, 4), jax.random.key(2)


@pytest.fixture(scope="module")
def params():
    codec = refined_codec(MODULE)
    return random_params(lambda key: codec.init(IMAGE[:1], key), jax.random.key(0), scale=0.1)


def _aux(params, module=MODULE, **kwargs):
    return jax.jit(refined_codec(module, **kwargs).forward)(params, IMAGE, QUALITY, KEY).aux


def test_a_student_of_many_steps_is_its_own_teacher(params):
    errors = {}
    for few in (2, 64):
        aux = _aux(params, teacher=params, few=few)
        starts = grid(cosine, 2 * few, start=START)[:-1:2]
        assert all(np.abs(starts - level).min() < 1e-4 for level in aux["log_snr"])
        assert len(np.unique(aux["log_snr"])) > 1
        errors[few] = float(jnp.abs(aux["v"] - aux["v_hat"]).mean())
    assert errors[64] < 0.1 * errors[2]


def test_gradients_reach_the_base_if_it_is_trained_too(params):
    def slopes(joint):
        codec = refined_codec(MODULE, joint=joint)

        def two(synthesis):
            inner = {**params["params"], "synthesis_transform": synthesis}
            rec = codec.forward({"params": inner}, IMAGE, QUALITY, KEY)
            # The target must not pull the base towards what is easy.
            return jnp.stack([jnp.mean(rec.aux["v"]), jnp.mean(rec.x_hat)])

        leaves = jax.tree.leaves(
            jax.jit(jax.jacrev(two))(params["params"]["synthesis_transform"])
        )
        return [max(float(jnp.abs(a[i]).max()) for a in leaves) for i in (0, 1)]

    assert slopes(False) == [0, 0]
    target, picture = slopes(True)
    assert target == 0 and picture > 0


def test_without_diffusion_there_is_no_noise(params):
    aux = _aux(params, MODULE._replace(deterministic=True))
    np.testing.assert_array_equal(aux["log_snr"], -12)
    assert float(jnp.abs(aux["v"]).mean()) > 0.1
