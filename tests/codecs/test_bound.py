import concurrent.futures

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxlic.codecs.bound import binder


class Two(nn.Module):
    def setup(self):
        self.first, self.second = nn.Dense(3), nn.Dense(2)

    def __call__(self, x):
        return self.second(self.first(x))


MODEL, X = Two(), jnp.arange(4.0)[None]
PARAMS = MODEL.init(jax.random.key(0), X)


def test_asks_the_same_module_again_and_answers_as_apply_does():
    bound = binder(MODEL)
    for _ in range(2):
        np.testing.assert_array_equal(bound(PARAMS)(X), MODEL.apply(PARAMS, X))
    assert bound(PARAMS) is bound(PARAMS)
    assert bound(jax.tree.map(lambda a: a, PARAMS)) is bound(PARAMS)  # The same arrays.


def test_other_parameters_are_bound_anew_also_where_a_tree_was_changed():
    bound = binder(MODEL)
    first = bound(PARAMS)(X)
    doubled = jax.tree.map(lambda a: 2 * a, PARAMS)
    np.testing.assert_array_equal(bound(doubled)(X), 4 * first)
    doubled["params"]["second"]["kernel"] = PARAMS["params"]["second"]["kernel"]
    np.testing.assert_array_equal(bound(doubled)(X), 2 * first)


def test_arrays_of_numpy_can_change_so_nothing_is_kept_of_them():
    bound, params = binder(MODEL), jax.tree.map(lambda a: np.array(a), PARAMS)
    first = np.asarray(bound(params)(X))
    params["params"]["second"]["kernel"] *= 2
    np.testing.assert_array_equal(bound(params)(X), 2 * first)


def test_every_thread_has_a_module_of_its_own():
    bound = binder(MODEL)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(bound, PARAMS).result() is not bound(PARAMS)
