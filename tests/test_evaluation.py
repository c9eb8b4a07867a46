import numpy as np
import pytest
from PIL import Image

from jaxlic import cli, evaluation, metrics
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


def test_thumbnails_have_a_curve_a_format():
    codecs = evaluation.learned("bicubic-x2", (40, 90))
    assert list(codecs) == ["bicubic-x2/jpeg", "bicubic-x2/webp"]
    records = list(evaluation.evaluate([FILE], codecs, border=2))
    image = np.asarray(Image.open(FILE).convert("RGB"))
    assert len(records) == 4
    for low, high in (records[:2], records[2:]):
        assert low["bytes"] < high["bytes"] and low["psnr_y"] < high["psnr_y"]
        assert 20 < low["psnr_y"] < 50 and 0.5 < low["ssim_y"] < 1
    round_trip, _ = codecs["bicubic-x2/jpeg"]
    size, back = round_trip(image, 40)
    assert records[0]["bytes"] == size
    assert records[0]["psnr_y"] == metrics.psnr_luma(image, back, 2)


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
    assert len(row.split()) == 7 and 0 < float(row.split()[5]) < 1


def test_judges_add_their_measures_to_the_records():
    codecs = {"jpeg": (evaluation.standard("jpeg"), (20, 95))}
    judge = evaluation.judge(list(evaluation.JUDGES))
    low, high = evaluation.evaluate([FILE], codecs, judge=judge)
    assert {n for names in evaluation.JUDGES.values() for n in names} <= set(low)
    assert low["ms_ssim"] < high["ms_ssim"] < 1
    for name in ("gmsd", "st_lpips", "jnd_share", "jnd_excess"):
        assert 0 < high[name] < low[name] < 5
    tiny = np.zeros((20, 20, 3), np.uint8)
    assert np.isnan(judge(tiny, tiny)["ms_ssim"]) and judge(tiny, tiny)["gmsd"] == 0


def test_the_command_prints_the_measures(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(FILE.read_bytes())
    command = ["eval", str(tmp_path), "--models", "", "--codecs", "jpeg"]
    assert cli.main([*command, "--metrics", "gmsd,jnd"]) == 0
    assert "jnd_share" in capsys.readouterr().out
    assert cli.main([*command, "--metrics", "beauty"]) == 2
    assert "metrics are ms-ssim" in capsys.readouterr().err
