"""What happens to a thumbnail in a file, as training sees it.

Going forward the real codec of Pillow is run on the host. Going back, the gradient is that
of the JPEG simulator at the same quality. For WebP, whose transforms and prediction differ,
that gradient is a proxy (as in Jin et al. 2023, who receive the simulator's image too).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic import prng
from jaxlic.files import classic
from jaxlic.ops.jpeg import ROUNDINGS, jpeg

FORMATS = ("jpeg", "webp")
_PART = 2**16  # Bytes that a callback is given at a time, see `_round_trip`.


class Sent(NamedTuple):
    """What comes out of a channel.

    Attributes:
        received: `[B, h, w, 3]`, the decoded thumbnail, with gradients.
        decoded: the same without gradients.
        reference: `[B, h, w, 3]`, the decoded reference, without gradients.
        bits: `[B]`, of the thumbnail: bytes of the real file, or an estimate.
        rate: `[B]`, a differentiable estimate of those bits.
    """

    received: jax.Array
    decoded: jax.Array
    reference: jax.Array
    bits: jax.Array
    rate: jax.Array


Channel = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], Sent]


def channel(
    *,
    formats: Sequence[str] = FORMATS,
    rounding: str = "ste",
    real: bool = True,
    simulated: bool = False,
) -> Channel:
    """A function `(thumbnail, reference, quality, key) -> Sent`.

    Its thumbnails are `[B, h, w, 3]` in [0, 1] in 8 bits, `quality` is `[B]`; which image
    goes through which format is drawn with `key`, in equal shares.

    Args:
        formats: of `FORMATS`.
        rounding: what rounding becomes in the gradient, one of `ops.jpeg.ROUNDINGS`.
        real: run Pillow on the host. Where that cannot be (many hosts, or to save time) the
            simulator stands in, for JPEG alone.
        simulated: what is received is the simulator's image although the rest is real; as
            published, where WebP too is received as a JPEG.

    Raises:
        ValueError: if a format or rounding is not known, or WebP is to be simulated.
    """
    if not formats or not set(formats) <= set(FORMATS):
        raise ValueError(f"formats are {', '.join(FORMATS)}, got {', '.join(formats)!r}")
    if rounding not in ROUNDINGS:
        raise ValueError(f"roundings are {', '.join(ROUNDINGS)}, got {rounding!r}")
    if not real and tuple(formats) != ("jpeg",):
        raise ValueError("only jpeg can be simulated; webp needs the real codec")

    def send(thumbnail, reference, quality, key):
        model = jpeg(thumbnail, quality, ROUNDINGS[rounding])
        thumbnail, reference = jax.lax.stop_gradient((thumbnail, reference))
        if real:
            first = jax.random.randint(prng.stream(key, "format"), (), 0, len(formats))
            which = (first + jnp.arange(len(quality))) % len(formats)
            decoded, size = _round_trip(formats, thumbnail, quality, which)
            reference, _ = _round_trip(formats, reference, quality, which)
            bits = 8.0 * size
            received = decoded + model.image - jax.lax.stop_gradient(model.image)
        else:
            decoded, bits = jpeg(thumbnail, quality)
            reference, _ = jpeg(reference, quality)
            received = model.image
        if simulated:
            received = model.image
        return Sent(received, decoded, reference, bits, model.bits)

    return send


def _round_trip(formats, image, quality, which):
    """Real files of a batch: what they decode to, and how many bytes they have."""

    def run(quality, which, *parts):
        pixels = np.concatenate(parts).reshape(image.shape)
        decoded, sizes = np.empty(pixels.shape, np.float32), []
        for i, (q, k) in enumerate(zip(np.asarray(quality), np.asarray(which), strict=True)):
            data = classic.encode(pixels[i], formats[k], round(float(q)), fast=True)
            decoded[i] = classic.decode(data, formats[k]) / np.float32(255)
            sizes.append(len(data))
        return decoded, np.array(sizes, np.float32)

    shapes = (
        jax.ShapeDtypeStruct(image.shape, jnp.float32),
        jax.ShapeDtypeStruct(quality.shape, jnp.float32),
    )
    # What a callback is given is copied by the threads that callbacks wait in, unless it is
    # small. Where there is one thread, for one processor, it would wait for itself.
    bytes_ = jnp.round(jnp.clip(image, 0, 1) * 255).astype(jnp.uint8).reshape(-1)
    parts = [bytes_[i : i + _PART] for i in range(0, bytes_.size, _PART)]
    return jax.pure_callback(run, shapes, quality, which, *parts, vmap_method="sequential")
