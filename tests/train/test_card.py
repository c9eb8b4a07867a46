import pytest

from train.card import _codec_figures, _level_figures, _level_lines


def _record(codec, level, bpp, psnr):
    return {"codec": codec, "quality": level, "bpp": bpp, "psnr": psnr, "image": "a"}


def test_the_figures_are_those_of_the_model_of_that_name(tmp_path):
    points = {
        name: [(q, 0.2 * q * factor, 25.0 + q) for q in (1, 2, 3, 4, 5, 6)]
        for name, factor in (("jpeg", 1.0), ("base", 0.5), ("./mine", 0.8))
    }
    found = _codec_figures(points, tmp_path / "mine")
    assert found["kodak"] == {"vs jpeg": "-20.0 %"}
    assert found["kodak_points"][0] == [1, 0.16, 26.0]
    for folder, there in ((tmp_path / "other", points), (tmp_path / "mine", {"jpeg": []})):
        with pytest.raises(ValueError, match="must hold one model called"):
            _codec_figures(there, folder)


def test_levels_stand_beside_each_other_with_mean_and_drawn_detail():
    records = [
        _record("m/mean", 1, 0.1, 30.0),
        _record("m/mean", 1, 0.3, 32.0),
        _record("m/drawn", 1, 0.1, 29.0),
        _record("m/drawn", 1, 0.3, 30.0),
        _record("m/mean", 2, 0.5, 35.0),
        _record("m/drawn", 2, 0.5, 35.0),
        _record("avif", 40, 0.5, 36.0),
    ]
    found = _level_figures(records)
    assert found["kodak_measures"] == ["psnr"]
    assert found["kodak_points"] == [[1, 0.2, 31.0, 29.5], [2, 0.5, 35.0, 35.0]]
    assert "| 1 | 0.200 | 31 | 29.5 |" in _level_lines(found)
    with pytest.raises(ValueError, match="levels of one model"):
        _level_figures(records[2:4])
