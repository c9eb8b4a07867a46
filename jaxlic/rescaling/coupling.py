"""Invertible blocks, and chains of them.

A state is a pair `(low, high)`: what becomes the thumbnail, `[B, H, W, 3]`, and what it leaves
out, `[B, H, W, C - 3]`. Both directions of a block use the same parameters.

Sources: vanilla block, Xiao et al. 2020 (IRN, arXiv:2005.05650), equations 5 and 6; enhanced
block, Jin et al. 2023 (SAIN, arXiv:2303.02353), section 3.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxlic.nn.conv import Conv
from jaxlic.ops.geometry import depth_to_space, keep, shrunk, space_to_depth
from jaxlic.ops.platforms import by_platform

State = tuple[jax.Array, jax.Array]
MODES = ("auto", "unroll", "scan", "reversible")


class DenseBlock(nn.Module):
    """Five 3x3 convolutions, each seeing all before it. The published sub-network.

    The last one starts at zero, so that a coupling starts as the identity.
    """

    features: int
    growth: int = 32

    fold = 1
    reach = 5

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None = None) -> jax.Array:
        """Maps `[B, H, W, I]` to `[B, H, W, features]`; `size` as in `ops.geometry.keep`."""
        small = nn.initializers.variance_scaling(0.01, "fan_avg", "normal")
        seen = keep(x, size)
        for _ in range(4):
            y = nn.leaky_relu(Conv(self.growth, kernel_init=small)(seen), 0.2)
            seen = jnp.concatenate([seen, keep(y, size)], axis=-1)
        return Conv(self.features, kernel_init=nn.initializers.zeros)(seen)


class FoldedNet(nn.Module):
    """A residual network on small neighbourhoods: few, wide convolutions at a lower size.

    Not the published sub-network but a stand-in for CPUs, where wide convolutions run
    several times faster for the same multiply-accumulates; it also sees `fold` times as far.
    """

    features: int
    width: int = 64
    blocks: int = 1
    fold: int = 2

    @property
    def reach(self) -> int:
        return self.fold * (3 + 2 * self.blocks) - 1

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None = None) -> jax.Array:
        """Maps `[B, H, W, I]` to `[B, H, W, features]`, H and W multiples of `fold`."""
        he = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
        small = nn.initializers.variance_scaling(0.1, "fan_in", "normal")
        inner = shrunk(size, self.fold)
        x = Conv(self.width, kernel_init=he)(keep(space_to_depth(x, self.fold), inner))
        for _ in range(self.blocks):
            y = keep(nn.leaky_relu(x, 0.2), inner)
            y = keep(nn.leaky_relu(Conv(self.width, kernel_init=he)(y), 0.2), inner)
            x = x + Conv(self.width, kernel_init=small)(y)
        x = keep(nn.leaky_relu(x, 0.2), inner)
        y = Conv(self.features * self.fold**2, kernel_init=nn.initializers.zeros)(x)
        return depth_to_space(y, self.fold)


Subnet = Callable[[int], nn.Module]


class VanillaBlock(nn.Module):
    """`low + F(high)`, then `high * exp(s(low)) + G(low)`, with |s| < 1."""

    high: int
    subnet: Subnet = DenseBlock

    def setup(self) -> None:
        self.f = self.subnet(3)
        self.g, self.scale_net = self.subnet(self.high), self.subnet(self.high)

    def forward(self, low: jax.Array, high: jax.Array, size: jax.Array | None = None) -> State:
        """One block towards the thumbnail."""
        low = low + self.f(high, size)
        return low, high * jnp.exp(self._scale(low, size)) + self.g(low, size)

    def inverse(self, low: jax.Array, high: jax.Array, size: jax.Array | None = None) -> State:
        """Undoes `forward`."""
        high = (high - self.g(low, size)) * jnp.exp(-self._scale(low, size))
        return low - self.f(high, size), high

    def _scale(self, low, size):
        return 2 * nn.sigmoid(self.scale_net(low, size)) - 1


class EnhancedBlock(nn.Module):
    """A vanilla block with a second thumbnail inside, the one that is written to files."""

    high: int
    subnet: Subnet = DenseBlock

    def setup(self) -> None:
        self.e = self.subnet(3)
        self.rest = VanillaBlock(self.high, self.subnet)

    def tap(self, low: jax.Array, high: jax.Array, size: jax.Array | None = None) -> jax.Array:
        """The inner thumbnail alone: all a sender needs of the last such block."""
        return low + self.e(high, size)

    def forward(self, low: jax.Array, high: jax.Array, size: jax.Array | None = None) -> State:
        """One block towards the (simulated) compressed thumbnail."""
        inner = self.tap(low, high, size)
        # rest: low = inner - F(high), whose sign is absorbed by F.
        return self.rest.forward(inner, high, size)

    def inverse(self, low: jax.Array, high: jax.Array, size: jax.Array | None = None) -> State:
        """Undoes `forward`."""
        inner, high = self.rest.inverse(low, high, size)
        return inner - self.e(high, size), high

    def inverse_tapped(
        self, low: jax.Array, high: jax.Array, size: jax.Array | None = None
    ) -> Tapped:
        """As `inverse`, with the inner thumbnail as it was restored."""
        inner, high = self.rest.inverse(low, high, size)
        return Tapped((inner - self.e(high, size), high), inner)


class Tapped(NamedTuple):
    """A state and the inner thumbnail `[B, H, W, 3]` of the block it passed."""

    state: State
    tap: jax.Array


class Chain(nn.Module):
    """Equal blocks, one after the other; their parameters are stacked along a first axis.

    Attributes:
        block: makes one block, a `VanillaBlock` or an `EnhancedBlock`.
        high: channels of the state's second part.
        count: how many.
        mode: "unroll", "scan" (with rematerialisation), "reversible" (a scan whose backward
            pass recomputes inputs from outputs and stores neither), or "auto": unrolled on
            CPU, where a convolution's gradient inside a scan is many times slower, a scan
            elsewhere, decided where a program is lowered. The parameters are the same.
    """

    block: Callable[..., nn.Module]
    high: int
    count: int
    mode: str = "auto"

    def setup(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        self.stacked = self.param("blocks", self._init)

    def forward(self, state: State, size: jax.Array | None = None) -> State:
        """All blocks, towards the thumbnail."""
        return self._run("forward", state, size, range(self.count))

    def inverse(self, state: State, size: jax.Array | None = None) -> State:
        """Undoes `forward`."""
        return self._run("inverse", state, size, range(self.count))

    def forward_tapped(self, state: State, size: jax.Array | None = None) -> Tapped:
        """As `forward`, with the inner thumbnail of the last block."""
        low, high = self._run("forward", state, size, range(self.count - 1))
        last = self._params(self.count - 1)
        tap = _apply(self._block, last, low, high, size, method="tap")
        inner = _apply(
            self._block, last, tap, high, size, method=lambda m, *a: m.rest.forward(*a)
        )
        return Tapped(inner, tap)

    def inverse_tapped(self, state: State, size: jax.Array | None = None) -> Tapped:
        """As `inverse`, with the inner thumbnail of the last (first undone) block."""
        last = self._params(self.count - 1)
        state, tap = _apply(self._block, last, *state, size, method="inverse_tapped")
        return Tapped(self._run("inverse", state, size, range(self.count - 1)), tap)

    def tap(self, state: State, size: jax.Array | None = None) -> jax.Array:
        """Just the inner thumbnail of the last block."""
        low, high = self._run("forward", state, size, range(self.count - 1))
        return _apply(self._block, self._params(self.count - 1), low, high, size, method="tap")

    @property
    def _block(self) -> nn.Module:
        return self.block(self.high, parent=None)

    def _init(self, key: jax.Array) -> Any:
        low, high = jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, 8, 8, self.high))
        block = self._block

        def one(key: jax.Array) -> Any:
            return block.init(key, low, high, method="forward")["params"]

        return jax.vmap(one)(jax.random.split(key, self.count))

    def _params(self, i: int) -> Any:
        return {"params": jax.tree.map(lambda a: a[i], self.stacked)}

    def _run(self, method: str, state: State, size: jax.Array | None, which: range) -> State:
        if not which:
            return state
        block = self._block

        def apply(method: str, params: Any, state: State) -> State:
            return _apply(block, {"params": params}, *state, size, method=method)

        stacked = jax.tree.map(lambda a: a[which.start : which.stop], self.stacked)
        step = functools.partial(apply, method)
        back = functools.partial(apply, "inverse" if method == "forward" else "forward")
        if method == "inverse":
            stacked = jax.tree.map(lambda a: a[::-1], stacked)
        unroll = functools.partial(_unroll, step)
        scan = functools.partial(_scan, jax.checkpoint(step))
        if self.mode == "auto":
            return by_platform(stacked, state, cpu=unroll, default=scan)
        if self.mode == "unroll":
            return unroll(stacked, state)
        if self.mode == "scan":
            return scan(stacked, state)
        return reversible(step, back, stacked, state)


def _apply(block: nn.Module, variables: Any, *args: Any, method: Callable | str) -> Any:
    return block.apply(variables, *args, method=method)


def reversible(
    step: Callable[[Any, State], State],
    back: Callable[[Any, State], State],
    stacked: Any,
    state: State,
) -> State:
    """`state` through `step` once for each parameter along the first axis of `stacked`.

    The gradient keeps the result alone: `back`, the inverse of `step`, recomputes every
    input. So memory does not grow with depth, and gradients carry the error of the inverse,
    about 1e-5 in float32. Gomez et al. 2017, arXiv:1707.04585.
    """

    @jax.custom_vjp
    def run(stacked: Any, state: State) -> State:
        return _scan(step, stacked, state)

    def forward(stacked: Any, state: State) -> tuple[State, Any]:
        out = _scan(step, stacked, state)
        return out, (stacked, out)

    def backward(residuals: Any, cotangent: State) -> tuple[Any, State]:
        stacked, out = residuals

        def undo(carry: tuple[State, State], params: Any) -> tuple[tuple[State, State], Any]:
            out, cotangent = carry
            state = jax.lax.stop_gradient(back(params, out))
            _, pull = jax.vjp(step, params, state)
            gradient, cotangent = pull(cotangent)
            return (state, cotangent), gradient

        (_, cotangent), gradients = jax.lax.scan(undo, (out, cotangent), stacked, reverse=True)
        return gradients, cotangent

    run.defvjp(forward, backward)
    return run(stacked, state)


def _unroll(step, stacked, state):
    for i in range(len(jax.tree.leaves(stacked)[0])):
        state = step(jax.tree.map(lambda a, i=i: a[i], stacked), state)
    return state


def _scan(step, stacked, state):
    return jax.lax.scan(lambda s, params: (step(params, s), None), state, stacked)[0]
