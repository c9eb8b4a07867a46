"""Lapped transforms with a nonlinear pyramid beside them, at 1/2, 1/4 and 1/8.

The lapped path of `nn/transforms.py`, linear but for its residual blocks, is a shortcut through
analysis and synthesis: it carries smooth surfaces and texture from the first step of training.
Beside it a pyramid of convolutions adds what a linear basis cannot, edges above all, and starts
at zero. (Linear shortcuts beside nonlinear transforms: Li et al. 2024, "On Disentangled
Training for Nonlinear Transform in Learned Image Compression", arXiv:2501.13751, there with
wavelets; widths, depths and what the pyramid sees are ours.)

All that it sees is in units of the error that the quality leaves, compressed by `asinh`: the
lowest frequencies are a hundred times the others and would drown them. All that it adds is in
these units too.

As everywhere, `size` is the height and width of the valid part of the image, or None.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxlic.core import MAX_QUALITY, MIN_QUALITY
from jaxlic.nn.conv import Conv, conv2d
from jaxlic.nn.dynamic_conv import PlainConv
from jaxlic.nn.gain import QualityGain
from jaxlic.nn.groups import KernelBlock
from jaxlic.nn.transforms import ResidualBlock
from jaxlic.ops.deband import deband, smooth
from jaxlic.ops.geometry import depth_to_space, extend, keep, shrunk, space_to_depth
from jaxlic.ops.lapped import lapped_kernel, merge_kernel

Error = tuple[float, float]
ANCHORS = 10
_ZEROS = nn.initializers.zeros


class PyramidAnalysis(nn.Module):
    """`LappedAnalysis`, and a pyramid that adds to the coefficients at 1/8.

    Attributes:
        features: coefficients at 1/8; with 192 the basis is complete.
        latents: channels at 1/16, at most `4 * features`.
        learned: of the features and the latents, how many are learned and go through the
            residual blocks, those of lowest frequency; the others are the fixed basis.
        hidden, blocks: width of the residual blocks at 1/16; how many at 1/8 and at 1/16.
        widths, depths: channels and blocks of the pyramid at 1/2, 1/4 and 1/8; without widths
            there is none.
        error: in levels of 255 at quality 1 and 100, log-linear between, to start with.
    """

    features: int = 192
    latents: int = 768
    learned: tuple[int, int] = (128, 320)
    hidden: int = 192
    blocks: tuple[int, int] = (2, 2)
    widths: tuple[int, ...] = (32, 64, 128)
    depths: tuple[int, ...] = (1, 2, 3)
    error: Error = (10.0, 0.58)
    stride: int = 16

    @nn.compact
    def __call__(
        self, x: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, 3]` in [0, 1] to `[B, H / 16, W / 16, latents]`."""
        few, some = self.learned
        kernel = self.param("lapped", lambda _: lapped_kernel(few))
        merge = self.param("merge", lambda _: merge_kernel(few, some))
        kernel, merge = completed(kernel, merge, self.features, self.latents)
        image, cells = x, shrunk(size, 8)
        x = extend(x - 0.5, 4, size, "symmetric")
        x = conv2d(space_to_depth(x, 8), kernel, padding=((0, 0), (0, 0)))
        added = 0.0
        if self.widths:
            scale = QualityGain(1, *_logs(self.error), ANCHORS, name="error")(quality)
            h = _Descent(self.widths, self.depths, name="descent")(image, scale, quality, size)
            seen = _coefficients(x, scale, cells)
            h = h + Conv(self.widths[2], 1, name="coefficients")(seen)
            for k in range(self.depths[2]):
                h = _block(self.widths[2], f"eighth_{k}")(h, quality, cells)
            added = scale * Conv(self.features, 1, kernel_init=_ZEROS, name="add")(h)
        for _ in range(self.blocks[0]):
            x = _through(ResidualBlock(few, ANCHORS), x, few, quality, cells)
        x = conv2d(space_to_depth(x + added, 2), merge[None, None])
        cells = shrunk(size, 16)
        for _ in range(self.blocks[1]):
            x = _through(ResidualBlock(self.hidden, ANCHORS), x, some, quality, cells)
        return x


