"""Linear prediction of some positions of a field from others, in cells of 2x2 positions."""

from __future__ import annotations

import numpy as np


def interpolation(
    known: tuple[int, ...], phases: tuple[int, ...], channels: int, correlation: float
) -> np.ndarray:
    """The best weights for a field with covariance `correlation ** (|dy| + |dx|)`, and noise.

    Args:
        known: positions of a cell, 0 1 / 2 3, that are known everywhere, in their order.
        phases: positions that are predicted.
        channels: each is predicted from itself.
        correlation: of neighbours.

    Returns:
        A kernel `[3, 3, len(known) * channels, len(phases) * channels]` over cells.
    """
    cells = [(i, j) for i in range(3) for j in range(3)]
    places = np.array([_place(cell, p) for cell in cells for p in known])
    kernel = np.zeros((9, len(known), channels, len(phases), channels), np.float32)
    among = _covariance(places, places, correlation) + 0.05 * np.eye(len(places))
    for k, phase in enumerate(phases):
        target = np.array([_place((1, 1), phase)])
        weights = np.linalg.solve(among, _covariance(places, target, correlation)[:, 0])
        for c in range(channels):
            kernel[:, :, c, k, c] = weights.reshape(9, len(known))
    return kernel.reshape(3, 3, len(known) * channels, len(phases) * channels)


def _place(cell, phase):
    return 2 * cell[0] + phase // 2, 2 * cell[1] + phase % 2


def _covariance(a, b, correlation):
    return correlation ** np.abs(a[:, None] - b[None]).sum(axis=-1)
