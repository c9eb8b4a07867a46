"""Code for the arrays of two libraries.

What lies between the bytes of a file and the tables of the entropy coder runs twice: in
training, traced by JAX, and, where files are written and read, in NumPy. There nothing has to
compile, no buffer has a fixed size, and an accelerator has no part in it. What is exact, gives
the same integers both ways.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

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
