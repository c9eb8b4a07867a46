"""One function in the formulation that suits where it will run.

What is chosen by `jax.default_backend()` is wrong in a program that is lowered for another
platform, and in one that is exported for several.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Generator
from typing import Any

from jax import lax

_ONE: contextvars.ContextVar[str | None] = contextvars.ContextVar("platform", default=None)


def by_platform(*args: Any, cpu: Callable[..., Any], default: Callable[..., Any]) -> Any:
    """`cpu(*args)` in programs for CPUs, `default(*args)` in those for accelerators.

    It is decided when a program is lowered, and the other leaves nothing in it. Both are
    traced, and give the same shapes.
    """
    one = _ONE.get()
    if one is not None:
        return (cpu if one == "cpu" else default)(*args)
    return lax.platform_dependent(*args, cpu=cpu, default=default)


@contextlib.contextmanager
def traced_for(platform: str) -> Generator[None]:
    """Within, what is traced is for `platform` alone: for those who read a trace.

    Such are converters to other formats and whoever counts operations. JAX keeps the traces of
    a function: give it one that is new, such as a lambda.
    """
    before = _ONE.set(platform)
    try:
        yield
    finally:
        _ONE.reset(before)
