import json

from rich.console import Console

from train.experiment import load_experiment
from train.log import reporting, silent


def test_records_are_whole_lines_though_the_last_run_was_killed_in_one(tmp_path, capsys):
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train", "st')
    e = load_experiment("configs/smoke.py", {})
    with reporting(e, tmp_path, console=Console(stderr=True)) as log:
        log("resume", 3, {})
        log("note", 3, {"text": "x" * 100})
        log("train", 4, {"loss": 2.5})
    silent("train", 4, {"loss": 2.5})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines[1:]]
    assert [r["kind"] for r in records] == ["resume", "note", "train"]
    assert records[2]["loss"] == 2.5
    shown = capsys.readouterr().err
    assert "note: " + "x" * 100 in shown and "train 4  loss 2.5" in shown


def test_names_with_brackets_are_shown_as_they_are(tmp_path, capsys):
    e = load_experiment("configs/smoke.py", {})
    names = "a[/x].png b[red].png :x:.png"
    with reporting(e, tmp_path, console=Console(stderr=True)) as log:
        log("note", 0, {"text": names})
        log("eval", 1, {"psnr[/x]": 2.5})
    shown = capsys.readouterr().err
    assert f"note: {names}" in shown and "eval 1  psnr[/x] 2.5" in shown
