import json
import shutil
import signal
from pathlib import Path

import pytest

from train import export
from train.__main__ import main
from train.pack import pack


def _arguments(workdir, photos, *settings):
    return [
        "configs/smoke.py",
        "--workdir",
        str(workdir),
        "--data",
        str(photos),
        "--set",
        "steps=3",
        "log_every=1",
        "eval_every=0",
        *settings,
    ]


def test_a_run_is_exported_and_compresses(tmp_path, photos, photo, capsys):
    import jaxlic

    assert main(_arguments(tmp_path / "run", photos)) == 0
    records = [
        json.loads(s) for s in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    assert [r["step"] for r in records if r["kind"] == "train"] == [1, 2, 3]
    command = [str(tmp_path / "run"), str(tmp_path / "model"), "--calibrate", str(photos)]
    assert export.main(command) == 0
    codec = jaxlic.load(tmp_path / "model")
    assert codec.model.card["training"]["steps"] == 3
    assert codec.decompress(codec.compress(photo)).shape == photo.shape

    # The same tables again, without counting, if files stay readable.
    again = [str(tmp_path / "run"), str(tmp_path / "again"), "--stream"]
    assert export.main([*again, str(tmp_path / "model")]) == 0
    assert jaxlic.load(tmp_path / "again").model.stream == codec.model.stream
    capsys.readouterr()
    for wrong in ("base", "sain-x2"):
        assert export.main([*again[:2], "--stream", wrong]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1

    # Weights start another run; a workdir keeps to its config.
    assert main([*_arguments(tmp_path / "run", photos, "seed=1")]) == 2
    assert "another config or other settings" in capsys.readouterr().err


def test_shards_are_trained_on_and_what_is_broken_in_them_is_said(
    tmp_path, photos, monkeypatch
):
    monkeypatch.setenv("JAXLIC_CACHE", str(tmp_path / "cache"))
    index = pack(photos, tmp_path / "shards", format_="webdataset", shards=1)
    (shard,) = (tmp_path / "shards").glob("*.tar")
    data = bytearray(shard.read_bytes())
    for _, offset, size, _ in index.places[::2]:  # Every other image.
        data[offset + size // 2] ^= 1
    shard.write_bytes(data)
    assert main(_arguments(tmp_path / "run", tmp_path / "shards")) == 0
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [r["step"] for r in records if r["kind"] == "train"] == [1, 2, 3]
    told = [r["text"] for r in records if r["kind"] == "note" and "used instead" in r["text"]]
    assert 1 <= len(told) <= 6
    assert {text.split(":")[0] for text in told} <= set(index.names[::2])


def test_a_rescaler_is_trained_and_exported(tmp_path, photos, photo, capsys):
    import jaxlic

    run, out = tmp_path / "run", tmp_path / "model"
    command = ["configs/sain.py", "--workdir", str(run), "--data", str(photos)]
    tiny = ["steps=2", "log_every=1", "eval_every=0", "batch=2", "crop=32", "width=8"]
    assert main([*command, "--set", *tiny]) == 0
    assert export.main([str(run), str(out)]) == 0
    rescaler = jaxlic.load(out)
    assert rescaler.upscale(rescaler.downscale(photo)).shape == photo.shape
    command = [str(run), str(tmp_path / "none"), "--calibrate", str(photos)]
    assert export.main(command) == 2
    assert "none to calibrate" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["configs/nosuch.py"], "no such config"),
        (["configs/smoke.py", "--set", "stepz=3"], "no setting 'stepz'"),
        (["configs/smoke.py", "--data", "nowhere"], "nowhere: no such folder"),
        (["configs/smoke.py", "--set", "crop=4096"], "every image is smaller"),
        (["configs/smoke.py", "--set", "batch=0"], "batch must be 1 or more"),
        (["configs/smoke.py", "--set", "seed=-1"], "seed must be 0 or more"),
        (["configs/smoke.py", "--set", "crop=60"], "crop must be a multiple of"),
        (["configs/smoke.py", "--data", ""], "no folder, file or URL is named"),
        (["configs/smoke.py", "--workdir", "README.md/x"], "README.md/x: lies below a file"),
        (["configs/base_jnd.py", "--set", "loss=foo"], "configs/base_jnd.py: "),
    ],
)
def test_mistakes_are_one_line_and_code_2(tmp_path, photos, capsys, change, message):
    arguments = ["--workdir", str(tmp_path / "w"), "--data", str(photos), *change]
    assert main(arguments) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(error) == 1 and message in error[0]


