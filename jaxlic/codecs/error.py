"""The squared error of a picture and its gradient with respect to the latent, patch by patch.

One program, for a few sizes of window, serves pictures of any size; parameters are among its
arguments. It differentiates the synthesis alone. Patches of 640 pixels, seen through windows
with 64 pixels more on every side, bound the memory; a picture that fits into one window is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxlic.ops.geometry import keep
from jaxlic.ops.tiling import Tile, area, edge_for, fill, tiles

_EDGES = (128, 256, 512, 768)
_PATCH, _HALO = 640, 64
_LEVELS = 255.0


class Synthesis(Protocol):
    """What the gradient asks of a model."""

    @property
    def latent_stride(self) -> int: ...

    def apply(self, variables: Any, *args: Any, method: str) -> Any: ...


class Error(NamedTuple):
    """What `differentiated` returns.

    Attributes:
        error: squared error in levels of 255, summed over the pixels and colours of each
            sample of the latent, `[h, w]`.
        gradient: of its sum with respect to the latent, `[h, w, C]`.
        x_hat: the image, clipped to [0, 1].
    """

    error: np.ndarray
    gradient: np.ndarray
    x_hat: np.ndarray


def differentiated(model: Synthesis) -> Callable[..., tuple[jax.Array, jax.Array, jax.Array]]:
    """The compiled program: `(params, target, y_hat, quality, size, inside) -> Error`.

    `target` is float32 `[H, W, 3]`, `y_hat` `[H / stride, W / stride, C]`, `quality` `[1]`;
    `size` and `inside`, int32 `[2]`, are the valid part in pixels, and the part of it in which
    errors count.
    """

    @jax.jit
    def run(params, target, y_hat, quality, size, inside):
        def total(y_hat):
            x_hat = model.apply(params, y_hat[None], quality, size, method="synthesis")
            x_hat = jnp.clip(x_hat, 0, 1)
            squares = jnp.square(keep(x_hat - target, inside)).sum(axis=-1)
            height, width = y_hat.shape[:2]
            cells = squares.reshape(height, model.latent_stride, width, model.latent_stride)
            error = _LEVELS**2 * cells.sum(axis=(1, 3))
            return error.sum(), (error, x_hat[0])

        (_, (error, x_hat)), gradient = jax.value_and_grad(total, has_aux=True)(y_hat)
        return error, gradient, x_hat

    return run


class Picture:
    """The pixels of a tile's window, and what the synthesis makes of latents for them.

    Args:
        run: a program of `differentiated`, with its parameters bound.
        window: uint8 `[h, w, 3]`, as far as there are pixels.
        tile: in samples of the latent.
        quality: in [1, 100].
        ratio: pixels a sample.
    """

    def __init__(
        self,
        run: Callable[..., tuple[jax.Array, jax.Array, jax.Array]],
        window: np.ndarray,
        tile: Tile,
        quality: float,
        ratio: int,
    ):
        self._run, self._window, self._ratio = run, window, ratio
        self._quality = np.full(1, quality, np.float32)
        self._offset = tuple(np.subtract(tile.start, tile.window_start))
        self._patches = list(_patches(tile, ratio))

    def error(self, y_hat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`error` and `gradient` of `Error`, of the tile, for the latent of its window."""
        errors, gradients = [], []
        rows = [patch.start[0] for patch in self._patches]
        for row in dict.fromkeys(rows):
            found = [self._patch(p, y_hat)[:2] for p in self._patches if p.start[0] == row]
            errors.append(np.concatenate([e for e, _ in found], axis=1))
            gradients.append(np.concatenate([g for _, g in found], axis=1))
        return np.concatenate(errors), np.concatenate(gradients)

    def curvature(self, y_hat: np.ndarray) -> np.ndarray:
        """What one step more adds to the squared error, beyond its gradient: `[C]`.

        The diagonal of J^T J by one probe: the mean over the first patch of `(J^T v)**2`, each
        sample of v being plus or minus one level.
        """
        patch = self._patches[0]
        _, _, x_hat = self._patch(patch, y_hat)
        signs = np.random.default_rng(0).integers(0, 2, x_hat.shape).astype(np.float32)
        _, slope, _ = self._patch(patch, y_hat, x_hat + (2 * signs - 1) / _LEVELS)
        return np.mean(np.square(slope / 2), axis=(0, 1))

    def _patch(self, patch: Tile, y_hat: np.ndarray, target: np.ndarray | None = None) -> Error:
        """Error and gradient of the patch, the image of its window."""
        latent = y_hat[area(patch.window_start, patch.window_stop)]
        pixels = patch.grown(self._ratio)
        if target is None:
            cut = self._window[area(pixels.window_start, pixels.window_stop)]
            target = cut.astype(np.float32) / np.float32(_LEVELS)
        size = pixels.window_shape
        height, width = (edge_for(n, _EDGES) for n in size)
        error, gradient, x_hat = map(
            np.asarray,
            self._run(
                fill(target, (height, width)),
                fill(latent, (height // self._ratio, width // self._ratio)),
                self._quality,
                np.array(size, np.int32),
                np.array(target.shape[:2], np.int32),
            ),
        )
        start, stop = (
            tuple(np.subtract(end, patch.window_start)) for end in (patch.start, patch.stop)
        )
        inner = area(start, stop)
        return Error(error[inner], gradient[inner], x_hat[: target.shape[0], : target.shape[1]])


def _patches(tile: Tile, ratio: int) -> Iterator[Tile]:
    """The patches of a tile, row by row, in samples from the corner of its window."""
    limit = tile.window_shape
    down, right = np.subtract(tile.start, tile.window_start)
    whole = max(limit) * ratio <= _EDGES[-1]
    edge, halo = (_EDGES[-1] if whole else _PATCH) // ratio, _HALO // ratio
    if whole:
        halo = max(limit)
    for patch in tiles(*tile.shape, 0, edge=edge):
        (top, left), (bottom, stop) = patch.start, patch.stop
        start = int(top + down), int(left + right)
        end = int(bottom + down), int(stop + right)
        yield Tile(
            start,
            end,
            (max(0, start[0] - halo), max(0, start[1] - halo)),
            (min(limit[0], end[0] + halo), min(limit[1], end[1] + halo)),
        )
