"""What a function costs: multiply-accumulates, counted from its trace."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlic.codecs.transform import TransformModel
from jaxlic.core import Params
from jaxlic.entropy.coder import Coder
from jaxlic.ops.platforms import traced_for
from jaxlic.rescaling.rescaler import RescalingModel


def macs(function: Callable[..., Any], *args: Any, platform: str = "cpu") -> int:
    """Multiply-accumulates of the convolutions and matrix products in `function(*args)`.

    Counts what is executed (zeros in padded kernels included), not elementwise work. Nothing
    is computed: arguments may be `jax.ShapeDtypeStruct`. Formulations differ by `platform`.
    """
    with traced_for(platform):
        return count(jax.make_jaxpr(lambda *args: function(*args))(*args).jaxpr)


def kmacs_per_pixel(model: TransformModel, params: Params) -> dict[str, float]:
    """Thousand multiply-accumulates a pixel to encode and to decode, for 768x512 images.

    Encoding is analysis, hyper-analysis and the entropy model; decoding is the entropy model
    and synthesis. `params` may be shapes.
    """
    height, width = 512, 768
    image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
    latent = (1, height // model.latent_stride, width // model.latent_stride, model.latents)
    y, quality = jax.ShapeDtypeStruct(latent, jnp.float32), jnp.ones(1)

    def method(name: str) -> Callable[..., Any]:
        return lambda params, x: model.apply(params, x, quality, method=name)

    def code(coder: Coder) -> Callable[..., Any]:
        return lambda params, y: model.apply(params, y, coder, quality, method="code")

    pixels = 1000.0 * height * width
    return {
        "encode": (macs(method("analysis"), params, image) + macs(code(_encoder), params, y))
        / pixels,
        "decode": (macs(method("synthesis"), params, y) + macs(code(_decoder), params, y))
        / pixels,
    }


def rescaling_kmacs_per_pixel(model: RescalingModel, params: Params) -> dict[str, float]:
    """Thousand multiply-accumulates, a pixel of the image, to make a thumbnail and to undo it.

    For 768x512 images; `params` may be shapes.
    """
    height, width = 512, 768
    image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
    small = (1, height // model.scale, width // model.scale, 3)
    thumbnail = jax.ShapeDtypeStruct(small, jnp.float32)

    def method(name: str) -> Callable[..., Any]:
        return lambda params, x: model.apply(params, x, method=name)

    pixels = 1000.0 * height * width
    return {
        "encode": macs(method("down"), params, image) / pixels,
        "decode": macs(method("up"), params, thumbnail) / pixels,
    }


def _encoder(name, y, model, size=None):
    return y + model.offset + model.indexes


def _decoder(name, y, model, size=None):
    """As a reader: nothing that is returned depends on `y`."""
    return jnp.zeros(y.shape) + model.offset + model.indexes


def count(jaxpr: Any) -> int:
    """Multiply-accumulates of a trace, as `macs`."""
    total = 0
    live = {v for v in jaxpr.outvars if not hasattr(v, "val")}
    for equation in reversed(jaxpr.eqns):
        if not live.intersection(equation.outvars):
            continue
        live.update(v for v in equation.invars if not hasattr(v, "val"))
        total += _multiplications(equation)
    return total


def _multiplications(equation) -> int:
    output = equation.outvars[0].aval
    if equation.primitive.name == "conv_general_dilated":
        # The kernel's size over its output channels is what one output sample takes.
        spec = equation.params["dimension_numbers"].rhs_spec
        kernel = equation.invars[1].aval.shape
        return math.prod(output.shape) * math.prod(kernel) // kernel[spec[0]]
    if equation.primitive.name == "dot_general":
        contracted = equation.params["dimension_numbers"][0][0]
        shape = equation.invars[0].aval.shape
        return math.prod(output.shape) * math.prod(shape[axis] for axis in contracted)
    times = equation.params["length"] if equation.primitive.name == "scan" else 1
    return times * sum(count(inner) for inner in _inner(equation.params))


def _inner(params: dict[str, Any]):
    for value in params.values():
        for candidate in value if isinstance(value, tuple | list) else (value,):
            inner = getattr(candidate, "jaxpr", candidate)
            if hasattr(inner, "eqns"):
                yield inner
