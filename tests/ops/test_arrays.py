import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.arrays import is_host, namespace


def test_numpy_only_where_all_are_numpys():
    host, device = np.zeros(2), jnp.zeros(2)
    assert is_host(host, host) and not is_host(host, device)
    assert namespace(host) is np and namespace(host, device) is jnp
    seen = []
    jax.jit(lambda x: seen.append(namespace(x)) or x)(host)
    assert seen == [jnp]
