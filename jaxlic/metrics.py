"""What evaluation reports of an image pair, and of a pair of rate-distortion curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and colours of two uint8 images.

    Infinite for equal images.

    Raises:
        ValueError: if the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"images of {a.shape} and {b.shape} cannot be compared")
    error = np.mean(np.square(a.astype(np.float64) - b.astype(np.float64)))
    return float("inf") if error == 0 else float(10 * np.log10(255.0**2 / error))


def bd_rate(
    anchor: Sequence[tuple[float, float]],
    test: Sequence[tuple[float, float]],
    *,
    rates: tuple[float, float] = (0.2, 1.0),
) -> float:
    """Bjontegaard delta rate in per cent: how many bits more `test` takes at equal PSNR.

    Both curves are first cut to the same range of rates (PCHIP over the logarithm of the
    rate), then handed to the `bjontegaard` package.

    Args:
        anchor, test: points of (bits a pixel, PSNR in dB), four or more each.
        rates: bits a pixel between which the curves are compared.

    Raises:
        ValueError: if a curve has too few points, or covers less than half of the range.
        ImportError: without the extra `jaxlic[eval]`.
    """
    import bjontegaard

    a, b = (_resample(curve, rates) for curve in (anchor, test))
    return float(
        bjontegaard.bd_rate(
            *a, *b, method="pchip", require_matching_points=False, min_overlap=0
        )
    )


def _resample(curve, rates):
    from scipy.interpolate import PchipInterpolator

    points = sorted(curve)
    if len(points) < 4:
        raise ValueError(f"a curve needs four points, got {len(points)}")
    rate, quality = np.array(points).T
    low, high = max(rates[0], rate[0]), min(rates[1], rate[-1])
    if np.log(high / low) < 0.5 * np.log(rates[1] / rates[0]):
        raise ValueError(f"the curve covers {rate[0]:.2f} to {rate[-1]:.2f} bits a pixel only")
    grid = np.exp(np.linspace(np.log(low), np.log(high), 16))
    return grid, PchipInterpolator(np.log(rate), quality)(np.log(grid))
