"""Models on disk: `model.json`, `weights.safetensors` and `card.md` in one folder.

The weights may be a gzip file instead, `weights.safetensors.gz`.

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

import jax
import numpy as np

from jaxlic import forks
from jaxlic.builders import BUILDERS, REJECTED, Spec, assemble, build, builder_of  # noqa: F401
from jaxlic.core import Builder, Codec, Params, Rescaler
from jaxlic.entropy import tables as entropy_tables
from jaxlic.entropy.tables import TableSets
from jaxlic.errors import ModelError, one_line
from jaxlic.files import disk, schema, weights
from jaxlic.files.shelf import (  # noqa: F401
    CARD,
    SMALL,
    WEIGHTS,
    card,
    check_lineage,
    folder,
    shipped,
    weights_file,
)
from jaxlic.files.weights import SHIPPED

_FINGERPRINT = 4
_TABLES = "tables/"
_SCALES, _MAX_STRIDE, _MAX_HALO = (2, 4), 256, 1024


class Model(NamedTuple):
    """A model with its weights.

    Attributes:
        id: its name.
        number: what a `.jlic` file calls it; 0 for rescalers and what is not shipped.
        stream: 4 bytes that name all that the path from bytes to latents depends on: builder,
            settings (but those that are `free`), the parameters of the entropy path, tables.
            Files carry it.
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


def load_model(name: str | pathlib.Path, *, builders: Sequence[Builder] = ()) -> Model:
    """Loads a model and proves that its decoding is exact.

    Args:
        name: id of a shipped model, or a folder, which may come from anywhere: all it holds
            is checked, and none of it is run.
        builders: architectures of the caller's, beside those of the library.

    Raises:
        ModelError: if it is missing, damaged, or its integer layers could overflow.
        Error: in a process that was forked from one that had loaded a model.
    """
    forks.check()
    path = folder(name).resolve()
    try:
        return _load_model(path, tuple(builders))
    except ModelError as error:
        text = str(error)
        raise ModelError(text if str(path) in text else f"{path}: {text}") from error


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
    small: bool = False,
) -> None:
    """Writes a model folder.

    Args:
        path: the folder, made if missing.
        params: float32 parameters.
        spec: how the model is built.
        description: goes into `model.json`; must hold `id` and `number`. With `parent`, the
            name of another model of the same architecture, but for `free` settings, arrays
            that are as there (to a ten-thousandth) are not written: it is needed to load this
            one.
        tables: what to code with; None for those of the model's distributions.
        builders: as of `load_model`.
        small: int8 kernels get fewer values, and the file is a gzip file.

    Raises:
        ModelError: if decoding with these parameters would not be exact.
    """
    description = {**description, "builder": spec.builder, "settings": spec.settings}
    codec = _checked(description, builders)
    flat, rest = weights.flat(params), {}
    if "parent" in description:
        rest, _ = _inherited(description, builders, codec)
        # What was frozen is as `check` left it, which is not quite as it is stored.
        steady = weights.flat(load_model(description["parent"], builders=builders).params)
        flat = {
            name: a
            for name, a in flat.items()
            if not any(weights.same(a, known.get(name)) for known in (rest, steady))
        }
    stored = weights.shrink(flat, int8=builder_of(spec, builders).int8, small=small)
    try:
        params = weights.tree({**rest, **weights.grow(stored)})
        if isinstance(codec, Codec):
            bound, params = codec.check(params)
            description["largest_sum"] = int(bound)
            stored |= {
                n: a for n, a in weights.flat(params).items() if a.ndim < 2 and n in stored
            }
            arrays = entropy_tables.to_arrays(tables or codec.tables(params))
            stored |= {_TABLES + name: a for name, a in arrays.items()}
    except ValueError as error:
        raise ModelError(str(error)) from error
    data = weights.to_bytes(stored)
    description["sha256"] = weights.sha256(data)
    description["parameters"] = int(sum(np.size(a) for a in jax.tree.leaves(params)))
    text = json.dumps(description, indent=2, sort_keys=True) + "\n"
    path.mkdir(parents=True, exist_ok=True)
    # Killed after any of it, they are not those described.
    disk.write_bytes(
        path / (SMALL if small else WEIGHTS), weights.deflate(data) if small else data
    )
    (path / (WEIGHTS if small else SMALL)).unlink(missing_ok=True)
    disk.write_bytes(path / CARD, text.encode())
    _load_model.cache_clear()


