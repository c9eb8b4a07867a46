import numpy as np
import pytest

from jaxlic import cli
from jaxlic.errors import ImageError
from jaxlic.files import classic, ffmpeg
from jaxlic.report import anchors, evaluation
from tests.conftest import DATA

FILE = DATA / "kodim23_crop.png"


def test_every_standard_codec_has_rates_and_says_if_it_is_missing(tmp_path, monkeypatch):
    assert set(anchors.QUALITIES) == set(anchors.STANDARD)
    assert anchors.missing("jpeg") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no program ffmpeg" in anchors.missing("vvc")


def test_kept_files_are_taken_and_no_others(photo, tmp_path, monkeypatch):
    size, back = anchors.standard("jpeg", keep=tmp_path)(photo, 50)
    [path] = tmp_path.iterdir()
    assert path.name.startswith("jpeg-50-") and path.suffix == ".jpeg"
    assert path.stat().st_size == size
    assert path.read_bytes() == classic.encode(photo, "jpeg", 50)

    def never(*args):
        raise AssertionError("it was encoded again")

    with monkeypatch.context() as patch:
        patch.setattr(classic, "encode", never)
        again, same = anchors.standard("jpeg", keep=tmp_path)(photo, 50)
        assert again == size
        np.testing.assert_array_equal(same, back)
        for image, codec, quality in (
            (photo, "jpeg", 51),
            (photo, "webp", 50),
            (255 - photo, "jpeg", 50),
            (photo.reshape(-1, photo.shape[1] // 2, 3), "jpeg", 50),
        ):
            with pytest.raises(AssertionError, match="again"):
                anchors.standard(codec, keep=tmp_path)(image, quality)


def test_a_kept_file_that_is_damaged_or_swapped_is_named(photo, tmp_path):
    round_trip = anchors.standard("jpeg", keep=tmp_path)
    round_trip(photo, 50)
    [path] = tmp_path.iterdir()
    path.write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(ImageError, match=f"{path.name}: damaged image"):
        round_trip(photo, 50)
    path.write_bytes(classic.encode(photo[:9], "jpeg", 50))
    with pytest.raises(ImageError, match="is of another image"):
        round_trip(photo, 50)


def test_the_best_avif_beats_the_default_one(photo):
    pytest.importorskip("PIL._avif")
    image = photo[:96, :128]

    def log_rate_and_psnr(codec, quality):
        size, back = anchors.standard(codec)(image, quality)
        error = np.mean((back.astype(float) - image) ** 2)
        return np.log(size), 10 * np.log10(255**2 / error)

    rate, psnr = log_rate_and_psnr("avif-best", 35)
    plain = [log_rate_and_psnr("avif", q) for q in (45, 60, 75)]
    assert plain[0][0] < rate < plain[-1][0]
    assert psnr > np.interp(rate, *zip(*plain, strict=True)) + 0.3


def test_the_command_leaves_out_what_cannot_be_had_and_keeps_files(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(FILE.read_bytes())
    monkeypatch.setenv("PATH", str(tmp_path))
    keep = tmp_path / "kept" / "here"
    command = ["eval", str(tmp_path / "in"), "--models", "", "--keep", str(keep)]
    assert cli.main([*command, "--codecs", "jpeg-progressive,hevc,vvc"]) == 0
    told = capsys.readouterr()
    assert "hevc is left out: needs an ffmpeg with libx265" in told.err
    assert len(told.err.splitlines()) == 2
    assert len(list(keep.iterdir())) == len(anchors.QUALITIES["jpeg-progressive"])
    assert "vs jpeg-progressive" in told.out and "seconds" in told.out
    assert cli.main([*command, "--codecs", "vvc"]) == 2
    assert "nothing to evaluate" in capsys.readouterr().err
    assert cli.main([*command, "--codecs", "gif"]) == 2
    assert set(ffmpeg.CODECS) <= set(anchors.OPTIONAL)


def test_a_kept_file_is_not_timed_and_settings_name_the_encoder(photo, tmp_path):
    kept, fresh = anchors.standard("jpeg", keep=tmp_path), anchors.standard("jpeg")
    assert fresh.timed and not kept.timed
    assert "4:2:0" in fresh.settings and "Pillow" in fresh.settings
    codecs = {"jpeg": (kept, (50,))}
    (record,) = evaluation.evaluate([FILE], codecs)
    assert np.isnan(record["encode_seconds"]) and record["decode_seconds"] > 0
