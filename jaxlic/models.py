"""Models on disk: `model.json`, `weights.safetensors` and `card.md` in one folder.

Shipped models live in `jaxlic/weights/<id>/`; a path to a folder of the same layout works
wherever an id does. No code is run in loading: a model names its architecture, and must be
one of `BUILDERS` or of the caller's.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.traverse_util
import jax
import numpy as np

from jaxlic.codecs import dkic, hyperprior
from jaxlic.core import Builder, Codec, Params, Rescaler
from jaxlic.entropy import tables as entropy_tables
from jaxlic.entropy.tables import TableSets
from jaxlic.errors import ModelError
from jaxlic.files import weights
from jaxlic.files.weights import SHIPPED
from jaxlic.rescaling import bicubic, sain

BUILDERS = {
    builder.name: builder
    for home in (hyperprior, dkic, sain, bicubic)
    for builder in home.BUILDERS
}
_FINGERPRINT = 4
_TABLES = "tables/"


class Spec(NamedTuple):
    """An architecture as data: the name of a builder and its keywords."""

    builder: str
    settings: dict[str, Any]


class Model(NamedTuple):
    """A model with its weights.

    Attributes:
        id: its name.
        number: what a `.jlic` file calls it; 0 for rescalers and what is not shipped.
        stream: 4 bytes that name all that the path from bytes to latents depends on: builder,
            settings, the parameters of the entropy path, tables. Files carry it.
        pixels: 4 bytes that name all of it, the other parameters too.
        v1: what files of version 1, and thumbnails, carry.
        spec, card: how it was built, and what `model.json` says of it.
        codec: the pure functions, of a codec or of a rescaler.
        params: what they take.
        tables: the integer tables stored with the weights; empty for a rescaler.
    """

    id: str
    number: int
    stream: bytes
    pixels: bytes
    v1: bytes
    spec: Spec
    card: dict[str, Any]
    codec: Codec | Rescaler
    params: Params
    tables: TableSets


def builder_of(spec: Spec, builders: Sequence[Builder] = ()) -> Builder:
    """The builder that a spec names, among `builders` and those of the library.

    Raises:
        ModelError: if there is none.
    """
    known = {**BUILDERS, **{builder.name: builder for builder in builders}}
    if spec.builder not in known:
        raise ModelError(f"no architecture is called {spec.builder!r}")
    return known[spec.builder]


def build(spec: Spec, builders: Sequence[Builder] = ()) -> Any:
    """The linen module of a spec.

    Raises:
        ModelError: if there is no such builder or it rejects the settings.
    """
    builder = builder_of(spec, builders)
    try:
        return builder.make(**spec.settings)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{spec.builder}: {error}") from error


def assemble(spec: Spec, builders: Sequence[Builder] = (), **training: Any) -> Codec | Rescaler:
    """The pure functions of a spec; `training` goes to `Builder.assemble`.

    Raises:
        ModelError: as `build`, or if the module cannot be assembled.
    """
    module = build(spec, builders)
    try:
        return builder_of(spec, builders).assemble(module, **training)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ModelError(f"{spec.builder}: {error}") from error


def shipped() -> list[str]:
    """The ids of the shipped models: codecs in order of their numbers, then rescalers."""
    cards = [json.loads(p.read_text()) for p in SHIPPED.glob("*/model.json")]
    cards.sort(key=lambda card: (card["number"] == 0, card["number"], card["id"]))
    return [card["id"] for card in cards]


def folder(name: str | pathlib.Path) -> pathlib.Path:
    """The folder of a model, given its id or its path.

    Raises:
        ModelError: if there is none.
    """
    for candidate in (SHIPPED / str(name), pathlib.Path(name)):
        if (candidate / "model.json").is_file():
            return candidate
    raise ModelError(f"no model called {str(name)!r}; shipped are {', '.join(shipped())}")


def card(name: str | pathlib.Path) -> dict[str, Any]:
    """What `model.json` says; reads no weights. Raises ModelError."""
    try:
        return json.loads((folder(name) / "model.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise ModelError(f"{name}: model.json cannot be read ({error})") from error


def load_model(name: str | pathlib.Path, *, builders: Sequence[Builder] = ()) -> Model:
    """Loads a model and proves that its decoding is exact.

    Args:
        name: id of a shipped model, or a folder.
        builders: architectures of the caller's, beside those of the library.

    Raises:
        ModelError: if it is missing, damaged, or its integer layers could overflow.
    """
    return _load_model(folder(name).resolve(), tuple(builders))


def load_params(name: str | pathlib.Path, *, builders: Sequence[Builder] = ()) -> Params:
    """The parameters of a stored model, to start training from. Raises ModelError."""
    return load_model(name, builders=builders).params


def save_model(
    path: pathlib.Path,
    params: Params,
    spec: Spec,
    description: dict[str, Any],
    tables: TableSets | None = None,
    *,
    builders: Sequence[Builder] = (),
) -> None:
    """Writes a model folder.

    Args:
        path: the folder, made if missing.
        params: float32 parameters.
        spec: how the model is built.
        description: goes into `model.json`; must hold `id` and `number`. With `parent`, the
            name of another model of the same architecture, arrays that are as there (to a
            ten-thousandth) are not written: it is needed to load this one.
        tables: what to code with; None for those of the model's distributions.
        builders: as of `load_model`.

    Raises:
        ModelError: if decoding with these parameters would not be exact.
    """
    codec = assemble(spec, builders)
    flat, rest = weights.flat(params), {}
    if "parent" in description:
        rest, _ = _inherited(description, builders)
        flat = {name: a for name, a in flat.items() if not _same(a, rest.get(name))}
    stored = weights.shrink(flat, int8=builder_of(spec, builders).int8)
    params = weights.tree({**rest, **weights.grow(stored)})
    if isinstance(codec, Codec):
        try:
            description = {**description, "largest_sum": int(codec.check(params)[0])}
        except ValueError as error:
            raise ModelError(str(error)) from error
        arrays = entropy_tables.to_arrays(tables or codec.tables(params))
        stored |= {_TABLES + name: a for name, a in arrays.items()}
    path.mkdir(parents=True, exist_ok=True)
    (path / "weights.safetensors").write_bytes(weights.to_bytes(stored))
    description = {
        **description,
        "builder": spec.builder,
        "settings": spec.settings,
        "parameters": int(sum(np.size(a) for a in jax.tree.leaves(params))),
    }
    text = json.dumps(description, indent=2, sort_keys=True) + "\n"
    (path / "model.json").write_text(text)


@functools.lru_cache(maxsize=8)
def _load_model(path: pathlib.Path, builders: tuple[Builder, ...]) -> Model:
    description = card(path)
    spec = Spec(description["builder"], description["settings"])
    try:
        data = (path / "weights.safetensors").read_bytes()
        stored = weights.from_bytes(data)
        names = [name for name in stored if name.startswith(_TABLES)]
        arrays = {name.removeprefix(_TABLES): stored.pop(name) for name in names}
        tables = entropy_tables.from_arrays(arrays)
        rest, parent = _inherited(description, builders)
        flat = {**rest, **weights.grow(stored)}
    except ModelError:
        raise
    except Exception as error:  # safetensors has no public exception hierarchy.
        raise ModelError(f"{path.name}: the weights cannot be read ({error})") from error
    codec, params = assemble(spec, builders), weights.tree(flat)
    parts = ("",)
    try:
        if isinstance(codec, Codec):
            _, params = codec.check(params)
            parts = codec.entropy_path
        elif path.parent != SHIPPED:
            _compare(codec, params)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path.name}: {error}") from error
    digest = hashlib.sha256(description["id"].encode() + b"\0" + parent + data).digest()
    return Model(
        description["id"],
        description["number"],
        _fingerprint(spec, flat, tables, parts),
        _fingerprint(spec, flat, tables, ("",)),
        digest[:_FINGERPRINT],
        spec,
        description,
        codec,
        jax.device_put(params),
        tables,
    )


def _fingerprint(
    spec: Spec, params: Mapping[str, np.ndarray], tables: TableSets, parts: tuple[str, ...]
) -> bytes:
    """Of builder, settings, tables and those parameters whose path begins with a part."""
    chosen = {name: a for name, a in params.items() if name.startswith(parts)}
    chosen |= {_TABLES + name: a for name, a in entropy_tables.to_arrays(tables).items()}
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    for name, a in sorted(chosen.items()):
        digest.update(f"\0{name} {a.dtype.str} {list(a.shape)}\0".encode())
        digest.update(np.ascontiguousarray(a).tobytes())
    return digest.digest()[:_FINGERPRINT]


def _inherited(
    description: dict[str, Any], builders: Sequence[Builder]
) -> tuple[dict[str, np.ndarray], bytes]:
    """What a model has of its parent: flat arrays, and the parent's fingerprint."""
    if "parent" not in description:
        return {}, b""
    if description["parent"] == description["id"]:
        raise ModelError(f"{description['id']}: cannot be its own parent")
    parent = load_model(description["parent"], builders=builders)
    return weights.flat(parent.params), parent.v1


def _compare(codec: Rescaler, params: Params) -> None:
    """Raises ValueError if these are not the parameters of this rescaler."""
    example = jax.ShapeDtypeStruct((1, codec.stride, codec.stride, 3), np.float32)
    expected = jax.eval_shape(codec.init, example, jax.random.key(0))
    shapes = [
        {name: a.shape for name, a in flax.traverse_util.flatten_dict(tree, sep="/").items()}
        for tree in (expected, params)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError("the weights are not those of the architecture")


def _same(a: np.ndarray, other: np.ndarray | None) -> bool:
    if other is None or a.shape != other.shape:
        return False
    return bool(np.abs(a - other).max() <= 1e-4 * np.abs(other).max())