@functools.lru_cache(maxsize=8)
def _load_model(path: pathlib.Path, builders: tuple[Builder, ...]) -> Model:
    stored = _read(path, builders)
    codec, params, parts = stored.codec, weights.tree(stored.params), ("",)
    spec = Spec(stored.description["builder"], stored.description["settings"])
    if isinstance(codec, Codec):
        try:
            entropy_tables.check_rows(stored.tables, dict(codec.rows))
            _, params = codec.check(params)
        except ValueError as error:
            raise ModelError(one_line(error)) from error
        parts = codec.entropy_path
    return Model(
        stored.description["id"],
        stored.description["number"],
        _fingerprint(_of_stream(spec, builders), stored.params, stored.tables, parts),
        _fingerprint(spec, stored.params, stored.tables, ("",)),
        stored.v1,
        spec,
        stored.description,
        codec,
        jax.device_put(params),
        stored.tables,
    )


class _Stored(NamedTuple):
    """A model as its files say: flat parameters, with what is the parent's."""

    description: dict[str, Any]
    codec: Codec | Rescaler
    params: dict[str, np.ndarray]
    tables: TableSets
    v1: bytes


def _read(path: pathlib.Path, builders: tuple[Builder, ...]) -> _Stored:
    description = card(path)
    check_lineage(path)
    codec = _checked(description, builders)
    rest, parent = _inherited(description, builders, codec)
    try:
        file = weights_file(path)
        data = disk.read_bytes(file)
        data = weights.inflate(data) if file.name == SMALL else data
        if "sha256" in description and description["sha256"] != weights.sha256(data):
            raise ValueError(f"{WEIGHTS} is not the one that {CARD} describes")
        stored = weights.from_bytes(data)
        names = [name for name in stored if name.startswith(_TABLES)]
        arrays = {name.removeprefix(_TABLES): stored.pop(name) for name in names}
        tables = entropy_tables.from_arrays(arrays)
        params = {**rest, **weights.grow(stored)}
        if path.parent != SHIPPED.resolve():  # Which need not cost a second each.
            weights.compare(params, _shapes(codec))
    except ValueError as error:
        raise ModelError(one_line(error)) from error
    digest = hashlib.sha256(description["id"].encode() + b"\0" + parent + data).digest()
    return _Stored(description, codec, params, tables, digest[:_FINGERPRINT])


def _checked(description: dict[str, Any], builders: Sequence[Builder]) -> Codec | Rescaler:
    """The pure functions of a description, once it and their sizes are plausible."""
    spec = Spec(description["builder"], description["settings"])
    try:
        schema.check(description)
        schema.check_settings(spec.settings, dict(builder_of(spec, builders).limits))
    except ValueError as error:
        raise ModelError(str(error)) from error
    codec = assemble(spec, builders)
    if isinstance(codec, Rescaler):
        plausible = codec.scale in _SCALES and codec.stride <= _MAX_STRIDE
    else:
        g = codec.geometry
        plausible = 0 < g.latent_stride <= g.stride <= _MAX_STRIDE and g.halo <= _MAX_HALO
    if not plausible:
        raise ModelError(f"{spec.builder}: its strides are out of bounds")
    return codec


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


def _of_stream(spec: Spec, builders: Sequence[Builder]) -> Spec:
    """The spec without the settings that latents do not depend on."""
    free = builder_of(spec, builders).free
    return Spec(spec.builder, {n: v for n, v in spec.settings.items() if n not in free})


def _inherited(
    description: dict[str, Any], builders: Sequence[Builder], codec: Codec | Rescaler
) -> tuple[dict[str, np.ndarray], bytes]:
    """What a model has of its parent: flat arrays, and the parent's fingerprint."""
    if "parent" not in description:
        return {}, b""
    parent = _read(folder(description["parent"]).resolve(), tuple(builders))
    if all(parent.description[part] == description[part] for part in ("builder", "settings")):
        return parent.params, parent.v1
    try:
        shapes = _shapes(codec)
    except ValueError as error:
        raise ModelError(one_line(error)) from error
    fitting = {n: a for n, a in parent.params.items() if shapes.get(n) == a.shape}
    if not fitting:
        raise ModelError(f"nothing of {description['parent']} fits into its child")
    return fitting, parent.v1


def _shapes(codec: Codec | Rescaler) -> dict[str, tuple[int, ...]]:
    """The shapes of a codec's parameters by path; no memory is taken for them.

    Raises:
        ModelError: if there are more than 2**28, or the settings make no network.
    """
    example = jax.ShapeDtypeStruct((1, codec.stride, codec.stride, 3), np.float32)
    try:
        return weights.shapes(jax.eval_shape(codec.init, example, jax.random.key(0)))
    except REJECTED as error:
        raise ModelError(f"makes no network ({one_line(error)})") from error
