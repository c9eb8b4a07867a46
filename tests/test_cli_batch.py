"""jaxlic batch on the command line."""

import json
import os
import shutil

import pytest

from jaxlic.cli import main
from jaxlic.commands import batch_options, pace
from tests.conftest import DATA

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")


def _run(*arguments):
    return main(["batch", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two photographs and what is none; JAX's platform stays what it is."""
    monkeypatch.setattr("jax.config.update", lambda *_: None)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    shutil.copy(DATA / "kodim05_crop.png", tmp_path / "in" / "a.png")
    shutil.copy(DATA / "kodim23_crop.png", tmp_path / "in" / "sub" / "a.png")
    (tmp_path / "in" / "bad.png").write_text("no image")
    return tmp_path


def test_a_job_from_its_beginning_to_its_retry(folder, capsys):
    source, out, plain = folder / "in", folder / "out", folder / "plain"
    command = ["compress", source, "-o", out, "--shards", "1/1", "--psnr"]
    assert _run(*command, "--plan-only") == 0
    assert "3 images in 1 shards" in capsys.readouterr().err
    assert not (out / "out").exists()
    assert _run(*command) == 2
    assert "3 images done, 1 failed" in capsys.readouterr().out
    assert main(["compress", str(source), "-o", str(plain), "--keep-suffix"]) == 2
    for name in ("a.png.jlic", "sub/a.png.jlic"):
        assert (out / "out" / name).read_bytes() == (plain / name).read_bytes()
    capsys.readouterr()
    assert _run("status", out) == 0
    status = capsys.readouterr().out
    assert "1 of 1 shards, 3 of 3 images" in status and "bits a pixel, mean PSNR" in status
    assert f"{source / 'bad.png'}: not an image that can be read" in status
    assert _run(*command, "-q", "50") == 2
    assert "begun with qualities [40.0], not [50.0]" in capsys.readouterr().err
    shutil.copy(source / "a.png", source / "bad.png")
    assert _run("retry", out, "--workers", "1") == 0
    assert "3 images done, 0 failed" in capsys.readouterr().out
    assert (out / "out" / "bad.png.jlic").read_bytes() == (plain / "a.png.jlic").read_bytes()
    assert json.loads((out / "job.json").read_text())["images"] == 3


def test_too_many_errors_stop_a_job(folder, capsys):
    out = folder / "out"
    for i in range(6):
        (folder / "in" / f"bad{i}.png").write_text("no image")
    command = ["eval", folder / "in", "-o", out, "--shards", "1/1", "--shard-size", "1"]
    assert _run(*command, "--max-errors", "25%") == 2
    assert "stopped, for 3 images failed, more than --max-errors 25%" in capsys.readouterr().err
    assert not (out / "out").exists() and 3 <= len(os.listdir(out / "report")) < 9


def test_what_is_missing_is_told_in_a_line(tmp_path, capsys):
    assert _run("status", tmp_path) == 2
    assert "holds no job" in capsys.readouterr().err
    assert _run("compress", tmp_path / "no", "-o", tmp_path / "out", "--shards", "1/1") == 2
    assert "no: no such file or folder" in capsys.readouterr().err
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    assert _run("eval", tmp_path / "m.parquet", "-o", tmp_path / "out", "--shards", "1/1") == 2
    assert "m.parquet: no Parquet file" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "a/b", "1/", "1/99999999"])
def test_shares_that_are_none_are_refused(text, capsys):
    with pytest.raises(SystemExit):
        _run("eval", "x", "-o", "y", "--shards", text)
    assert "must be as 3/64" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "1.5", "200%", "x%", "many"])
def test_limits_of_errors_that_are_none_are_refused(text):
    with pytest.raises(SystemExit):
        _run("eval", "x", "-o", "y", f"--max-errors={text}")
    assert batch_options.errors("0") == "0" and batch_options.errors("0.5%") == "0.5%"


def test_the_line_is_shown_where_it_is_time(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    shown = pace.Pace(100, 20)
    shown.show(21, read=1, written=1, failed=0)
    assert capsys.readouterr().err == ""
    clock[0] = 40.0
    shown.show(60, read=5_000_000, written=99, failed=2)
    expected = "jaxlic: 60 of 100 images, 1.0/s, 5.0 MB in, 99 B out, 2 failed, 40 s left\n"
    assert capsys.readouterr().err == expected
    monkeypatch.setattr(pace.sys.stderr, "isatty", lambda: True, raising=False)
    shown = pace.Pace(100, 20)
    shown.show(100, read=0, written=0, failed=0)
    shown.clear()
    shown.clear()
    assert capsys.readouterr().err.count("\x1b[2K") == 2
