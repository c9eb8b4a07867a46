"""Convolutions in bfloat16, for training: half the memory, and the fast units of accelerators.

Parameters stay float32, and so does all between convolutions: sums of residual blocks,
normalisation, gains, the linear path of the lapped transforms. Rounded to bfloat16 (8 bits)
are what goes into a convolution, its kernel, and what comes out; products are summed in
float32. The convolutions that make the latent and the picture give float32: a latent of 300
quantisation steps, or a pixel near 1, has no neighbours in bfloat16 that would do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxlic.nn.conv import Conv, ConvTranspose
from jaxlic.nn.dynamic_conv import PlainConv

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def convolving_in(dtype: str) -> contextlib.AbstractContextManager[None]:
    """A context in which linen's convolutions compute in `dtype`, a name of `DTYPES`.

    Raises:
        ValueError: for another name.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if dtype == "float32":
        return contextlib.nullcontext()

    def rounded(call: Callable[..., Any], args: tuple, kwargs: Any, context: Any) -> Any:
        convolves = isinstance(context.module, Conv | ConvTranspose | PlainConv)
        if convolves and context.method_name == "__call__":
            x: jax.Array = args[0]
            args = (x.astype(DTYPES[dtype]), *args[1:])
        return call(*args, **kwargs)

    return nn.intercept_methods(rounded)
