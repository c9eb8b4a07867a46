"""A sub-network of a codec that writes files, as a compiled program."""

from __future__ import annotations

import functools

import jax
import numpy as np
from flax import linen as nn

from jaxlic.ops.arrays import Array, is_host
from jaxlic.ops.tiling import edge_for, fill

_EDGES = (8, 16, 32, 48, 64, 96, 128)


def staged(module: nn.Module, x: Array, quality: Array, size: Array | None = None) -> Array:
    """`module(x, quality, size)`; of arrays of NumPy, through a compiled program.

    An entropy coder is asked between networks, so a codec's `code` runs outside jit, in NumPy,
    when files are written. What is not exact, and only the encoder needs, is compiled there,
    for buffers of a few sizes. Programs are kept for each module's configuration.

    Args:
        module: a bound submodule that divides height and width by an integer.
        x: `[1, H, W, C]`.
        quality: `[1]`.
        size: the valid part; None for all, and always of arrays of NumPy.
    """
    if not is_host(x) or module.is_initializing():
        return module(x, quality, size)
    height, width = x.shape[1:3]
    buffer = fill(x[0], (edge_for(height, _EDGES), edge_for(width, _EDGES)))
    unbound, variables = module.unbind()
    # Linen gives modules a hash as it makes them dataclasses.
    program = _program(unbound)  # ty: ignore[invalid-argument-type]
    out = program(variables, buffer[None], quality, np.array([height, width], np.int32))
    factor = buffer.shape[0] // out.shape[1]
    return np.asarray(out)[:, : height // factor, : width // factor]


@functools.lru_cache(maxsize=64)
def _program(module: nn.Module):
    return jax.jit(module.apply)
