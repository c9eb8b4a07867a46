"""Architectures by name: what `model.json` may ask for, and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.errors

from jaxlic.codecs import dkic, hyperprior, pyramid, refined, sic
from jaxlic.core import Builder, Codec, Rescaler
from jaxlic.errors import ModelError, one_line
from jaxlic.rescaling import bicubic, sain

BUILDERS = {
    builder.name: builder
    for home in (hyperprior, dkic, pyramid, refined, sic, sain, bicubic)
    for builder in home.BUILDERS
}
# What builders and linen raise for settings that make no sense.
REJECTED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    flax.errors.FlaxError,
)


class Spec(NamedTuple):
    """An architecture as data: the name of a builder and its keywords."""

    builder: str
    settings: dict[str, Any]


def builder_of(spec: Spec, builders: Sequence[Builder] = ()) -> Builder:
    """The builder that a spec names, among `builders` and those of the library.

    Raises:
        ModelError: if there is none.
    """
    known = {**BUILDERS, **{builder.name: builder for builder in builders}}
    if spec.builder not in known:
        raise ModelError(
            f"no architecture is called {spec.builder!r}; if it is your own, say where it is "
            "(--code FILE, builders=, or a config with its builders)"
        )
    return known[spec.builder]


def build(spec: Spec, builders: Sequence[Builder] = ()) -> Any:
    """The linen module of a spec.

    Raises:
        ModelError: if there is no such builder or it rejects the settings.
    """
    builder = builder_of(spec, builders)
    try:
        return builder.make(**spec.settings)
    except REJECTED as error:
        raise ModelError(f"{spec.builder}: {one_line(error)}") from error


def assemble(spec: Spec, builders: Sequence[Builder] = (), **training: Any) -> Codec | Rescaler:
    """The pure functions of a spec; `training` goes to `Builder.assemble`.

    Raises:
        ModelError: as `build`, or if the module cannot be assembled.
    """
    module = build(spec, builders)
    try:
        return builder_of(spec, builders).assemble(module, **training)
    except REJECTED as error:
        raise ModelError(f"{spec.builder}: {one_line(error)}") from error
