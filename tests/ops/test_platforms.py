"""A program has the formulation of the platform it is lowered for."""

import ast
import pathlib

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlic
from jaxlic.ops.platforms import by_platform, traced_for

X = jnp.linspace(-1, 1, 7)


def _either(x):
    """The same values both ways, told apart by their primitives."""
    return by_platform(x, cpu=lambda x: x * x, default=lambda x: jnp.square(jnp.abs(x)))


def test_an_export_for_another_platform_has_its_formulation():
    for platform, kept in (("cpu", False), ("tpu", True), ("cuda", True)):
        exported = jax.export.export(jax.jit(_either), platforms=[platform])(X)
        assert ("stablehlo.abs" in exported.mlir_module()) == kept
    both = jax.export.export(jax.jit(_either), platforms=["cpu", "cuda", "tpu"])(X)
    assert "stablehlo.abs" in both.mlir_module()
    np.testing.assert_allclose(both.call(X), X * X)


def test_gradients_keep_nothing_of_what_was_not_chosen():
    compiled = jax.jit(jax.grad(lambda x: jnp.sum(_either(x)))).lower(X).compile()
    assert "conditional" not in compiled.as_text() and "abs" not in compiled.as_text()
    np.testing.assert_allclose(compiled(X), 2 * X, atol=1e-6)


@pytest.mark.parametrize("platform, kept", [("cpu", False), ("tpu", True)])
def test_a_trace_for_one_platform_has_no_branches(platform, kept):
    with traced_for(platform):
        trace = str(jax.make_jaxpr(lambda x: _either(x))(X))
    assert "cond" not in trace and ("abs" in trace) == kept
    assert "platform_index" in str(jax.make_jaxpr(_either)(X))


def test_nothing_that_is_traced_asks_for_the_default_backend():
    root = pathlib.Path(jaxlic.__file__).parent
    asking = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "default_backend"
    }
    # How many images go to the device at once, decided on the host.
    assert asking == {"batch/tasks.py"}
