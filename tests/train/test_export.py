"""Exports of damaged runs, and the time that a run took."""

import json
import shutil

import numpy as np
import pytest

from jaxlic import coding
from jaxlic.models import load_model
from train import export


@pytest.fixture
def workdir(tmp_path):
    """A run of which only what is read before its checkpoints is there."""
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy("configs/smoke.py", run / "config.py")
    for name in ("settings.json", "provenance.json"):
        (run / name).write_text("{}")
    return run


@pytest.mark.parametrize("name", ["settings.json", "provenance.json"])
@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff"])
def test_damaged_records_are_one_line_and_code_2(workdir, tmp_path, capsys, name, data):
    (workdir / name).write_bytes(data)
    assert export.main([str(workdir), str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {workdir / name}: damaged (")


def test_what_cannot_be_read_or_written_is_one_line_and_code_2(
    workdir, tmp_path, capsys, monkeypatch
):
    (workdir / "provenance.json").unlink()
    assert export.main([str(workdir), str(tmp_path / "out")]) == 2
    expected = f"error: {workdir / 'provenance.json'}: No such file or directory\n"
    assert capsys.readouterr().err == expected

    def full(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(tmp_path / "out"))

    monkeypatch.setattr(export, "export", full)
    assert export.main([str(workdir), str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'out'}: Permission denied\n"


def _log(path, *records):
    lines = [
        json.dumps({"kind": kind, "time": f"2025-01-01T{time}:00+00:00"})
        for kind, time in records
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pauses_are_not_training(tmp_path):
    log = tmp_path / "metrics.jsonl"
    whole = [("start", "00:00"), ("train", "00:10"), ("train", "00:20")]
    _log(log, *whole, ("start", "09:00"), ("note", "09:01"), ("resume", "09:02"))
    assert export._minutes(log) == 21
    _log(log, *whole, ("start", "09:00"), ("note", "09:01"), ("train", "09:12"))
    assert export._minutes(log) == 32
    # Before there was a "start".
    _log(log, *whole[1:], ("resume", "09:00"), ("train", "09:05"))
    assert export._minutes(log) == 15


def test_tables_are_calibrated_at_the_qualities_that_were_trained_for(photo, monkeypatch):
    asked, model = [], load_model("base")
    compress = coding.compress

    def noted(codec, params, tables, image, quality, **more):
        asked.append(quality)
        return compress(codec, params, tables, image, quality, **more)

    monkeypatch.setattr(export, "_CROPS", 3)
    monkeypatch.setattr(export.coding, "compress", noted)
    source = _Photos([photo[:64, :64]] * 12)
    tables = export.calibrate(model, source, (30.0, 60.0), held_out=1)
    np.testing.assert_allclose(asked, [35, 45, 55])
    asked.clear()
    export.calibrate(model, source, (40.0, 40.0), held_out=1)
    assert asked == [40.0] * 3
    before, after = (t["gaussian"].frequencies for t in (model.tables, tables))
    assert np.any(before != after)


class _Photos(list):
    """A source of them."""

    names = property(lambda self: [str(k) for k in range(len(self))])
