import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from jaxlic.cli import main
from tests.conftest import DATA


@pytest.fixture
def photo_file(tmp_path):
    return shutil.copy(DATA / "kodim05_crop.png", tmp_path / "photo.png")


def test_there_and_back(tmp_path, photo_file, capsys):
    small, back = tmp_path / "photo.jlic", tmp_path / "back.png"
    assert main(["compress", str(photo_file), "-q", "60"]) == 0
    assert main(["decompress", str(small), "-o", str(back)]) == 0
    assert small.stat().st_size < 30_000
    assert np.asarray(Image.open(back)).shape == (192, 256, 3)
    capsys.readouterr()
    assert main(["info", str(small), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["quality"] == 60
    assert main(["info", str(small)]) == 0
    assert "checksums  ok" in capsys.readouterr().out


def test_folders_keep_their_shape(tmp_path, photo_file):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    shutil.copy(photo_file, tmp_path / "in" / "a.png")
    shutil.copy(photo_file, tmp_path / "in" / "sub" / "b.png")
    assert main(["compress", str(tmp_path / "in"), "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "a.jlic").is_file()
    assert (tmp_path / "out" / "sub" / "b.jlic").is_file()
    assert main(["decompress", str(tmp_path / "out"), "-o", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "sub" / "b.png").is_file()


def test_one_bad_file_does_not_stop_the_others(tmp_path, photo_file, capsys):
    (tmp_path / "bad.png").write_text("no image")
    code = main(["compress", str(tmp_path), "-o", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert code == 2
    assert "bad.png: not an image" in error and "2 files: 1 written, 1 failed" in error
    assert (tmp_path / "out" / "photo.jlic").is_file()


def test_nothing_is_overwritten_unasked(tmp_path, photo_file, capsys):
    target = tmp_path / "photo.jlic"
    target.write_text("precious")
    assert main(["compress", str(photo_file)]) == 2
    assert "--force" in capsys.readouterr().err
    assert target.read_text() == "precious"
    assert main(["compress", str(photo_file), "--force"]) == 0
    assert target.read_bytes()[:3] == b"JLC"


def test_a_slash_means_a_folder(tmp_path, photo_file):
    assert main(["compress", str(photo_file), "-o", f"{tmp_path}/new/", "--model", "base"]) == 0
    (written,) = (tmp_path / "new").iterdir()
    assert written.name == photo_file.with_suffix(".jlic").name


def test_images_that_are_not_read_are_counted(tmp_path, photo_file, capsys):
    for name in ("a.gif", "b.GIF", "c.heic", "d.txt"):
        (tmp_path / name).write_bytes(b"")
    assert main(["compress", str(tmp_path), "--model", "base"]) == 0
    assert "3 images of types that are not read: .gif, .heic" in capsys.readouterr().err


def test_two_sources_of_one_target_are_refused(tmp_path, photo_file, capsys):
    shutil.copy(photo_file, tmp_path / "photo.webp.png")
    other = tmp_path / "photo.jpg"
    Image.open(photo_file).convert("RGB").save(other)
    assert main(["compress", str(photo_file), str(other)]) == 2
    assert "more than once" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compress", "missing.png"], "missing.png: no such file"),
        (["decompress", "missing.jlic"], "no such file"),
        (["info", "missing.jlic"], "no such file"),
        (["info", "{photo}"], "not a .jlic file"),
        (["decompress", "{photo}", "-o", "x.tiff"], "not a .jlic file"),
        # Before anything is read: the photograph is no .jlic file.
        (["decompress", "{photo}", "-o", "x.gif"], "x.gif: cannot write images of type .gif"),
        (["compress", "{photo}", "-o", "x.jpg"], "x.jpg: is an image's name"),
        (["compress", "{photo}", "{folder}", "-o", "x.jlic"], "x.jlic: names one file"),
        (["upscale", "{photo}", "-o", "x"], "x: cannot write images of type (none)"),
        (["compress", "{photo}", "--model", "nosuch"], "no model called 'nosuch'"),
        (["compress", "{photo}", "-o", "no/where/x.jlic", "--model", "nosuch"], "no model"),
        (["eval", "missing"], "missing: no such folder"),
        (["eval", "{folder}", "--codecs", "gif"], "codecs are"),
        (["eval", "{folder}", "--codecs", "", "--models", ""], "nothing to evaluate"),
    ],
)
def test_errors_are_one_line_and_code_2(
    tmp_path, photo_file, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    arguments = [a.format(photo=photo_file, folder=tmp_path) for a in arguments]
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and len(error.splitlines()) == 1


@pytest.mark.parametrize("quality", ["0", "101", "nan", "high"])
def test_a_bad_quality_is_explained(photo_file, capsys, quality):
    with pytest.raises(SystemExit) as stop:
        main(["compress", str(photo_file), "-q", quality])
    assert stop.value.code == 2
    assert "quality must be in [1, 100]" in capsys.readouterr().err


@pytest.mark.parametrize("effort", ["-1", "4", "1.5", "high"])
def test_a_bad_effort_is_explained(photo_file, capsys, effort):
    with pytest.raises(SystemExit) as stop:
        main(["compress", str(photo_file), f"--effort={effort}"])
    assert stop.value.code == 2
    assert "effort must be 0 to 3" in capsys.readouterr().err


def test_effort_reaches_the_encoder(tmp_path, photo_file):
    crop = tmp_path / "crop.png"
    Image.open(photo_file).crop((0, 0, 64, 64)).save(crop)
    sizes = []
    for effort in ("0", "1"):
        small, back = tmp_path / f"{effort}.jlic", tmp_path / f"{effort}.png"
        assert main(["compress", str(crop), "-o", str(small), "--effort", effort]) == 0
        assert main(["decompress", str(small), "-o", str(back)]) == 0
        sizes.append(small.read_bytes())
    assert sizes[0] != sizes[1]


def test_damaged_files_are_reported(tmp_path, photo_file, capsys):
    main(["compress", str(photo_file)])
    small = tmp_path / "photo.jlic"
    data = bytearray(small.read_bytes())
    data[len(data) // 2] ^= 1
    small.write_bytes(data)
    assert main(["decompress", str(small), "-o", str(tmp_path / "x.png")]) == 2
    assert "checksum" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_16_bit_images_come_with_a_warning(tmp_path, capsys):
    deep = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert main(["compress", str(tmp_path / "deep.png")]) == 0
    assert "16 to 8 bits" in capsys.readouterr().err


def test_models_lists_what_is_shipped(capsys):
    assert main(["models"]) == 0
    assert "base" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["id"] == "base"


def test_eval_writes_records_and_curves(tmp_path, photo_file, capsys):
    pytest.importorskip("bjontegaard")
    pytest.importorskip("matplotlib")
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(photo_file, folder / "a.png")
    command = ["eval", str(folder), "--codecs", "jpeg", "--qualities", "10,30,50,70,90"]
    command += ["--json", str(tmp_path / "r.json"), "--plot", str(tmp_path / "p.png")]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "BD-rate" in out
    records = json.loads((tmp_path / "r.json").read_text())["records"]
    assert {r["codec"] for r in records} == {"jpeg", "pyramid-3"}
    assert all(r["bpp"] == 8 * r["bytes"] / (192 * 256) for r in records)
    with Image.open(tmp_path / "p.png") as plot:
        assert plot.size[0] > 500


def test_help_is_instant_and_teaches():
    run = [sys.executable, "-X", "importtime", "-m", "jaxlic", "compress", "--help"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True)
    assert "examples:" in done.stdout
    heavy = ("jax", "numpy", "PIL", "rich", "constriction")
    imported = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not imported.intersection(heavy)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "no such file"),
        (["photo.png", "-o", "out.jpg"], "drawn as a .png"),
        (["photo.png", "-o", "photo.png"], "--force"),
        (["photo.png", "--model", "base"], "no dynamic kernels"),
        (["photo.png", "--model", "base", "--at", "999,1"], "999,1 is outside of 256x192"),
        (["photo.png", "-o", "photo.png", "-f"], "would replace its own source"),
        (["."], ": is a folder"),
    ],
)
def test_explain_says_in_a_line_what_is_wrong(
    tmp_path, photo_file, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert main(["explain", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_points_of_explain_are_checked(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["explain", "a.png", "--at", "five"])
    assert stop.value.code == 2
    assert "X,Y" in capsys.readouterr().err


def test_explain_without_matplotlib_says_what_to_install(photo_file, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["explain", str(photo_file)]) == 2
    assert 'pip install "jaxlic[eval]"' in capsys.readouterr().err
