"""Compiled sub-networks for code that runs step by step on the host."""

from __future__ import annotations

import functools
from typing import Any

import jax
from flax import linen as nn
from jax.core import Tracer


def staged(module: nn.Module, *args: Any) -> Any:
    """`module(*args)`, through a compiled program if nothing is being traced.

    An entropy coder is asked between networks, so a codec's `code` runs outside jit when
    files are written and read. Programs are kept for each module's configuration: a second
    call with the same shapes traces and compiles nothing (as `nn.jit` would).

    Args:
        module: a bound submodule.
        args: arrays, or None.
    """
    tracing = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(args))
    # JAX makes the attributes of its config at run time.
    eager = jax.config.jax_disable_jit  # ty: ignore[missing-attribute]
    if tracing or module.is_initializing() or eager:
        return module(*args)
    unbound, variables = module.unbind()
    # Linen gives modules a hash as it makes them dataclasses.
    return _program(unbound)(variables, *args)  # ty: ignore[invalid-argument-type]


@functools.lru_cache(maxsize=64)
def _program(module: nn.Module):
    return jax.jit(module.apply)
