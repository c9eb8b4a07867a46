"""Invertible rescaling, aware of compression: SAIN, and IRN as its symmetric special case.

Sources: Jin et al. 2023, "Self-Asymmetric Invertible Network for Compression-Aware Image
Rescaling", arXiv:2303.02353; Xiao et al. 2020, "Invertible Image Rescaling",
arXiv:2005.05650. What their text leaves open follows the authors' released code.

A Haar transform puts the 2x2 means into three channels and the rest into others; invertible
blocks mix them. The thumbnail is taken from inside the last *enhanced* block. What comes
after it imitates what a codec does to the thumbnail, so the inverse, which starts from the
decoded file, begins by undoing that.
"""

from __future__ import annotations

import functools
import re

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxlic.core import Builder
from jaxlic.ops.geometry import shrunk
from jaxlic.ops.wavelet import haar, inverse_haar
from jaxlic.rescaling.coupling import (
    Chain,
    DenseBlock,
    EnhancedBlock,
    FoldedNet,
    Subnet,
    VanillaBlock,
)
from jaxlic.rescaling.latent import LATENTS, GaussianMixture
from jaxlic.rescaling.rescaler import Downscaled, Upscaled, rescaler

PAPER_X2 = ("haar", "E5", "V3")
PAPER_X4 = ("haar", "haar", "E10", "V6")
IRN_X2 = ("haar", "V8")
IRN_X4 = ("haar", "V8", "haar", "V8")
_MAX_BLOCKS = 48


