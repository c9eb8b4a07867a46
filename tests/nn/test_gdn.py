import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.nn.gdn import GDN


def test_initial_value_is_the_formula():
    x = jax.random.normal(jax.random.key(0), (1, 3, 3, 4))
    module = GDN()
    y = module.apply(module.init(jax.random.key(1), x), x)
    np.testing.assert_allclose(y, x / jnp.sqrt(1 + 0.1 * x**2), rtol=1e-4)


def test_inverse_multiplies():
    x = jax.random.normal(jax.random.key(0), (1, 3, 3, 4))
    module = GDN(inverse=True)
    y = module.apply(module.init(jax.random.key(1), x), x)
    np.testing.assert_allclose(y, x * jnp.sqrt(1 + 0.1 * x**2), rtol=1e-4)


def test_no_parameter_makes_a_root_of_a_negative():
    x = jax.random.normal(jax.random.key(0), (1, 3, 3, 4))
    module = GDN()
    variables = jax.tree.map(lambda a: a - 10, module.init(jax.random.key(1), x))
    assert bool(jnp.isfinite(module.apply(variables, x)).all())