class PyramidSynthesis(nn.Module):
    """`LappedSynthesis`, a pyramid at 1/8, 1/4 and 1/2 of the resolution, `deband`.

    At 1/8 it adds to the coefficients; `Ascent` then adds to the picture.

    Attributes:
        features, latents, learned, hidden, blocks: as in `PyramidAnalysis`.
        widths, depths: channels and blocks of the pyramid at 1/2, 1/4 and 1/8; a width of 0
            leaves that level out, but for the one at 1/4.
        error: as in `PyramidAnalysis`.
        deband: thresholds at quality 1 and 100, in levels of 255, log-linear between.
    """

    features: int = 192
    latents: int = 768
    learned: tuple[int, int] = (128, 320)
    hidden: int = 192
    blocks: tuple[int, int] = (2, 2)
    widths: tuple[int, int, int] = (32, 64, 128)
    depths: tuple[int, int, int] = (1, 2, 3)
    error: Error = (10.0, 0.58)
    deband: tuple[float, float] = (2.9, 0.09)
    stride: int = 16

    @nn.compact
    def __call__(
        self, y_hat: jax.Array, quality: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Maps `[B, H, W, latents]` to `[B, 16 H, 16 W, 3]`."""
        few, some = self.learned
        kernel = self.param("lapped", lambda _: lapped_kernel(few))
        split = self.param("merge", lambda _: merge_kernel(few, some))
        kernel, split = completed(kernel, split, self.features, self.latents)
        x, cells = y_hat, shrunk(size, 16)
        for _ in range(self.blocks[1]):
            x = _through(ResidualBlock(self.hidden, ANCHORS), x, some, quality, cells)
        x = depth_to_space(conv2d(x, split.T[None, None]), 2)
        cells = shrunk(size, 8)
        for _ in range(self.blocks[0]):
            x = _through(ResidualBlock(few, ANCHORS), x, few, quality, cells)
        h, width = None, self.widths[2]
        if width:
            scale = QualityGain(1, *_logs(self.error), ANCHORS, name="error")(quality)
            h = Conv(width, 1, name="coefficients")(_coefficients(x, scale, cells))
            for k in range(self.depths[2]):
                h = _block(width, f"eighth_{k}")(h, quality, cells)
            x = x + scale * Conv(self.features, 1, kernel_init=_ZEROS, name="add")(h)
        # The adjoint of the analysis: every block adds to its 2x2 neighbourhood.
        adjoint = kernel[::-1, ::-1].swapaxes(2, 3)
        x = extend(x, 1, cells, "edge")
        x = depth_to_space(conv2d(x, adjoint, padding=((0, 0), (0, 0))), 8)
        x = x[:, 4:-4, 4:-4] + 0.5
        ascent = Ascent(self.widths[:2], self.depths[:2], self.error, name="restoration")
        x = ascent(x, h, quality, size)
        t = (quality - MIN_QUALITY) / (MAX_QUALITY - MIN_QUALITY)
        first, last = self.deband
        threshold = first / 255 * (last / first) ** t
        return deband(x, threshold[:, None, None, None], size)


class Ascent(nn.Module):
    """The upper levels of the synthesis: `x + s (W_4 h_4 + W_2 h_2)`.

    h_4, at 1/4, sees the picture less its smooth part and what comes from 1/8; h_2, at 1/2,
    sees the picture and h_4. With the width at 1/2 zero and nothing from 1/8 this is
    `nn.restoration.Restoration`, whose parameters bear the same names.

    Attributes:
        widths, depths: channels and blocks at 1/2 and at 1/4.
        error: s, as in `PyramidSynthesis`.
    """

    widths: tuple[int, int] = (32, 64)
    depths: tuple[int, int] = (1, 2)
    error: Error = (10.0, 0.58)

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        below: jax.Array | None,
        quality: jax.Array,
        size: jax.Array | None = None,
    ) -> jax.Array:
        """Maps `[B, H, W, 3]` around [0, 1] and `[B, H / 8, W / 8, C]` to an image."""
        scale = QualityGain(1, *_logs(self.error), ANCHORS)(quality)
        detail = (x - smooth(x, size)) / scale
        cells = shrunk(size, 4)
        fourth = space_to_depth(detail, 4)
        h = jnp.arcsinh(Conv(self.widths[1], 3)(keep(fourth, cells)))
        if below is not None:
            up = Conv(4 * self.widths[1], 1, kernel_init=_ZEROS, name="up_4")(below)
            h = h + depth_to_space(up, 2)
        for _ in range(self.depths[1]):
            h = KernelBlock(self.widths[1], PlainConv, ANCHORS)(h, quality, cells)
        added = Conv(fourth.shape[-1], 3, kernel_init=_ZEROS)(keep(h, cells))
        added = depth_to_space(added, 4)
        if self.widths[0]:
            cells, half = shrunk(size, 2), space_to_depth(detail, 2)
            up = Conv(4 * self.widths[0], 1, name="up_2")(h)
            h = jnp.arcsinh(Conv(self.widths[0], 3, name="in_2")(keep(half, cells)))
            h = h + depth_to_space(up, 2)
            for k in range(self.depths[0]):
                h = _block(self.widths[0], f"half_{k}")(h, quality, cells)
            out = Conv(half.shape[-1], 3, kernel_init=_ZEROS, name="out_2")
            added = added + depth_to_space(out(keep(h, cells)), 2)
        return x + scale * added


class _Descent(nn.Module):
    """The picture less its smooth part, through 1/2 and 1/4, to `[B, H / 8, W / 8, C]`."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]

    @nn.compact
    def __call__(
        self, x: jax.Array, scale: jax.Array, quality: jax.Array, size: jax.Array | None
    ) -> jax.Array:
        half = space_to_depth((x - smooth(x, size)) / scale, 2)
        h = jnp.arcsinh(Conv(self.widths[0], 3, name="in_2")(keep(half, shrunk(size, 2))))
        for level, factor in enumerate((2, 4)):
            for k in range(self.depths[level]):
                name = f"{('half', 'fourth')[level]}_{k}"
                h = _block(self.widths[level], name)(h, quality, shrunk(size, factor))
            h = space_to_depth(h, 2)
            h = Conv(self.widths[level + 1], 1, name=f"down_{2 * factor}")(h)
        return h


def completed(
    kernel: jax.Array, merge: jax.Array, features: int, latents: int
) -> tuple[jax.Array, jax.Array]:
    """Learned kernels `[2, 2, 192, f]` and `[4 f, l]`, the rest of the fixed basis after them.

    Returns:
        `[2, 2, 192, features]` and `[4 features, latents]`. The first f and l columns are the
        given ones, zero for the fixed features.
    """
    few, some = kernel.shape[-1], merge.shape[-1]
    order = _order(features, few)
    fixed = lapped_kernel(features)[..., order[few:]]
    rest = merge_kernel(features, latents).reshape(4, features, latents)
    rest = rest[:, order, some:].reshape(4 * features, latents - some)
    zeros = ((0, 0), (0, features - few), (0, 0))
    merge = jnp.pad(merge.reshape(4, few, some), zeros).reshape(4 * features, some)
    return jnp.concatenate([kernel, fixed], -1), jnp.concatenate([merge, rest], -1)


def _order(features, first):
    """Where the features of the smaller kernel lie in the larger, then where the others do."""
    starts = np.cumsum([0, *_colours(features)])
    parts = [start + np.arange(n) for start, n in zip(starts, _colours(first), strict=False)]
    head = np.concatenate(parts)
    return np.concatenate([head, np.setdiff1d(np.arange(features), head)])


def _colours(features):
    """How many features are luma, blue and red difference, as `lapped_kernel` has them."""
    luma = min(64, features // 2)
    return luma, (features - luma) // 2, (features - luma) // 2


def _coefficients(x, scale, size):
    """Coefficients, and their differences to those around them, `[B, H, W, 2 C]`."""
    padded = extend(x, 1, size, "edge")
    rows = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    around = (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4
    return jnp.arcsinh(jnp.concatenate([x, x - around], axis=-1) / scale)


def _through(block, x, seen, quality, size):
    """The first `seen` channels through a block, the others past it."""
    return jnp.concatenate([block(x[..., :seen], quality, size), x[..., seen:]], axis=-1)


def _block(width, name):
    return KernelBlock(width, PlainConv, ANCHORS, name=name)


def _logs(error: Error) -> tuple[float, float]:
    return float(np.log(error[0] / 255)), float(np.log(error[1] / 255))
