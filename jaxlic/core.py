"""The vocabulary: what a codec is, what it returns, what a loss is, how a model is named.

Images are float32 `[B, H, W, 3]` in [0, 1], pixels uint8. Latents are in units of their
quantisation step, rates bits, divided by pixels only in reports, qualities in [1, 100].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import flax.struct
import jax
import numpy as np

if TYPE_CHECKING:
    from jaxlic.codecs.search import Search
    from jaxlic.entropy.detail import Detail
    from jaxlic.entropy.range_coder import RangeCoder
    from jaxlic.entropy.tables import TableSets

Params = Any
Metrics = dict[str, jax.Array]
Batch = Mapping[str, jax.Array]
# Decoded pixels, their latent and the quality to other pixels, such as refined ones.
Finish = Callable[[np.ndarray, np.ndarray, float], np.ndarray]

MIN_QUALITY, MAX_QUALITY = 1.0, 100.0


@flax.struct.dataclass
class Reconstruction:
    """What a codec makes of a batch.

    Attributes:
        x_hat: `[B, H, W, 3]`, near [0, 1] (not clipped, so that gradients survive).
        bits: by latent name the bits of each image, `[B]`.
        aux: intermediates that a loss may name, such as `"y_hat"`.
    """

    x_hat: jax.Array
    bits: dict[str, jax.Array]
    aux: dict[str, jax.Array]


Loss = Callable[[Batch, Reconstruction], tuple[jax.Array, Metrics]]


class Geometry(NamedTuple):
    """The sizes of a codec.

    Attributes:
        stride: what height and width must divide by; images are padded to it.
        latent_stride: the ratio of image to latent, a divisor of `stride`.
        latents: channels of the latent.
        halo: how far from a pixel, in pixels, a transform looks; a multiple of `stride`.
        levels: how many payloads a tile has at most; more than one if files can be cut.
    """

    stride: int
    latent_stride: int
    latents: int
    halo: int
    levels: int = 1


class Module(Protocol):
    """What linen modules do, as far as the library asks it of a network."""

    def init(
        self, rngs: Any, *args: Any, method: Callable[..., Any] | str | None = None
    ) -> Params: ...

    def apply(
        self,
        variables: Any,
        *args: Any,
        method: Callable[..., Any] | str | None = None,
        mutable: Any = False,
    ) -> Any: ...


class Init(Protocol):
    def __call__(self, image: jax.Array, key: jax.Array) -> Params:
        """Fresh parameters for images such as `[B, H, W, 3]`."""
        ...


class Forward(Protocol):
    def __call__(
        self, params: Params, image: jax.Array, quality: jax.Array, key: jax.Array
    ) -> Reconstruction:
        """What training sees: differentiable. `quality` is `[B]`; sides divide by `stride`."""
        ...


class Analyse(Protocol):
    def __call__(
        self, params: Params, windows: np.ndarray, quality: np.ndarray, size: np.ndarray
    ) -> jax.Array:
        """The latents of a batch of windows, on the device.

        Args:
            windows: uint8 `[N, h, w, 3]`.
            quality: `[N]`.
            size: int32 `[N, 2]`, the height and width that are valid, from the top left.

        Returns:
            float32 `[N, h / latent_stride, w / latent_stride, latents]`; a window's latent
            does not depend on what else is in the batch.
        """
        ...


class Encode(Protocol):
    def __call__(
        self,
        params: Params,
        tables: TableSets,
        y: np.ndarray,
        quality: float,
        range_coder: RangeCoder,
    ) -> list[bytes]:
        """A tile's latent `[h, w, latents]` as payloads, one a level. Runs on the host."""
        ...


class Decode(Protocol):
    def __call__(
        self,
        params: Params,
        tables: TableSets,
        payloads: Sequence[bytes],
        quality: float,
        shape: tuple[int, int],
        range_coder: RangeCoder,
        detail: Detail | None = None,
    ) -> np.ndarray:
        """What payloads say of a tile's latent: float32 `[*shape, latents]`, on the host.

        The same to the bit on every machine. Fewer payloads than were written are fine, down
        to one; `detail` says what a codec draws in the place of the others, None means.

        Raises:
            BitstreamError: if they do not decode.
        """
        ...


class Synthesise(Protocol):
    def __call__(
        self,
        params: Params,
        windows: np.ndarray,
        quality: np.ndarray,
        size: np.ndarray,
        level: np.ndarray | None = None,
    ) -> jax.Array:
        """The pixels of a batch of windows of latents, on the device: uint8 `[N, H, W, 3]`.

        `quality` is `[N]`, `size` int32 `[N, 2]`, in pixels. Of codecs with several levels,
        `level` says how many were decoded, int32 `[N]`; None for all.
        """
        ...


