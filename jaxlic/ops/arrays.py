"""Code for the arrays of two libraries.

What lies between the bytes of a file and the tables of the entropy coder runs twice: in
training, traced by JAX, and, where files are written and read, in NumPy. There nothing has to
compile, no buffer has a fixed size, and an accelerator has no part in it. What is exact, gives
the same integers both ways.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# JAX's or NumPy's. That results are of their arguments' library, type checkers cannot be told.
Array = Any


def is_host(*arrays: Any) -> bool:
    """Whether all are arrays of NumPy."""
    return all(isinstance(a, np.ndarray | np.generic) for a in arrays)


def namespace(*arrays: Any) -> ModuleType:
    """`numpy` if all arrays are NumPy's, else `jax.numpy`.

    >>> namespace(np.zeros(1)).__name__, namespace(np.zeros(1), jnp.zeros(1)).__name__
    ('numpy', 'jax.numpy')
    """
    return np if is_host(*arrays) else jnp


def once(f: Callable[..., np.ndarray], a: Array, *settings: Hashable) -> np.ndarray:
    """`f(a, *settings)`, computed once for as long as `a` lives if it is JAX's.

    An array of JAX never changes, so neither does what is made of it; one of NumPy may, and
    nothing of it is kept. Threads that come at the same time may compute it twice.

    Args:
        f: a pure function of the module's, whose result nobody writes to.
        a: an array of either library.
        settings: what else `f` is given.
    """
    if not isinstance(a, jax.Array):
        return f(a, *settings)
    key = (id(a), f, settings)
    found = _MADE.get(key)
    if found is None:
        # Forgotten before the number can become another array's.
        found = weakref.ref(a, lambda _: _MADE.pop(key, None)), f(a, *settings)
        _MADE[key] = found
    return found[1]


_MADE: dict[tuple, tuple[weakref.ref, np.ndarray]] = {}
