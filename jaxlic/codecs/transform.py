"""From a transform model to a codec: the same data flow, asked three ways.

The model says `code(y, coder)` once. An `Estimator` answers in training, a `Writer` when a
file is written, a `Reader` when it is read.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxlic.codecs.bound import binder
from jaxlic.codecs.search import searcher
from jaxlic.core import Codec, Geometry, Module, Params, Reconstruction
from jaxlic.entropy.coder import Coder, Estimator, Reader, Writer
from jaxlic.entropy.detail import Detail
from jaxlic.entropy.ledger import Given
from jaxlic.entropy.range_coder import Decoder, Encoder, RangeCoder
from jaxlic.entropy.tables import TableSets
from jaxlic.errors import BitstreamError
from jaxlic.nn.precision import convolving_in
from jaxlic.ops import quantisation
from jaxlic.ops.quantisation import Quantiser
from jaxlic.ops.tiling import TILE, edge_for, fill

_EDGES = (128, 256, 512, 768)  # As in coding.py
_CHECKSUM = 4


class TransformModel(Module, Protocol):
    """What a learned codec must say: a linen module with these methods.

    `size` is the height and width of the valid part of the image (for `code`: of the
    latent), or None. `stride` is what height and width must divide by, `latent_stride` the
    ratio of image to latent, `latents` the channels of the latent; `halo`, a multiple of
    `stride`, is how far from a pixel, in pixels, a transform looks.

    `bound` proves that `code` computes in integers when it decodes, or raises ValueError. A
    model without it, whose entropy path is floating point, works too, on one machine:
    its files carry a checksum of the symbols.

    `entropy_path`, if there is one, names the submodules that `code` uses when it decodes, so
    that files outlive better weights of the others. `rows`, if it is there, says how many rows
    of each set of tables `code` may ask for.

    `lmbda`, if it is there, maps a quality to the Lagrange multiplier of squared error; the
    encoder can then search for better integers.
    """

    @property
    def halo(self) -> int: ...

    @property
    def stride(self) -> int: ...

    @property
    def latent_stride(self) -> int: ...

    @property
    def latents(self) -> int: ...

    def analysis(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array: ...

    def code(
        self,
        y: jax.Array,
        coder: Coder,
        quality: jax.Array,
        size: jax.Array | None = None,
    ) -> jax.Array: ...

    def synthesis(
        self, y_hat: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array: ...

    def tables(self) -> TableSets: ...


def transform_codec(
    model: TransformModel,
    *,
    quantise: Quantiser = quantisation.split,
    dtype: str = "float32",
    remat: bool = False,
) -> Codec:
    """The codec of a `TransformModel`.

    Args:
        model: the network.
        quantise: what rounding becomes in training.
        dtype: what the transforms' convolutions compute in, in training; see
            `nn/precision.py`. Coding latents is float32 and integers, and so are files.
        remat: computes the transforms anew for their gradients, in training, instead of
            keeping what is inside them: a third more operations, less memory.
    """
    ratio, exact = model.latent_stride, hasattr(model, "bound")
    lmbda: Callable[[float], float] | None = getattr(model, "lmbda", None)
    edges = tuple(edge // ratio for edge in (*_EDGES, TILE + 2 * model.halo))
    bound = binder(model)

    convolving_in(dtype)  # Raises early.

    def run(module, x, quality, coder):
        y_hat = module.code(module.analysis(x, quality), coder, quality)
        return module.synthesis(y_hat, quality), y_hat

    def init(image: jax.Array, key: jax.Array) -> Params:
        coder = Estimator(quantisation.hard, key)
        quality = jnp.ones(image.shape[0])
        return model.init(key, image, quality, coder, method=run)

    def forward(
        params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        coder = Estimator(quantise, key)
        y = transform("analysis", params, image, quality)
        y_hat = model.apply(params, y, coder, quality, method="code")
        x_hat = transform("synthesis", params, y_hat, quality)
        return Reconstruction(x_hat, coder.bits, {"y_hat": y_hat})

    def transform(method, params, a, quality):
        def call(params, a, quality):
            with convolving_in(dtype):
                return model.apply(params, a, quality, method=method)

        return (jax.checkpoint(call) if remat else call)(params, a, quality)

    @jax.jit
    def analyse(params, windows, quality, size):
        def one(x, q, s):
            x = x[None].astype(jnp.float32) / 255
            return model.apply(params, x, q[None], s, method="analysis")[0]

        return _each(one, windows, quality, size)

    @jax.jit
    def synthesise(params, windows, quality, size, level=None):
        def one(y_hat, q, s, *level):
            some = [a[None] for a in level]
            x_hat = model.apply(params, y_hat[None], q[None], s, *some, method="synthesis")[0]
            return jnp.round(jnp.clip(x_hat, 0, 1) * 255).astype(jnp.uint8)

        return _each(one, windows, quality, size, *([] if level is None else [level]))

    def code(params: Params, y: np.ndarray, coder: Coder, quality: float) -> np.ndarray:
        """The model's `code` on a tile's latent `[h, w, C]`; in a buffer if it compiles."""
        height, width, size = *y.shape[:2], None
        if not exact:
            size = np.array([height, width], np.int32)
            y = fill(y, (edge_for(height, edges), edge_for(width, edges)))
        one = np.full(1, quality, np.float32)
        y_hat = bound(params).code(y[None], coder, one, size)
        return np.asarray(y_hat)[0, :height, :width]

    def encode(
        params: Params,
        tables: TableSets,
        y: np.ndarray,
        quality: float,
        range_coder: RangeCoder,
        given: Mapping[str, np.ndarray] | None = None,
    ) -> list[bytes]:
        encoder = _SummedEncoder(range_coder.encoder(tables))
        writer = Writer(encoder, tables)
        code(params, y, writer if given is None else Given(writer, given), quality)
        checksum = b"" if exact else encoder.crc.to_bytes(_CHECKSUM, "little")
        return [checksum + encoder.finish()]

    def decode(
        params: Params,
        tables: TableSets,
        payloads: Sequence[bytes],
        quality: float,
        shape: tuple[int, int],
        range_coder: RangeCoder,
        detail: Detail | None = None,
    ) -> np.ndarray:
        (payload,) = payloads
        start = 0 if exact else _CHECKSUM
        decoder = _SummedDecoder(range_coder.decoder(payload[start:], tables))
        unknown = np.full((*shape, model.latents), np.nan, np.float32)
        y_hat = code(params, unknown, Reader(decoder), quality)
        decoder.finish()
        if not exact and decoder.crc.to_bytes(_CHECKSUM, "little") != payload[:start]:
            raise BitstreamError(
                "decodes to other symbols than were written: this model's entropy path is "
                "floating point, and differs from that of the machine that wrote the file"
            )
        return y_hat

    def check(params: Params) -> tuple[float, Params]:
        if not exact:
            return 0.0, params
        bound, found = model.apply(params, method="bound", mutable=["exact"])
        steady = flax.traverse_util.flatten_dict({"params": found.get("exact", {})})
        merged = {**flax.traverse_util.flatten_dict(params), **steady}
        return bound, flax.traverse_util.unflatten_dict(merged)

    return Codec(
        init=init,
        forward=forward,
        analyse=analyse,
        encode=encode,
        decode=decode,
        synthesise=synthesise,
        tables=functools.partial(model.apply, method="tables"),
        check=check,
        geometry=Geometry(model.stride, ratio, model.latents, model.halo),
        entropy_path=tuple(f"params/{name}" for name in getattr(model, "entropy_path", [""])),
        exact=exact,
        rows=tuple(getattr(model, "rows", ())),
        search=searcher(model, lmbda, code, encode) if lmbda else None,
        lmbda=lmbda,
    )


def _each(one: Callable[..., jax.Array], *batches: jax.Array) -> jax.Array:
    """`one` for every element of a batch, each computed as if it were alone.

    On CPUs one after the other, for a window fills the cores, and a batch would add its
    numbers in another order; elsewhere side by side.
    """
    if len(batches[0]) == 1:
        return one(*(a[0] for a in batches))[None]
    return lax.platform_dependent(
        *batches,
        cpu=lambda *batches: lax.map(lambda element: one(*element), batches),
        default=jax.vmap(one),
    )


class _SummedEncoder:
    """An encoder that keeps the CRC-32 of the symbols that pass through it."""

    def __init__(self, encoder: Encoder):
        self._encoder, self.crc = encoder, 0

    def put(self, table: str, symbols: np.ndarray, indexes: np.ndarray) -> None:
        self._encoder.put(table, symbols, indexes)
        self.crc = _crc(symbols, self.crc)

    def finish(self) -> bytes:
        return self._encoder.finish()


class _SummedDecoder:
    """A decoder that keeps the CRC-32 of the symbols that pass through it."""

    def __init__(self, decoder: Decoder):
        self._decoder, self.crc = decoder, 0

    def get(self, table: str, indexes: np.ndarray) -> np.ndarray:
        symbols = self._decoder.get(table, indexes)
        self.crc = _crc(symbols, self.crc)
        return symbols

    def finish(self) -> None:
        self._decoder.finish()


def _crc(symbols: np.ndarray, start: int) -> int:
    return zlib.crc32(np.ascontiguousarray(symbols, "<i4").tobytes(), start)