class Invertible(nn.Module):
    """An invertible rescaling network.

    Attributes:
        layout: its parts in forward order: "haar", or "E" (enhanced) or "V" (vanilla) and a
            number of blocks. Without "E" it is symmetric (IRN): the thumbnail is what comes
            out at the end.
        subnet: makes the networks inside the blocks, given their output channels.
        mode: how blocks are run, see `nn.coupling.Chain`.
        components, log_variance, spread: of the latent's `GaussianMixture`.
    """

    layout: tuple[str, ...]
    subnet: Subnet = DenseBlock
    mode: str = "auto"
    components: int = 5
    log_variance: float = 0.0
    spread: float = 0.0

    def setup(self) -> None:
        self.mixture = GaussianMixture(self.components, self.log_variance, self.spread)
        chains, channels = [], 3
        for part in self.layout:
            if part == "haar":
                channels *= 4
            else:
                kind = EnhancedBlock if part[0] == "E" else VanillaBlock
                block = functools.partial(kind, subnet=self.subnet)
                chains.append(Chain(block, channels - 3, int(part[1:]), self.mode))
        self.chains = chains

    @property
    def scale(self) -> int:
        """The factor between image and thumbnail."""
        return 2 ** self.layout.count("haar")

    @property
    def stride(self) -> int:
        """What height and width must divide by."""
        return self.scale * self.subnet(3).fold

    @property
    def reach(self) -> int:
        """How many pixels of the image, at most, lie between a cause and its effect."""
        total, factor, once = 0, 1, self.subnet(3).reach
        for part in self.layout:
            if part == "haar":
                factor *= 2
            else:
                total += int(part[1:]) * 2 * once * factor
        return total

    @property
    def _tapped(self) -> int:
        """Which part the thumbnail is taken from: the last enhanced one."""
        enhanced = [i for i, part in enumerate(self.layout) if part[0] == "E"]
        return enhanced[-1] if enhanced else len(self.layout)

    def forward(self, x: jax.Array, size: jax.Array | None = None) -> Downscaled:
        """Image to thumbnail.

        Args:
            x: `[B, H, W, 3]` in [0, 1], H and W multiples of `stride`.
            size: integer `[2]`, the valid height and width if `x` is larger; None for all.
        """
        state, size, chain, lr = (x, x[..., :0]), size, 0, None
        for i, part in enumerate(self.layout):
            if part == "haar":
                state, size = _split(haar(jnp.concatenate(state, axis=-1))), shrunk(size, 2)
                continue
            if i == self._tapped:
                state, lr = self.chains[chain].forward_tapped(state, size)
            else:
                state = self.chains[chain].forward(state, size)
            chain += 1
        return Downscaled(state[0] if lr is None else lr, *state)

    def down(self, x: jax.Array, size: jax.Array | None = None) -> jax.Array:
        """Just the thumbnail; what a sender runs. Arguments as of `forward`."""
        state, chain = (x, x[..., :0]), 0
        for i, part in enumerate(self.layout):
            if part == "haar":
                state, size = _split(haar(jnp.concatenate(state, axis=-1))), shrunk(size, 2)
                continue
            if i == self._tapped:
                return self.chains[chain].tap(state, size)
            state = self.chains[chain].forward(state, size)
            chain += 1
        return state[0]

    def inverse(
        self, lr: jax.Array, latent: jax.Array, size: jax.Array | None = None
    ) -> Upscaled:
        """Thumbnail to image.

        Args:
            lr: `[B, h, w, 3]`, as decoded from a file (or `forward`'s `compressed`, which
                with its latent gives back the image exactly).
            latent: `[B, h, w, 3 scale^2 - 3]`.
            size: as in `forward`, of the image.
        """
        state, chain, restored = (lr, latent), len(self.chains), None
        for i, part in reversed(list(enumerate(self.layout))):
            if part == "haar":
                state = _split(inverse_haar(jnp.concatenate(state, axis=-1)))
                continue
            chain -= 1
            level = shrunk(size, 2 ** self.layout[:i].count("haar"))
            if i == self._tapped:
                state, restored = self.chains[chain].inverse_tapped(state, level)
            else:
                state = self.chains[chain].inverse(state, level)
        return Upscaled(state[0], lr if restored is None else restored)

    def up(
        self,
        lr: jax.Array,
        size: jax.Array | None = None,
        latent: str = "mean",
        key: jax.Array | None = None,
        origin: jax.Array | None = None,
    ) -> jax.Array:
        """Thumbnail to image, the latent chosen by name: "mean", "zero" or "sample".

        Args:
            lr, size: as in `inverse`.
            latent: its name.
            key: of a sample.
            origin: integer `[2]`, where in a larger thumbnail `lr` begins. Samples belong to
                places, so that windows that overlap agree on them.

        Raises:
            ValueError: if it is none of these, or "sample" without a key.
        """
        shape = self.latent_shape(lr.shape)
        if latent not in LATENTS or (latent == "sample" and key is None):
            raise ValueError(
                f"latent is one of {', '.join(LATENTS)} (with a key), got {latent!r}"
            )
        if latent == "sample":
            assert key is not None
            z = self.mixture.sample(key, shape, origin)
        else:
            z = jnp.zeros(shape) + (self.mixture.mean() if latent == "mean" else 0)
        return self.inverse(lr, z, size).hr

    def draw(self, lr: jax.Array, key: jax.Array) -> jax.Array:
        """A latent for the thumbnail `lr`, with gradients for the mixture."""
        return self.mixture.draw(key, self.latent_shape(lr.shape))

    def surprise(self, latent: jax.Array) -> jax.Array:
        """Minus the log-likelihood of a latent, in nats, `[B]`."""
        return -jnp.sum(self.mixture.log_probability(latent), axis=(1, 2, 3))

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the latent of a thumbnail of this shape."""
        return (*shape[:-1], 3 * self.scale**2 - 3)


def _split(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return x[..., :3], x[..., 3:]


def _checked(layout: tuple[str, ...]) -> tuple[str, ...]:
    """The layout; raises ValueError if it cannot be one."""
    layout = tuple(layout)
    blocks = [part for part in layout if part != "haar"]
    last = max((i for i, part in enumerate(layout) if part == "haar"), default=-1)
    if (
        not all(re.fullmatch(r"[EV][1-9]\d?", part) for part in blocks)
        or not blocks
        or layout[0] != "haar"
        or layout.count("haar") > 2
        or any(part[0] == "E" for part in layout[:last])
        or sum(int(part[1:]) for part in blocks) > _MAX_BLOCKS
    ):
        raise ValueError(
            "a layout begins with haar, has one or two of them, and parts like E5 and V3, "
            f"E after the last haar, {_MAX_BLOCKS} blocks at most; got {' '.join(layout)!r}"
        )
    return layout


def dense(
    layout: tuple[str, ...] = PAPER_X2, *, growth: int = 32, log_variance: float = 0.0
) -> Invertible:
    """The published network: dense blocks inside. The default is SAIN x2, 2.0 M parameters."""
    subnet = functools.partial(DenseBlock, growth=growth)
    return Invertible(_checked(layout), subnet, log_variance=log_variance)


def folded(
    layout: tuple[str, ...] = ("haar", "V1", "E1", "V2"),
    *,
    width: int = 64,
    blocks: int = 1,
    fold: int = 2,
    components: int = 5,
    log_variance: float = -8.0,
    spread: float = 0.0,
) -> Invertible:
    """The same structure on `FoldedNet`s: several times faster on CPUs."""
    subnet = functools.partial(FoldedNet, width=width, blocks=blocks, fold=fold)
    return Invertible(
        _checked(layout),
        subnet,
        components=components,
        log_variance=log_variance,
        spread=spread,
    )


_LIMITS = (("blocks", 4), ("fold", 8), ("components", 32))
_INT8 = r"chains_\d+/blocks/.*/Conv_\d+/kernel$"
BUILDERS = (
    Builder("rescaler.dense", dense, rescaler, _INT8),
    Builder("rescaler.folded", folded, rescaler, _INT8, _LIMITS),
)