def test_a_mistake_leaves_the_workdir_free(tmp_path, photos, capsys):
    for settings in (["crop=60"], ["crop=4096"]):
        assert main(_arguments(tmp_path / "run", photos, *settings)) == 2
        assert "crop" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-minutes", "nan"], "must be a number of minutes, got 'nan'"),
        (["--minutes", "x"], "must be a number of minutes above 0, got 'x'"),
        (["--stopped", "256"], "must be a whole number to 255, got '256'"),
        (["--workers", "two"], "must be a whole number to 1,048,576, got 'two'"),
    ],
)
def test_options_that_make_no_sense_are_told(capsys, options, message):
    with pytest.raises(SystemExit) as stop:
        main(["configs/smoke.py", "--workdir", "w", "--data", "d", *options])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_stopped_run_goes_on_without_the_weights_it_began_with(tmp_path, photos, capsys):
    config, start = tmp_path / "fine.py", tmp_path / "start"
    text = Path("configs/smoke.py").read_text()
    text = text.replace("seed: int = 0,", "seed: int = 0, init_from: str | None = None,")
    config.write_text(text.replace("seed=seed,", "seed=seed, init_from=init_from,"))
    assert main([*_arguments(tmp_path / "run", photos), "--set", "steps=1"]) == 0
    assert export.main([str(tmp_path / "run"), str(start)]) == 0
    command = [str(config), *_arguments(tmp_path / "fine", photos, f"init_from={start}")[1:]]
    capsys.readouterr()
    assert main([*command, "--max-minutes", "0"]) == 0
    told = capsys.readouterr().err
    assert "stopped at step 1, saved; the same command goes on from there" in told
    start.rename(tmp_path / "gone")
    assert main(command) == 0
    told = capsys.readouterr().err
    assert "resuming at step 1" in told and "stopped at" not in told
    command[command.index("--workdir") + 1] = str(tmp_path / "other")
    assert main(command) == 2
    assert "no model called" in capsys.readouterr().err


def test_sigterm_while_images_are_read_removes_what_is_half_decoded(
    tmp_path, photos, monkeypatch
):
    before = signal.getsignal(signal.SIGTERM)

    def stopped(*_, **__):
        assert signal.getsignal(signal.SIGTERM) is not before
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("train.__main__._images", stopped)
    with pytest.raises(SystemExit) as stop:
        main(_arguments(tmp_path / "run", photos))
    assert stop.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_export_replaces_nothing_unasked(tmp_path, capsys, monkeypatch):
    (tmp_path / "photo.png").write_bytes(b"x")
    assert export.main([str(tmp_path), str(tmp_path)]) == 2
    assert "is not empty; use --force" in capsys.readouterr().err
    assert export.main([str(tmp_path), str(tmp_path), "--force"]) == 2
    assert "not a training run" in capsys.readouterr().err

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "export", interrupted)
    assert export.main([str(tmp_path), str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "stopped; nothing was written\n"


def test_a_workdir_with_other_things_in_it_is_left_alone(tmp_path, photos, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(_arguments(tmp_path, photos)) == 2
    assert "not a training run" in capsys.readouterr().err


def test_what_cannot_be_written_or_read_is_one_line(tmp_path, photos, capsys):
    (tmp_path / "metrics.jsonl").mkdir()
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    (tmp_path / "settings.json").write_text("{}")
    shutil.copy("configs/smoke.py", tmp_path / "config.py")
    arguments = ["configs/smoke.py", "--workdir", str(tmp_path), "--data", str(photos)]
    assert main(arguments) == 1
    (tmp_path / "settings.json").write_text("{")
    assert main(arguments) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 2
    assert "metrics.jsonl: Is a directory; the last checkpoint is kept" in errors[0]
    assert "settings.json: damaged" in errors[1]


def test_exporting_nothing_is_an_error(tmp_path, capsys):
    assert export.main([str(tmp_path), str(tmp_path / "out")]) == 2
    assert "not a training run" in capsys.readouterr().err


def test_ctrl_c_while_images_are_read_is_one_line(tmp_path, photos, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("train.__main__._images", interrupted)
    assert main(["configs/smoke.py", "--workdir", str(tmp_path), "--data", str(photos)]) == 130
    assert capsys.readouterr().err == "stopped before the first step\n"
