import jax
import jax.numpy as jnp
import pytest

from jaxlic.codecs.transform import transform_codec
from jaxlic.models import Spec, build
from jaxlic.nn.conv import conv2d
from jaxlic.report.complexity import kmacs_per_pixel, macs, rescaling_kmacs_per_pixel
from jaxlic.rescaling import sain
from jaxlic.rescaling.rescaler import rescaler


def test_convolutions_and_products_are_counted():
    x, kernel = jnp.zeros((2, 8, 8, 3)), jnp.zeros((5, 5, 3, 4))
    assert macs(lambda x: conv2d(x, kernel, stride=2), x) == 2 * 4 * 4 * 25 * 3 * 4
    assert macs(lambda a: jax.jit(lambda a: a @ a.T)(a) + 1, jnp.zeros((6, 7))) == 6 * 6 * 7


def test_every_turn_of_a_scan_counts():
    def f(a):
        return jax.lax.scan(lambda c, _: (c @ a, None), a, None, length=5)[0]

    assert macs(f, jnp.zeros((6, 6))) == 5 * 6**3


def test_what_does_not_reach_the_output_is_not_counted():
    def f(a):
        _unused = jax.jit(lambda a: a @ a.T)(a)
        return a + 1

    assert macs(f, jnp.zeros((6, 7))) == 0


def test_base_costs_less_than_20_kmac_a_pixel():
    module = build(Spec("hyperprior.lapped", {}))
    shapes = jax.eval_shape(
        transform_codec(module).init, jnp.zeros((1, 64, 64, 3)), jax.random.key(0)
    )
    params = jax.tree.map(lambda a: jnp.zeros(a.shape), shapes)
    cost = kmacs_per_pixel(module, params)
    assert 10 < cost["decode"] < cost["encode"] < 20


@pytest.mark.parametrize(
    "layout, down, up",
    [(sain.PAPER_X2, 294.793, 502.882), (sain.PAPER_X4, 258.554, 405.300)],
    ids=["x2", "x4"],
)
def test_the_published_rescalers_cost_what_they_should(layout, down, up):
    module = sain.dense(layout)
    init = rescaler(module).init
    params = jax.eval_shape(init, jnp.zeros((1, 16, 16, 3)), jax.random.key(0))
    cost = rescaling_kmacs_per_pixel(module, params)
    assert abs(cost["encode"] - down) < 0.01 and abs(cost["decode"] - up) < 0.01
