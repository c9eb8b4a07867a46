"""Models on disk: `model.json`, `weights.safetensors` and `card.md` in one folder.

Shipped models live in `jaxlic/weights/<id>/`; a path to a folder of the same layout works
wherever an id does. The parameters are stored as float16 (float32 where the integer layers
need it) or int8 with a scale a channel, the integer tables beside them. No code is run in
loading.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pathlib
import re
from typing import Any, NamedTuple

import flax.traverse_util
import jax
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load, save

from jaxlic.codecs import bicubic, dkic, hyperprior, pyramid, sain
from jaxlic.codecs.rescaler import RescalingModel, rescaler
from jaxlic.codecs.transform import TransformModel, transform_codec
from jaxlic.core import Codec, Params, Rescaler
from jaxlic.entropy.tables import Tables, TableSets

SHIPPED = pathlib.Path(__file__).parent / "weights"
BUILDERS = {
    "hyperprior.lapped": hyperprior.lapped,
    "hyperprior.convolutional": hyperprior.convolutional,
    "dkic.lapped": dkic.lapped,
    "dkic.convolutional": dkic.convolutional,
    "pyramid.lapped": pyramid.lapped,
    "rescaler.dense": sain.dense,
    "rescaler.folded": sain.folded,
    "rescaler.bicubic": bicubic.restored_bicubic,
}
_TABLES = "tables"
_SCALE = ":scale"
_INT8 = re.compile(
    r"(ResidualBlock_\d+/Conv_\d+|hyper_analysis/Conv_\d+|hyper_synthesis/\w+"
    r"|groups_\d/.*|hyper_analysis/group/.*|refine_\d+/(conv|mean|index)|chains_\d+/blocks/.*/Conv_\d+"
    r"|descent/.*|eighth_\d+/.*|coefficients|add|restoration/(half_\d+/.*|(up|in|out)_\d))/kernel$"
)


class ModelError(ValueError):
    """A model that cannot be loaded; the message says why in one line."""


class Spec(NamedTuple):
    """An architecture as data: a name among `BUILDERS` and the builder's keywords."""

    builder: str
    settings: dict[str, Any]


class Model(NamedTuple):
    """A model with its weights.

    Attributes:
        id: its name.
        number: what a `.jlic` file calls it; 0 for rescalers and what is not shipped.
        fingerprint: 4 bytes of SHA-256 over the id, the parameters and the tables.
        spec, card: how it was built, and what `model.json` says of it.
        codec: the pure functions, of a codec or of a rescaler.
        params: what they take.
        tables: the integer tables stored with the weights; empty for a rescaler.
    """

    id: str
    number: int
    fingerprint: bytes
    spec: Spec
    card: dict[str, Any]
    codec: Codec | Rescaler
    params: Params
    tables: TableSets


def build(spec: Spec) -> TransformModel | RescalingModel:
    """The linen module of a spec.

    Raises:
        ModelError: if there is no such builder or it rejects the settings.
    """
    if spec.builder not in BUILDERS:
        raise ModelError(f"no architecture is called {spec.builder!r}")
    try:
        return BUILDERS[spec.builder](**spec.settings)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{spec.builder}: {error}") from error


def assemble(spec: Spec) -> Codec | Rescaler:
    """The pure functions of a spec. Raises ModelError as `build` does."""
    model = build(spec)
    try:
        return rescaler(model) if is_rescaler(spec.builder) else transform_codec(model)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ModelError(f"{spec.builder}: {error}") from error


def is_rescaler(builder: str) -> bool:
    """Whether models of this builder make thumbnails instead of `.jlic` files."""
    return builder.startswith("rescaler.")


def shipped() -> list[str]:
    """The ids of the shipped models: codecs in order of their numbers, then rescalers."""
    cards = [json.loads(p.read_text()) for p in SHIPPED.glob("*/model.json")]
    cards.sort(key=lambda card: (is_rescaler(card["builder"]), card["number"], card["id"]))
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


def load_model(name: str | pathlib.Path) -> Model:
    """Loads a model and proves that its decoding is exact.

    Raises:
        ModelError: if it is missing, damaged, or its integer layers could overflow.
    """
    return _load_model(folder(name).resolve())


@functools.lru_cache(maxsize=8)
def _load_model(path: pathlib.Path) -> Model:
    description = card(path)
    spec = Spec(description["builder"], description["settings"])
    try:
        data = (path / "weights.safetensors").read_bytes()
        arrays = load(data)
        tables = _take_tables(arrays)
        rest, parent = _inherited(description)
        params = {**rest, **_dequantise(arrays)}
        params = flax.traverse_util.unflatten_dict(params, sep="/")
    except ModelError:
        raise
    except Exception as error:  # safetensors has no public exception hierarchy.
        raise ModelError(f"{path.name}: the weights cannot be read ({error})") from error
    codec = assemble(spec)
    try:
        if isinstance(codec, Codec):
            _, params = codec.check(params)
        elif path.parent != SHIPPED:
            _compare(codec, params)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path.name}: {error}") from error
    digest = hashlib.sha256(description["id"].encode() + b"\0" + parent + data).digest()[:4]
    return Model(
        description["id"],
        description["number"],
        digest,
        spec,
        description,
        codec,
        jax.device_put(params),
        tables,
    )


