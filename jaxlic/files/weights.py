"""Arrays on disk: safetensors files, and how parameters are made small. No code is run."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping

import flax.traverse_util
import jax
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load, save

from jaxlic.core import Params
from jaxlic.errors import ModelError

SHIPPED = pathlib.Path(__file__).parent.parent / "weights"
_SCALE = ":scale"


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


def shrink(params: Mapping[str, np.ndarray], *, int8: str = "") -> dict[str, np.ndarray]:
    """Flat float32 parameters as the arrays of a file.

    Kernels are stored as int8 with a scale an output channel where the regular expression
    `int8` is found in their path; other arrays of two axes or more as float16. Vectors stay
    float32: the integer layers keep more than 11 bits in their biases.
    """
    stored: dict[str, np.ndarray] = {}
    for name, a in params.items():
        a = np.asarray(a, np.float32)
        if int8 and re.search(int8, name):
            # Blocks of a chain are stacked along a first axis, and have their own scales.
            axes = tuple(range(a.ndim - 4, a.ndim - 1))
            largest = np.abs(a).max(axis=axes, keepdims=a.ndim > 4)
            scale = np.maximum(largest, 1e-12) / 127
            stored[name] = np.round(a / scale).astype(np.int8)
            stored[name + _SCALE] = scale.astype(np.float32)
        else:
            stored[name] = a.astype(np.float16 if a.ndim >= 2 else np.float32)
    return stored


def grow(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `shrink` was given, as precisely as it was stored."""
    params = {}
    for name, a in stored.items():
        if not name.endswith(_SCALE):
            scale = stored.get(name + _SCALE, np.float32(1))
            params[name] = a.astype(np.float32) * scale
    return params


def from_bytes(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file's bytes."""
    return load(data)


def to_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """The bytes of a safetensors file."""
    return save(arrays)


def flat(params: Params) -> dict[str, np.ndarray]:
    """A tree of parameters as arrays by path, such as "params/gain/log_gain"."""
    return flax.traverse_util.flatten_dict(jax.device_get(params), sep="/")


def tree(arrays: Mapping[str, np.ndarray]) -> Params:
    """The inverse of `flat`."""
    return flax.traverse_util.unflatten_dict(dict(arrays), sep="/")
