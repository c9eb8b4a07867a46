"""What evaluation reports of a pair of files, in float64, and of rate-distortion curves."""

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


def luma(image: np.ndarray) -> np.ndarray:
    """BT.601 studio luma in [16, 235], float64 `[H, W]`, of a uint8 image; not rounded.

    The plane on which the rescaling and super-resolution fields measure.
    """
    return image.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255 + 16


def psnr_luma(a: np.ndarray, b: np.ndarray, border: int = 0) -> float:
    """PSNR in dB between the lumas of two uint8 images, `border` pixels cropped all around.

    Raises:
        ValueError: if the shapes differ or nothing is left.
    """
    x, y = _lumas(a, b, border)
    error = np.mean(np.square(x - y))
    return float("inf") if error == 0 else float(10 * np.log10(255.0**2 / error))


def ssim_luma(a: np.ndarray, b: np.ndarray, border: int = 0) -> float:
    """Structural similarity of the lumas of two uint8 images, at most 1.

    Wang et al. 2004: Gaussian window of 11x11 and sigma 1.5, inside the image only,
    K = 0.01 and 0.03, range 255. NaN if the image is smaller than the window.

    Raises:
        ValueError: as `psnr_luma`.
    """
    x, y = _lumas(a, b, border)
    if min(x.shape) < 11:
        return float("nan")
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x**2
    var_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    means = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(np.mean(means * (2 * covariance + c2) / (var_x + var_y + c2)))


def _lumas(a, b, border):
    if a.shape != b.shape:
        raise ValueError(f"images of {a.shape} and {b.shape} cannot be compared")
    if border < 0 or min(a.shape[:2]) <= 2 * border:
        raise ValueError(f"nothing of {a.shape} is left inside a border of {border}")
    inside = slice(border, -border or None)
    return luma(a[inside, inside]), luma(b[inside, inside])


def _blur(x):
    window = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
    window /= window.sum()
    rows = np.lib.stride_tricks.sliding_window_view(x, 11, axis=0) @ window
    return np.lib.stride_tricks.sliding_window_view(rows, 11, axis=1) @ window


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
        ValueError: if a curve has too few points, or covers less than half of the range, or
            the curves have no value in common.
        ImportError: without the extra `jaxlic[eval]`.
    """
    import bjontegaard

    a, b = (_resample(curve, rates) for curve in (anchor, test))
    if max(a[1].min(), b[1].min()) >= min(a[1].max(), b[1].max()):
        raise ValueError("the curves have no value in common")
    found = bjontegaard.bd_rate(
        *a, *b, method="pchip", require_matching_points=False, min_overlap=0
    )
    assert not isinstance(found, tuple)  # It is one if the curves are asked for.
    return float(found)


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
