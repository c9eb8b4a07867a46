"""Models of ours as round trips."""

import numpy as np
import pytest
from PIL import Image

from jaxlic.errors import ModelError, UsageError
from jaxlic.metrics import scores
from jaxlic.report import evaluation
from jaxlic.report.learned import learned
from tests.conftest import DATA
from tests.levelled import LEVELS, folder

FILE = DATA / "kodim23_crop.png"


def test_thumbnails_have_a_curve_a_format():
    codecs = learned("bicubic-x2", (40, 90))
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
    assert records[0]["psnr_y"] == scores.psnr_luma(image, back, 2)


def test_of_a_model_in_levels_each_level_is_a_cut_of_one_file(tmp_path):
    path = folder(tmp_path / "m")
    with pytest.raises(UsageError, match=f"levels here, 1 to {LEVELS}"):
        learned(path, (0,))
    codecs = learned(path)
    records = list(evaluation.evaluate([FILE], codecs))
    mean, drawn = (
        [r for r in records if r["codec"] == f"{path}/{sampler}"]
        for sampler in ("mean", "drawn")
    )
    assert [r["quality"] for r in mean] == list(range(1, LEVELS + 1))
    sizes = [r["bytes"] for r in mean]
    assert sizes == sorted(set(sizes)) and sizes == [r["bytes"] for r in drawn]
    # Of all levels nothing is drawn, and one of fewer says that it was.
    assert mean[-1]["psnr"] == drawn[-1]["psnr"] and mean[0]["psnr"] != drawn[0]["psnr"]
    assert drawn[0]["generated"]["kind"] == "sampled" and "generated" not in mean[0]


def test_a_refined_model_has_its_files_and_says_that_it_draws(monkeypatch):
    with pytest.raises(ModelError, match="no refiner ships for files of base"):
        learned("base/refined")
    codecs = learned("pyramid-3/refined", (30,))
    (name, (round_trip, qualities)), *none = codecs.items()
    assert name == "pyramid-3/refined" and qualities == (30,) and not none
    assert round_trip.generated == {"kind": "refined", "seed": 0}
    image = np.asarray(Image.open(FILE).convert("RGB"))[:64, :64]
    data = round_trip.encode(image, 30)
    plain, _ = learned("pyramid-3", (30,))["pyramid-3"]
    assert data == plain.encode(image, 30)
    drawn, without = (r.decode(data, image.shape[:2]) for r in (round_trip, plain))
    assert (drawn != without).mean() > 0.05
