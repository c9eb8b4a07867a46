import signal
import tarfile

import numpy as np
import pytest

from jaxlic.files import images
from train import pack
from train.data import DataError
from train.sources import images_at


def _run(*command):
    return pack.main([str(part) for part in command])


def test_files_are_held_as_they_are(folder, tmp_path, capsys, format_):
    (folder / "sub").mkdir()
    (folder / "0.png").rename(folder / "sub" / "0.png")
    (folder / "5.png").write_bytes(b"garbage")
    out = tmp_path / "out"
    assert _run(folder, out, "--format", format_, "--shards", 4) == 0
    written = capsys.readouterr()
    assert "out: 11 images in 4 shards" in written.out and "1 skipped" in written.out
    assert "5.png: not an image" in written.err
    source = images_at(out)
    files = [f for f in images.find(folder) if f.name != "5.png"]
    assert source.names == [f.relative_to(folder).as_posix() for f in files]
    for i, file in enumerate(files):
        assert source.read(*source.index.places[i, :3].tolist()) == file.read_bytes()
        np.testing.assert_array_equal(source[i], images.read(file).rgb)
    assert source.skipped[0][0] == "5.png" and len(source.index.shards) == 4


def test_tars_are_those_of_any_program_and_depend_on_the_images_alone(folder, tmp_path):
    for workers in (1, 3):
        assert _run(folder, tmp_path / str(workers), "--shards", 2, "--workers", workers) == 0
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "3" / path.name).read_bytes()
    with tarfile.open(tmp_path / "1" / "00000-of-00002.tar") as tar:
        for member in tar:
            data = tar.extractfile(member).read()
            assert data == (folder / member.name).read_bytes()


def test_webp_holds_the_same_pixels(folder, tmp_path, format_):
    assert _run(folder, tmp_path / "out", "--webp", "--format", format_, "--shards", 2) == 0
    source = images_at(tmp_path / "out")
    for i, name in enumerate(source.names):
        np.testing.assert_array_equal(source[i], images.read(folder / name).rgb)
        assert source.read(*source.index.places[i, :3].tolist())[8:12] == b"WEBP"


@pytest.mark.parametrize("shards", [1, 5, 12, 40])
def test_any_number_of_shards_holds_all_in_order(folder, tmp_path, shards, format_):
    index = pack.pack(folder, tmp_path / "out", format_=format_, shards=shards)
    assert len(index.names) == 12 and len(index.shards) == min(shards, 12)
    source = images_at(tmp_path / "out")
    for i, name in enumerate(source.names):
        np.testing.assert_array_equal(source[i], images.read(folder / name).rgb)


def test_mistakes_are_one_line_and_code_2_and_nothing_is_overwritten(folder, tmp_path, capsys):
    (tmp_path / "there").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "0.png").write_bytes(b"x")
    (tmp_path / "twice").mkdir()
    for name in ("0.png", "0.bmp"):
        (tmp_path / "twice" / name).write_bytes((folder / "0.png").read_bytes())
    before = sorted(tmp_path.iterdir())
    for command, message in [
        ((folder, tmp_path / "there"), "there: exists"),
        ((tmp_path / "none", tmp_path / "o"), "none: no such folder"),
        ((tmp_path / "there", tmp_path / "o"), "there: holds no image"),
        ((tmp_path / "bad", tmp_path / "o"), "bad: none of its 1 images can be read"),
        ((tmp_path / "twice", tmp_path / "o", "--webp"), "0.png: would have the name of"),
        ((folder, tmp_path / "o", "--shards", "0"), "--shards and --workers must be positive"),
    ]:
        assert _run(*command) == 2
        (line,) = [x for x in capsys.readouterr().err.splitlines() if "error:" in x]
        assert message in line
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(SystemExit) as caught:
        _run(folder, tmp_path / "o", "--format", "zip")
    assert caught.value.code == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_is_stopped_leaves_nothing(folder, tmp_path, capsys, monkeypatch, error, format_):
    read, seen = images.read, []

    def failing(data, name):
        seen.append(name)
        if len(seen) == 8:
            raise error
        return read(data, name=name)

    monkeypatch.setattr(images, "read", failing)
    before = sorted(tmp_path.iterdir())
    command = (folder, tmp_path / "out", "--format", format_, "--workers", "1")
    assert _run(*command) == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert sorted(tmp_path.iterdir()) == before
    assert ("stopped; " if error.args == () else "No space") in capsys.readouterr().err


def test_sigterm_leaves_nothing(folder, tmp_path, monkeypatch):
    def write(path, records):
        path.write_bytes(b"half")
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(pack.FORMATS["webdataset"].module, "write", write)
    # Without the handler of `main` the test fails, and is not killed.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with pytest.raises(SystemExit) as caught:
            _run(folder, tmp_path / "out")
        assert caught.value.code == 143
        assert signal.getsignal(signal.SIGTERM)(0, None) is None  # It is back.
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]


def test_the_help_teaches(capsys):
    with pytest.raises(SystemExit):
        pack.main(["--help"])
    text = capsys.readouterr().out
    assert "python -m train configs/base.py" in text and "arrayrecord" in text


def test_packing_and_reading_say_what_package_is_missing(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "array_record.python", None)
    with pytest.raises(DataError, match="comes with grain on Linux and macOS"):
        pack.pack(folder, tmp_path / "out", format_="arrayrecord", shards=1)