class Denoise(Protocol):
    def __call__(
        self,
        params: Params,
        z: np.ndarray,
        log_snr: np.float32,
        x_hat: np.ndarray,
        y_hat: np.ndarray,
        quality: np.ndarray,
        size: np.ndarray,
    ) -> jax.Array:
        """The residuals of a batch of decoded windows, as far as noisy ones tell.

        Args:
            z: noisy residuals, in units of their deviation, float32 `[N, H, W, 3]`.
            log_snr: of all of them, a scalar.
            x_hat: the decoded pixels, uint8 `[N, H, W, 3]`.
            y_hat: their latents, `[N, H / latent_stride, W / latent_stride, latents]`.
            quality, size: as of `Synthesise`.

        Returns:
            `[N, H, W, 3]`, such that the pictures stay in range.
        """
        ...


class Refiner(NamedTuple):
    """What adds to a decoded picture a sample of what it lacks (`jaxlic/refining.py`).

    Attributes:
        denoise: the network.
        deviation: quality to the unit of residuals, as a part of the image's range.
        halo: how far from a pixel, in pixels, the network looks; a multiple of the stride.
        direct, deterministic: as of `codecs.refined.Refined`.
    """

    denoise: Denoise
    deviation: Callable[[float], float]
    halo: int
    direct: bool = False
    deterministic: bool = False


class Codec(NamedTuple):
    """A codec is pure functions over one tree of parameters, each usable alone.

    `jaxlic/coding.py` makes files of them: a window of the image goes through `analyse`, a
    tile of the latent through `encode` and `decode`, a window of that through `synthesise`.

    Attributes:
        init, forward: for training.
        analyse, encode, decode, synthesise: for files.
        tables: `params -> tables`: the integer frequencies that both directions code with.
            Computed once, when weights are exported.
        check: `params -> (bound, params)`: proves `decode` exact, or raises ValueError. The
            parameters are the same, but for biases on the edge between two integers. The
            bound is 0 for a codec that is not `exact`.
        geometry: its sizes.
        entropy_path: which parts of the parameters `decode` depends on, as beginnings of
            paths such as "params/hyper_synthesis"; "" for all.
        rows: of each set of tables, how many rows `decode` may ask for; loading a model checks
            that they are there.
        refiner: of codecs that can refine what they decoded (`codecs/refined.py`).
        exact: whether `decode` computes in integers. If not, payloads carry a checksum of
            their symbols, and may be refused on another machine than the one that wrote them.
        search: a slower `encode` for files that are smaller at equal PSNR, or None.
        lmbda: what `search` minimises, by quality: bits a pixel plus this times 255**2 MSE.
    """

    init: Init
    forward: Forward
    analyse: Analyse
    encode: Encode
    decode: Decode
    synthesise: Synthesise
    tables: Callable[[Params], TableSets]
    check: Callable[[Params], tuple[float, Params]]
    geometry: Geometry
    entropy_path: tuple[str, ...] = ("",)
    exact: bool = True
    rows: tuple[tuple[str, int], ...] = ()
    refiner: Refiner | None = None
    search: Search | None = None
    lmbda: Callable[[float], float] | None = None

    @property
    def stride(self) -> int:
        """What height and width must divide by in `forward`."""
        return self.geometry.stride


class Rescaler(NamedTuple):
    """A rescaler is four pure functions too; its file is an ordinary JPEG or WebP thumbnail.

    Attributes:
        init, forward: as a `Codec`'s; the thumbnail goes through a standard codec at
            `quality` on the way, and `aux` holds what the losses need.
        downscale: `(params, image) -> thumbnail`: uint8 `[H, W, 3]` of any size to uint8
            `[ceil(H / scale), ceil(W / scale), 3]`. Runs on the host, tile by tile.
        upscale: `(params, thumbnail, (H, W), latent, seed) -> image`, uint8 likewise; `latent`
            is "mean", "zero" or "sample", `seed` the seed of samples.
        scale: the factor.
        stride: what height and width must divide by in `forward`.
    """

    init: Init
    forward: Forward
    downscale: Callable[[Params, np.ndarray], np.ndarray]
    upscale: Callable[..., np.ndarray]
    scale: int
    stride: int


class Builder(NamedTuple):
    """How models of one architecture are made, by the name that their files give it.

    Attributes:
        name: such as "hyperprior.lapped".
        make: keyword settings to a linen module.
        assemble: that module to a `Codec` or a `Rescaler`; takes what is needed in training
            alone as keywords.
        int8: regular expression for the paths of kernels that are stored as int8.
        limits: by setting the largest integer in it that models from files may have, where
            that is not 1024.
        free: settings that latents do not depend on, of the synthesis alone: files are not
            named after them, so that a model with another synthesis reads them.
    """

    name: str
    make: Callable[..., Any]
    assemble: Callable[..., Codec | Rescaler]
    int8: str = ""
    limits: tuple[tuple[str, int], ...] = ()
    free: tuple[str, ...] = ()
