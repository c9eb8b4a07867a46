import gc

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops import arrays
from jaxlic.ops.arrays import is_host, namespace


def test_numpy_only_where_all_are_numpys():
    host, device = np.zeros(2), jnp.zeros(2)
    assert is_host(host, host) and not is_host(host, device)
    assert namespace(host) is np and namespace(host, device) is jnp
    seen = []
    jax.jit(lambda x: seen.append(namespace(x)) or x)(host)
    assert seen == [jnp]


def test_what_is_made_of_an_array_is_made_once_and_goes_with_it():
    calls = []

    def double(a, by):
        calls.append(by)
        return np.asarray(a) * by

    a = jnp.arange(3.0)
    first, again, other = arrays.once(double, a, 2), arrays.once(double, a, 2), None
    assert first is again and calls == [2]
    other = arrays.once(double, a, 3)
    assert np.array_equal(other, [0, 3, 6]) and calls == [2, 3]
    before = len(arrays._MADE)
    del a
    gc.collect()
    assert len(arrays._MADE) == before - 2


def test_nothing_is_kept_of_an_array_that_may_change():
    a = np.ones(2)
    arrays.once(np.sum, a)
    a[:] = 5
    assert arrays.once(np.sum, a) == 10
