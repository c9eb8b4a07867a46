"""Arrays on disk: safetensors files, and how parameters are made small. No code is run."""

from __future__ import annotations

import gzip
import hashlib
import math
import pathlib
import re
import zlib
from collections.abc import Mapping

import flax.traverse_util
import jax
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load, save

from jaxlic.core import Params
from jaxlic.errors import ModelError
from jaxlic.files import disk

SHIPPED = pathlib.Path(__file__).parent.parent / "weights"
MAX_PARAMETERS = 1 << 28
_SCALE = ":scale"
_LEVELS, _SMALL_LEVELS = 127, 48  # On either side of zero.
_MAX_INFLATED = 1 << 28
_STORED = (np.dtype(np.int8), np.dtype(np.float16), np.dtype(np.float32))


def load_arrays(path: str | pathlib.Path) -> tuple[dict[str, np.ndarray], str]:
    """The arrays of a safetensors file, and the SHA-256 of what it was made from.

    Raises:
        ModelError: if it is missing or damaged.
    """
    try:
        with disk.open_regular(path), safe_open(str(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, (file.metadata() or {}).get("source", "")
    except Exception as error:  # safetensors has no public exception hierarchy.
        raise ModelError(f"{path}: the weights cannot be read ({error})") from error


def save_arrays(path: pathlib.Path, arrays: dict[str, np.ndarray], source: str) -> None:
    """Writes arrays to a safetensors file, with the SHA-256 of what they were made from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        save(
            {name: np.ascontiguousarray(a) for name, a in arrays.items()},
            metadata={"source": source},
        )
    )


def shrink(
    params: Mapping[str, np.ndarray], *, int8: str = "", small: bool = False
) -> dict[str, np.ndarray]:
    """Flat float32 parameters as the arrays of a file.

    Kernels are stored as int8 with a scale an output channel where the regular expression
    `int8` is found in their path; other arrays of two axes or more as float16. Vectors stay
    float32: the integer layers keep more than 11 bits in their biases. If `small`, an int8
    kernel has 97 values and not 255: over a bit less an element, once deflated.
    """
    levels = _SMALL_LEVELS if small else _LEVELS
    stored: dict[str, np.ndarray] = {}
    for name, a in params.items():
        a = np.asarray(a, np.float32)
        if int8 and re.search(int8, name):
            # Blocks of a chain are stacked along a first axis, and have their own scales.
            axes = tuple(range(a.ndim - 4, a.ndim - 1))
            largest = np.abs(a).max(axis=axes, keepdims=a.ndim > 4)
            scale = np.maximum(largest, 1e-12) / levels
            stored[name] = np.round(a / scale).astype(np.int8)
            stored[name + _SCALE] = scale.astype(np.float32)
        else:
            stored[name] = a.astype(np.float16 if a.ndim >= 2 else np.float32)
    return stored


def grow(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `shrink` was given, as precisely as it was stored.

    Raises:
        ValueError: if an array is of another type than `shrink` makes, or is not finite, or a
            scale does not belong to one.
    """
    params = {}
    for name, a in stored.items():
        if a.dtype not in _STORED:
            raise ValueError(f"{name} is of type {a.dtype}")
        if not np.isfinite(a).all():
            raise ValueError(f"{name} is not finite")
        if name.endswith(_SCALE):
            whole = stored.get(name.removesuffix(_SCALE))
            if whole is None or not _fits(a.shape, whole.shape):
                raise ValueError(f"{name} is the scale of no array")
            continue
        params[name] = a.astype(np.float32)
        scale = stored.get(name + _SCALE)
        if (scale is None) == (a.dtype == np.int8):
            raise ValueError(f"{name} has a scale and is not int8, or the reverse")
        if scale is not None:
            with np.errstate(over="ignore"):
                params[name] *= scale
            if not np.isfinite(params[name]).all():
                raise ValueError(f"{name} is not finite")
    return params


def shapes(tree: Params) -> dict[str, tuple[int, ...]]:
    """The shapes of a tree's arrays by path.

    Raises:
        ValueError: if they have more than 2**28 elements in all.
    """
    found = {
        name: a.shape for name, a in flax.traverse_util.flatten_dict(tree, sep="/").items()
    }
    if (count := sum(map(math.prod, found.values()))) > MAX_PARAMETERS:
        raise ValueError(f"{count:,} parameters are too many")
    return found


def same(a: np.ndarray, other: np.ndarray | None) -> bool:
    """Whether an array is another to a ten-thousandth of its largest element."""
    if other is None or a.shape != other.shape:
        return False
    return bool(np.abs(a - other).max() <= 1e-4 * np.abs(other).max())


def compare(arrays: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError if arrays by path are not of exactly these shapes."""
    if missing := sorted(expected.keys() - arrays.keys()):
        raise ValueError(f"{len(missing)} arrays are missing, the first {missing[0]}")
    if more := sorted(arrays.keys() - expected.keys()):
        raise ValueError(f"{len(more)} arrays are too many, the first {more[0]}")
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} is {list(arrays[name].shape)}, not {list(shape)}")


def from_bytes(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file's bytes.

    Raises:
        ValueError: if they are damaged.
    """
    try:
        return load(data)
    except Exception as error:  # safetensors has no public exception hierarchy.
        raise ValueError(f"the weights cannot be read ({error})") from error


def to_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """The bytes of a safetensors file."""
    # safetensors writes the memory as it lies.
    return save({name: np.ascontiguousarray(a) for name, a in arrays.items()})


def deflate(data: bytes) -> bytes:
    """A file's bytes as those of a gzip file, the same at any time."""
    return gzip.compress(data, 9, mtime=0)


def inflate(data: bytes) -> bytes:
    """The inverse of `deflate`.

    Raises:
        ValueError: if they are damaged, or more than 256 MiB.
    """
    try:
        inflater = zlib.decompressobj(wbits=31)
        whole = inflater.decompress(data, _MAX_INFLATED)
    except zlib.error as error:
        raise ValueError(f"the weights cannot be inflated ({error})") from error
    if not inflater.eof or inflater.unused_data:
        raise ValueError("the weights are cut off, larger than 256 MiB or followed by more")
    return whole


def flat(params: Params) -> dict[str, np.ndarray]:
    """A tree of parameters as arrays by path, such as "params/gain/log_gain"."""
    return flax.traverse_util.flatten_dict(jax.device_get(params), sep="/")


def tree(arrays: Mapping[str, np.ndarray]) -> Params:
    """The inverse of `flat`."""
    return flax.traverse_util.unflatten_dict(dict(arrays), sep="/")


def sha256(data: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _fits(scale: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether multiplying by a scale keeps the shape."""
    try:
        return np.broadcast_shapes(scale, whole) == whole
    except ValueError:
        return False
