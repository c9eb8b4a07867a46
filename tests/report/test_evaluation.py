import numpy as np
import pytest
from PIL import Image

from jaxlic import cli
from jaxlic.report import anchors, evaluation
from tests.conftest import DATA

FILE = DATA / "kodim23_crop.png"


def test_records_hold_real_bytes_and_real_error():
    codecs = {"jpeg": (anchors.standard("jpeg"), (50, 90))}
    records = list(evaluation.evaluate([FILE], codecs))
    assert [r["quality"] for r in records] == [50, 90]
    low, high = records
    assert low["bytes"] < high["bytes"] and low["psnr"] < high["psnr"]
    image = np.asarray(Image.open(FILE))
    size, back = anchors.standard("jpeg")(image, 50)
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


def test_what_an_anchor_reaches_at_equal_bytes():
    def record(codec, quality, bpp, psnr_y):
        return {"codec": codec, "quality": quality, "bpp": bpp, "psnr_y": psnr_y}

    records = [
        record("jpeg", 10, 0.1, 20.0),
        record("jpeg", 90, 0.4, 30.0),
        record("a", 1, 0.2, 99.0),
        record("a", 2, 0.5, 99.0),
    ]
    result = evaluation.at_equal_bytes(records, "jpeg")
    assert result["a", 1] == pytest.approx(25.0)  # Halfway between, in the logarithm.
    assert result["a", 2] is None
    assert result["jpeg", 90] == pytest.approx(30.0)


def test_the_command_compares_thumbnails_with_whole_images(tmp_path, capsys):
    arguments = ["eval", str(DATA), "--models", "bicubic-x2", "--codecs", "jpeg"]
    assert cli.main([*arguments, "--qualities", "50,90", "--border", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("bicubic-x2/webp"))
    assert len(row.split()) == 8 and 0 < float(row.split()[5]) < 1


def test_bd_rate_at_equal_values_of_a_measure_where_less_is_better():
    pytest.importorskip("bjontegaard")

    def record(codec, factor, quality):
        rate = 0.1 * 2**quality
        return {"codec": codec, "quality": quality, "bpp": factor * rate, "gmsd": 0.1 / rate}

    records = [record(c, f, q) for c, f in (("a", 1), ("b", 0.8)) for q in range(5)]
    points = evaluation.curves(records, "gmsd")
    result = evaluation.bd_rates(points, "a", "gmsd")
    assert result["b"] == pytest.approx(-20, abs=0.1)


def test_the_command_prints_the_measures(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(FILE.read_bytes())
    command = ["eval", str(tmp_path), "--models", "", "--codecs", "jpeg"]
    assert cli.main([*command, "--metrics", "gmsd,jnd"]) == 0
    out = capsys.readouterr().out
    assert "jnd_share" in out and "at equal gmsd" in out
    assert cli.main([*command, "--anchor", "webp"]) == 2
    assert "--anchor is one of jpeg" in capsys.readouterr().err
    assert cli.main([*command, "--metrics", "beauty"]) == 2
    assert "metrics are ms-ssim" in capsys.readouterr().err


def test_every_row_of_bd_rates_is_over_the_same_range():
    def curve(first, last, factor):
        rates = np.geomspace(first, last, 9)
        return [(i, factor * r, 30 + 10 * np.log2(r)) for i, r in enumerate(rates)]

    points = {"a": curve(0.1, 2, 1.0), "b": curve(0.3, 2, 1.0), "few": curve(0.9, 2, 1.0)}
    assert evaluation.common_rates(points) == pytest.approx((0.3, 1.0))
    # Kinked below 0.3: what lies there counts for nobody.
    points["a"] = [(q, r, p - (5 if r < 0.29 else 0)) for q, r, p in points["a"]]
    rates = evaluation.bd_rates(points, "b")
    assert rates["a"] == pytest.approx(0, abs=0.5) and rates["few"] is None
