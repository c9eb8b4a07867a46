import jax
import jax.numpy as jnp
import pytest

from jaxlic.ops.bounds import clip, lower_bound


def test_clip_clips():
    assert clip(jnp.array([-2.0, 0.5, 3.0]), 0.0, 1.0).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("x", "slope", "expected"),
    [(-1, 1, 0), (-1, -1, -1), (0.5, 1, 1), (2, 1, 1), (2, -1, 0)],
)
def test_only_gradients_that_lead_inside_pass(x, slope, expected):
    gradient = jax.jit(jax.grad(lambda x: slope * clip(x, 0.0, 1.0)))(float(x))
    assert gradient == expected


def test_lower_bound_is_open_above():
    assert lower_bound(jnp.array(7.0), 1.0) == 7.0


def test_bounds_in_the_wrong_order_raise():
    with pytest.raises(ValueError, match="low 2 exceeds high 1"):
        clip(jnp.zeros(1), 2, 1)