def _inherited(description: dict[str, Any]) -> tuple[dict[str, np.ndarray], bytes]:
    """What a model has of its parent: flat arrays, and the parent's fingerprint."""
    if "parent" not in description:
        return {}, b""
    if description["parent"] == description["id"]:
        raise ModelError(f"{description['id']}: cannot be its own parent")
    parent = load_model(description["parent"])
    return _flat(parent.params), parent.fingerprint


def _flat(params: Params) -> dict[str, np.ndarray]:
    return flax.traverse_util.flatten_dict(jax.device_get(params), sep="/")


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


def load_params(name: str | pathlib.Path) -> Params:
    """The parameters of a stored model, to start training from. Raises ModelError."""
    return load_model(name).params


def save_model(
    path: pathlib.Path,
    params: Params,
    spec: Spec,
    description: dict[str, Any],
    tables: TableSets | None = None,
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

    Raises:
        ModelError: if decoding with these parameters would not be exact.
    """
    codec = assemble(spec)
    flat, rest = _flat(params), {}
    if "parent" in description:
        rest, _ = _inherited(description)
        flat = {name: a for name, a in flat.items() if not _same(a, rest.get(name))}
    stored = _quantise(flat)
    params = {**rest, **_dequantise(dict(stored))}
    params = flax.traverse_util.unflatten_dict(params, sep="/")
    if isinstance(codec, Codec):
        try:
            description = {**description, "largest_sum": int(codec.check(params)[0])}
        except ValueError as error:
            raise ModelError(str(error)) from error
        for name, rows in (tables or codec.tables(params)).items():
            stored[f"{_TABLES}/{name}/frequencies"] = rows.frequencies
            stored[f"{_TABLES}/{name}/sizes"] = rows.sizes
            stored[f"{_TABLES}/{name}/offsets"] = rows.offsets
    path.mkdir(parents=True, exist_ok=True)
    (path / "weights.safetensors").write_bytes(save(stored))
    description = {
        **description,
        "builder": spec.builder,
        "settings": spec.settings,
        "parameters": int(sum(np.size(a) for a in jax.tree.leaves(params))),
    }
    text = json.dumps(description, indent=2, sort_keys=True) + "\n"
    (path / "model.json").write_text(text)


def load_arrays(path: str | pathlib.Path) -> tuple[dict[str, np.ndarray], str]:
    """The arrays of a safetensors file, and the SHA-256 of what it was made from.

    Raises:
        ModelError: if it is missing or damaged.
    """
    try:
        with safe_open(str(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, (file.metadata() or {}).get("source", "")
    except Exception as error:  # safetensors has no public exception hierarchy.
        raise ModelError(f"{path}: the weights cannot be read ({error})") from error


def save_arrays(path: pathlib.Path, arrays: dict[str, np.ndarray], source: str) -> None:
    """Writes arrays to a safetensors file, with the SHA-256 of what they were made from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save(arrays, metadata={"source": source}))


def _same(a, other):
    if other is None or a.shape != other.shape:
        return False
    return bool(np.abs(a - other).max() <= 1e-4 * np.abs(other).max())


def _quantise(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Large kernels as int8 with a scale an output channel, the rest float16.

    Vectors stay float32: the integer layers keep more than 11 bits in their biases.
    """
    stored = {}
    for name, a in params.items():
        a = np.asarray(a, np.float32)
        if _INT8.search(name):
            # Blocks of a chain are stacked along a first axis, and have their own scales.
            axes = tuple(range(a.ndim - 4, a.ndim - 1))
            largest = np.abs(a).max(axis=axes, keepdims=a.ndim > 4)
            scale = np.maximum(largest, 1e-12) / 127
            stored[name] = np.round(a / scale).astype(np.int8)
            stored[name + _SCALE] = scale.astype(np.float32)
        else:
            stored[name] = a.astype(np.float16 if a.ndim >= 2 else np.float32)
    return stored


def _dequantise(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    params = {}
    for name, a in stored.items():
        if not name.endswith(_SCALE):
            scale = stored.get(name + _SCALE, np.float32(1))
            params[name] = a.astype(np.float32) * scale
    return params


def _take_tables(arrays: dict[str, np.ndarray]) -> TableSets:
    """Removes the tables from `arrays` and returns them."""
    names = {key.split("/")[1] for key in arrays if key.startswith(_TABLES + "/")}
    return {
        name: Tables(
            *(
                arrays.pop(f"{_TABLES}/{name}/{part}")
                for part in ("frequencies", "sizes", "offsets")
            )
        )
        for name in sorted(names)
    }
