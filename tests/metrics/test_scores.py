import numpy as np
import pytest

from jaxlic.metrics import scores


def test_psnr_is_the_formula():
    a = np.full((4, 4, 3), 100, np.uint8)
    b = a.copy()
    b[0, 0] = 110
    assert scores.psnr(a, b) == pytest.approx(10 * np.log10(255**2 / (100 / 16)))
    assert scores.psnr(a, a) == float("inf")


def test_psnr_of_different_shapes_raises():
    with pytest.raises(ValueError, match="cannot be compared"):
        scores.psnr(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8))


def _curve(factor):
    rates = np.array([0.1, 0.2, 0.4, 0.8, 1.2])
    return [(factor * r, 30 + 6 * np.log2(r)) for r in rates]


def test_bd_rate_of_a_curve_that_takes_a_fifth_less():
    pytest.importorskip("bjontegaard")
    assert scores.bd_rate(_curve(1.0), _curve(0.8)) == pytest.approx(-20, abs=0.1)
    assert scores.bd_rate(_curve(1.0), _curve(1.0)) == pytest.approx(0, abs=1e-6)


def test_curves_that_cover_too_little_raise():
    pytest.importorskip("bjontegaard")
    with pytest.raises(ValueError, match="four points"):
        scores.bd_rate(_curve(1.0)[:3], _curve(1.0))
    with pytest.raises(ValueError, match="covers"):
        scores.bd_rate(_curve(1.0), [(r / 100, p) for r, p in _curve(1.0)])


def test_luma_metrics_are_those_of_scikit_image(photo):
    """Golden values of scikit-image 0.26 (Gaussian weights, sigma 1.5, range 255)."""
    coarse = (np.round(photo.astype(int) / 24) * 24).clip(0, 255).astype(np.uint8)
    assert scores.ssim_luma(photo, coarse) == pytest.approx(0.9642635917626262, abs=1e-9)
    assert scores.ssim_luma(photo, coarse, 4) == pytest.approx(0.9636533253550911, abs=1e-9)
    assert scores.psnr_luma(photo, coarse) == pytest.approx(36.279257323950546, abs=1e-9)
    assert scores.psnr_luma(photo, coarse, 4) == pytest.approx(36.26278992703939, abs=1e-9)


def test_luma_metrics_at_their_limits(photo):
    assert scores.psnr_luma(photo, photo) == float("inf")
    assert scores.ssim_luma(photo, photo) == pytest.approx(1)
    assert np.isnan(scores.ssim_luma(photo[:8, :8], photo[:8, :8]))
    white, black = np.full((1, 1, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8)
    assert scores.luma(white)[0, 0] == pytest.approx(235)
    assert scores.luma(black)[0, 0] == pytest.approx(16)
    with pytest.raises(ValueError, match="nothing"):
        scores.psnr_luma(photo, photo, 96)
    with pytest.raises(ValueError, match="cannot be compared"):
        scores.ssim_luma(photo, photo[1:])


def test_curves_without_a_common_value_have_no_bd_rate():
    pytest.importorskip("bjontegaard")
    curve = [(0.1 * 2**i, 30.0 + i) for i in range(6)]
    with pytest.raises(ValueError, match="no value in common"):
        scores.bd_rate(curve, [(rate, value + 40) for rate, value in curve])
