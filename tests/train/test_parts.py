import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.models import Spec, assemble
from train.parts import by_part, parts


def _shapes(builder):
    example = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    return jax.eval_shape(assemble(Spec(builder, {})).init, example, jax.random.key(0))


def test_every_array_has_its_part():
    found = parts(_shapes("sic.lapped"))["params"]
    assert set(jax.tree.leaves(found)) == {"base", "gains", "context", "linear", "pyramid"}
    assert found["gain"]["log_gain"] == "gains"
    assert set(jax.tree.leaves(found["refinement_1"])) == {"context"}
    assert found["context"]["refine_1"]["linear"]["kernel"] == "linear"
    assert found["synthesis_transform"]["lapped"] == "base"
    assert set(jax.tree.leaves(found["synthesis_transform"]["restoration"])) == {"pyramid"}


def test_rates_are_those_of_the_parts():
    params = {"params": {"gain": {"a": jnp.ones(2)}, "prior": {"b": jnp.ones(2)}}}
    rates = {"gains": 0.1, "base": 0.01, "context": 0.0, "linear": 0.0, "pyramid": 0.0}
    optimizer = by_part(rates, with_muon=("context",), warmup=1, falling=5, steps=10)
    state = optimizer.init(params)
    slopes = jax.tree.map(jnp.ones_like, params)
    _, state = optimizer.update(slopes, state, params)
    updates, _ = optimizer.update(slopes, state, params)
    np.testing.assert_allclose(updates["params"]["gain"]["a"], -0.1, rtol=1e-3)
    np.testing.assert_allclose(updates["params"]["prior"]["b"], -0.01, rtol=1e-3)


def test_what_is_fixed_keeps_its_values_and_does_not_count_for_the_norm():
    params = {"params": {"gain": {"a": jnp.ones(2)}, "prior": {"b": jnp.ones(3)}}}
    grads = {"params": {"gain": {"a": jnp.full(2, 1e9)}, "prior": {"b": jnp.full(3, 1e-3)}}}
    optimizer = by_part(
        dict(base=1e-2, gains=1e-1),
        with_muon=(),
        warmup=0,
        falling=0,
        steps=9,
        fixed="params/gain/",
    )
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    np.testing.assert_array_equal(updates["params"]["gain"]["a"], 0)
    np.testing.assert_allclose(updates["params"]["prior"]["b"], -0.01, rtol=1e-3)
