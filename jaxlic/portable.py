"""Networks of a model as one function of arrays, to be run where JAX is not.

What comes out holds the weights. The files themselves are read and written by the entropy
coder, in NumPy; what is portable are the transforms on both sides of it, and a rescaler's
upscaling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from jaxlic import builders
from jaxlic.codecs.refined import Refined
from jaxlic.core import Builder, Codec
from jaxlic.errors import ModelError, one_line
from jaxlic.models import Model
from jaxlic.ops.platforms import traced_for
from jaxlic.ops.tiling import Pair

PLATFORMS = ("cpu", "cuda", "tpu")


class Program(NamedTuple):
    """A function without parameters.

    Attributes:
        function: of arrays that are like `inputs`.
        inputs: by name their shapes and types.
        output: its name.
    """

    function: Callable[..., jax.Array]
    inputs: dict[str, jax.ShapeDtypeStruct]
    output: str


def program(model: Model, part: str, shape: Pair, *, own: Sequence[Builder] = ()) -> Program:
    """One network of a model, for images of one size.

    Args:
        model: as `load_model` returns it.
        part: "synthesis", latent `[1, H / s, W / s, C]` in quantisation steps and quality `[1]`
            to uint8 `[1, H, W, 3]`; "analysis", the way back; "upscale", of a rescaler, a
            thumbnail, uint8 `[1, H / scale, W / scale, 3]`, to the image, with the mean latent.
        shape: H and W.
        own: architectures of the caller's, as of `load_model`.

    Raises:
        ModelError: if the model has no such part, or H or W do not divide by its stride.
    """
    codec, module = model.codec, builders.build(model.spec, own)
    module = module.base if isinstance(module, Refined) else module  # Which makes its pictures.
    parts = ("synthesis", "analysis") if isinstance(codec, Codec) else ("upscale",)
    if part not in parts:
        raise ModelError(f"{model.id}: has no {part}")
    height, width = shape
    if min(shape) < codec.stride or height % codec.stride or width % codec.stride:
        raise ModelError(
            f"{model.id}: {width}x{height} does not divide by {codec.stride}, "
            "which images are padded to"
        )
    # Borders are found by the size, a constant, for converters know gathers better than pads.
    params, size = jax.tree.map(np.asarray, model.params), np.array(shape, np.int32)
    if not isinstance(codec, Codec):
        scale = codec.scale
        small = jax.ShapeDtypeStruct((1, height // scale, width // scale, 3), jnp.uint8)

        def upscale(thumbnail: jax.Array) -> jax.Array:
            x = thumbnail.astype(jnp.float32) / 255
            return _bytes(module.apply(params, x, size, method="up"))

        return Program(upscale, {"thumbnail": small}, "image")
    quality = jax.ShapeDtypeStruct((1,), jnp.float32)
    if part == "analysis":
        image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.uint8)

        def analysis(image: jax.Array, quality: jax.Array) -> jax.Array:
            x = image.astype(jnp.float32) / 255
            return module.apply(params, x, quality, size, method="analysis")

        return Program(analysis, {"image": image, "quality": quality}, "latent")
    g = codec.geometry
    places = (1, height // g.latent_stride, width // g.latent_stride, g.latents)

    def synthesis(latent: jax.Array, quality: jax.Array) -> jax.Array:
        return _bytes(module.apply(params, latent, quality, size, method="synthesis"))

    latent = jax.ShapeDtypeStruct(places, jnp.float32)
    return Program(synthesis, {"latent": latent, "quality": quality}, "image")


def stablehlo(p: Program) -> bytes:
    """The program as `jax.export` serialises it: StableHLO for CPU, CUDA and TPU.

    `jax.export.deserialize(data).call(*arrays)` runs it, without this library, on releases of
    JAX for as long as its compatibility promises say.

    Raises:
        ModelError: if it cannot be lowered for all of them, or `flatbuffers` is missing.
    """
    try:
        exported = jax.export.export(jax.jit(p.function), platforms=PLATFORMS)
        return bytes(exported(*p.inputs.values()).serialize())
    except ImportError as error:
        raise ModelError(
            "StableHLO needs the package flatbuffers: pip install jaxlic[export]"
        ) from error
    except (NotImplementedError, ValueError) as error:
        raise ModelError(f"cannot be exported ({one_line(error)})") from error


def onnx(p: Program) -> bytes:
    """The program as ONNX, converted by jax2onnx.

    Raises:
        ModelError: if the converter is missing or cannot convert it.
    """
    try:
        from jax2onnx import to_onnx  # ty: ignore[import-not-found] - of an extra
    except ImportError as error:
        raise ModelError(
            "ONNX needs the package jax2onnx: pip install jaxlic[export]"
        ) from error
    try:
        with traced_for("cpu"):
            made: Any = to_onnx(
                lambda *arrays: p.function(*arrays),
                list(p.inputs.values()),
                input_names=list(p.inputs),
                output_names=[p.output],
            )
        return made.SerializeToString()
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ModelError(f"cannot be converted ({one_line(error)})") from error


def _bytes(x: jax.Array) -> jax.Array:
    return jnp.round(jnp.clip(x, 0, 1) * 255).astype(jnp.uint8)
