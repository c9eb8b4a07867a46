import numpy as np
import pytest
from PIL import Image

from jaxlic import evaluation
from tests.conftest import DATA

FILE = DATA / "kodim23_crop.png"


def test_records_hold_real_bytes_and_real_error():
    codecs = {"jpeg": (evaluation.standard("jpeg"), (50, 90))}
    records = list(evaluation.evaluate([FILE], codecs))
    assert [r["quality"] for r in records] == [50, 90]
    low, high = records
    assert low["bytes"] < high["bytes"] and low["psnr"] < high["psnr"]
    image = np.asarray(Image.open(FILE))
    size, back = evaluation.standard("jpeg")(image, 50)
    error = np.mean((image.astype(float) - back) ** 2)
    assert low["bytes"] == size
    assert low["psnr"] == pytest.approx(10 * np.log10(255**2 / error))


def test_curves_average_over_images():
    records = [
        {"codec": "a", "quality": 1, "bpp": 0.1, "psnr": 30.0},
        {"codec": "a", "quality": 1, "bpp": 0.3, "psnr": 32.0},
        {"codec": "b", "quality": 2, "bpp": 0.5, "psnr": 40.0},
    ]
    curves = evaluation.curves(records)
    assert curves["a"] == [(1, pytest.approx(0.2), 31.0)]
    assert curves["b"] == [(2, 0.5, 40.0)]


def test_a_curve_too_short_for_bd_rate_is_none():
    pytest.importorskip("bjontegaard")
    points = {"jpeg": [(q, 0.1 * q, 25.0 + q) for q in range(1, 12)], "a": [(1, 0.5, 30.0)]}
    result = evaluation.bd_rates(points, "jpeg")
    assert result["a"] is None and result["jpeg"] == pytest.approx(0, abs=1e-6)
