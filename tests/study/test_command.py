"""The three steps as a user types them."""

import json
import shutil
import threading
import urllib.request

import pytest

from jaxlic.cli import main
from jaxlic.study import folder
from jaxlic.study.server import StudyServer
from tests.conftest import DATA
from tests.study.small import simulated
from tests.study.test_analysis import values


@pytest.fixture
def photos(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    shutil.copy(DATA / "kodim05_crop.png", tmp_path / "photos")
    monkeypatch.chdir(tmp_path)


def test_from_photographs_to_a_scale(photos, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    command = ["study", "make", "photos", "-o", "s", "--codec", "jpeg=20,60"]
    assert main([*command, "--folder", "jnd=1:photos", "--title", "Ours"]) == 0
    out = capsys.readouterr().out
    assert "5 pictures of 1 photographs" in out and "jaxlic study serve s" in out
    assert main(["study", "analyse", "s"]) == 2
    assert "nobody has answered yet" in capsys.readouterr().err
    study = folder.load(tmp_path / "s")
    assert study.title == "Ours" and study.codecs == ["source", "jpeg", "jnd", "trap"]
    simulated(study, values(study), 5)
    command = ["study", "analyse", "s", "-o", "results", "--plot", "p.png", "--draws", "8"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "5 observers" in out and "level at one JND" in out
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"responses.csv", "users.csv", "observers.csv", "pictures.csv", "own.csv"}
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_a_b(photos, tmp_path, capsys):
    command = ["study", "make", "photos", "-o", "s", "--kind", "ab"]
    assert main([*command, "--codec", "jpeg=50", "--codec", "webp=50,60"]) == 2
    assert "two codecs at one quality each" in capsys.readouterr().err
    assert main([*command, "--codec", "jpeg=50", "--codec", "webp=50"]) == 0
    study = folder.load(tmp_path / "s")
    simulated(study, values(study), 3)
    capsys.readouterr()
    assert main(["study", "analyse", "s"]) == 0
    out = capsys.readouterr().out
    assert "webp against jpeg: wins" in out and "verdict: go on" in out
    assert main(["study", "analyse", "s", "--plot", "p.png"]) == 2


def test_it_listens_on_this_machine_alone_unless_told_otherwise(photos, monkeypatch, capsys):
    main(["study", "make", "photos", "-o", "s", "--codec", "jpeg=20"])
    seen = {}

    def once(self):
        seen["address"] = self.server_address[0]
        thread = threading.Thread(target=self.handle_request)
        thread.start()
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.server_address[1]}/words"
        ) as reply:
            seen["words"] = json.load(reply)
        thread.join()

    monkeypatch.setattr(StudyServer, "serve_forever", once)
    capsys.readouterr()
    assert main(["study", "serve", "s", "--port", "0"]) == 0
    assert seen["address"] == "127.0.0.1" and seen["words"]["title"] == "A study of pictures"
    assert "not encrypted" not in capsys.readouterr().err
    assert main(["study", "serve", "s", "--port", "0", "--host", "0.0.0.0"]) == 0
    assert seen["address"] == "0.0.0.0" and "not encrypted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["make", "missing", "-o", "s", "--codec", "jpeg=5"], "missing: no such folder"),
        (["make", "photos", "-o", "photos", "--codec", "jpeg=5"], "a folder of its own"),
        (["make", "photos", "-o", "s"], "nothing to compare"),
        (["make", "photos", "-o", "s", "--codec", "nosuch=5"], "no model called 'nosuch'"),
        (["make", "photos", "-o", "s", "--codec", "jpeg=5", "--codec", "jpeg=6"], "own, got"),
        (["make", "photos", "-o", "s", "--codec", "jpeg=5", "--size", "9,9"], "--size is"),
        (["make", "photos", "-o", "s", "--folder", "a=1:no"], "holds no image kodim05_crop"),
        (["serve", "photos"], "study.json: no such file"),
        (["analyse", "missing"], "study.json: no such file"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(photos, capsys, arguments, message):
    assert main(["study", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["make", "p", "-o", "s", "--codec", "jpeg"],
        ["make", "p", "-o", "s", "--codec", "jpeg=x"],
        ["make", "p", "-o", "s", "--codec", "jpeg=101"],
        ["make", "p", "-o", "s", "--folder", "a=b"],
        ["serve", "s", "--port", "99999"],
        ["analyse", "s", "--margin", "2"],
    ],
)
def test_options_are_checked(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["study", *arguments])
    assert stop.value.code == 2 and "must be" in capsys.readouterr().err
