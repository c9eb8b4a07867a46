"""Folders, streams and strange files on the command line."""

import argparse
import io
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from jaxlic.cli import main
from jaxlic.commands import files, messages, options
from jaxlic.commands.files import Todo, each, jobs
from jaxlic.errors import UsageError
from jaxlic.files import images
from tests.conftest import DATA


@pytest.fixture
def photo_file(tmp_path):
    return shutil.copy(DATA / "kodim05_crop.png", tmp_path / "photo.png")


@pytest.fixture
def folder(tmp_path, photo_file):
    """Two images of one stem, and two others."""
    folder = tmp_path / "in"
    folder.mkdir()
    small = Image.open(photo_file).convert("RGB").crop((0, 0, 32, 32))
    for name in ("a.png", "b.png", "same.png", "same.jpg"):
        small.save(folder / name)
    return folder


def _arguments(*inputs, output=None, **more):
    defaults = dict(force=False, skip_existing=False, keep_suffix=False, into=False)
    return argparse.Namespace(inputs=list(inputs), output=output, **(defaults | more))


def _run(*arguments):
    return main([str(a) for a in arguments])


def _process(*arguments, **options):
    command = [sys.executable, "-m", "jaxlic", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **options)


def test_a_pair_of_one_stem_does_not_stop_a_folder(folder, tmp_path, capsys):
    assert _run("compress", folder, "-o", tmp_path / "out") == 2
    assert sorted(os.listdir(tmp_path / "out")) == ["a.jlic", "b.jlic"]
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 3 and "4 files: 2 written, 2 failed" in error[2]
    for line, name in zip(error[:2], ("same.jpg", "same.png"), strict=True):
        assert name in line and "more than once; --keep-suffix" in line


def test_kept_suffixes_tell_files_apart(folder, tmp_path, capsys):
    out, back = tmp_path / "out", tmp_path / "back"
    assert _run("compress", folder, "-o", out, "--keep-suffix") == 0
    assert sorted(os.listdir(out)) == [
        f"{name}.jlic" for name in ("a.png", "b.png", "same.jpg", "same.png")
    ]
    assert _run("decompress", out, "-o", back) == 0
    assert sorted(os.listdir(back)) == [
        f"{name}.png" for name in ("a.png", "b.png", "same.jpg", "same.png")
    ]


def test_a_stopped_run_goes_on(folder, tmp_path, capsys):
    out = tmp_path / "out"
    (folder / "same.jpg").unlink()
    assert _run("compress", folder, "-o", out) == 0
    (out / "b.jlic").unlink()
    before = (out / "a.jlic").stat().st_mtime_ns
    capsys.readouterr()
    assert _run("compress", folder, "-o", out) == 2
    assert "exists (2 of 3 do)" in capsys.readouterr().err
    assert _run("compress", folder, "-o", out, "--skip-existing") == 0
    printed = capsys.readouterr()
    assert "3 files: 1 written, 2 skipped" in printed.err
    assert printed.out.count("\n") == 1 and "b.jlic" in printed.out
    assert (out / "a.jlic").stat().st_mtime_ns == before
    assert _run("compress", folder, "-o", out, "--skip-existing") == 0
    assert "3 files: 0 written, 3 skipped" in capsys.readouterr().err


def test_jobs_of_many_files_are_found_in_time(tmp_path):
    names = [tmp_path / f"{i}.png" for i in range(10_000)]
    began = time.process_time()
    todo = jobs(_arguments(tmp_path, output=tmp_path / "out"), lambda _: names, ".jlic")
    assert len(todo.jobs) == 10_000 and todo.jobs[7][1] == tmp_path / "out" / "7.jlic"
    assert time.process_time() - began < 8  # Of the processor: 20 where it grew as the square.


def test_inputs_that_cannot_be_used_leave_the_others(tmp_path, photo_file, capsys):
    todo = jobs(_arguments(tmp_path / "no.png", photo_file), images.find, ".jlic")
    assert len(todo.jobs) == 1 and todo.refused == 1
    assert "no.png: no such file" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="none of 2 inputs"):
        jobs(_arguments(tmp_path / "no.png", tmp_path / "empty"), images.find, ".jlic")
    with pytest.raises(UsageError, match="replace its own source"):
        jobs(_arguments(photo_file, force=True), images.find, ".png")
    (tmp_path / "link.png").symlink_to(photo_file)
    with pytest.raises(UsageError, match="replace its own source"):
        arguments = _arguments(photo_file, output=tmp_path / "link.png", force=True)
        jobs(arguments, images.find, ".png")


def test_errors_name_their_file(tmp_path, photo_file, capsys):
    (tmp_path / "file").touch()
    assert _run("compress", photo_file, tmp_path / "b.png", "-o", tmp_path / "file" / "x") == 2
    assert "Errno" not in capsys.readouterr().err
    assert _run("compress", photo_file, "-o", tmp_path / "file" / "x.jlic") == 2
    error = capsys.readouterr().err
    assert "file is not a folder" in error and "Errno" not in error
    long = Image.fromarray(np.zeros((1 << 20) + 1, np.uint8)[:, None])
    long.save(tmp_path / "long.bmp")
    assert _run("compress", tmp_path / "long.bmp") == 2
    assert "long.bmp: 1x1048577 has a side of over" in capsys.readouterr().err


def test_memory_that_is_not_there_is_told_with_the_file(tmp_path, capsys):
    def work(source, target):
        raise MemoryError("Unable to allocate 1 TiB")

    assert each(Todo([(tmp_path / "a", tmp_path / "b")], several=False), work, "") == 2
    assert f"{tmp_path / 'a'}: not enough memory" in capsys.readouterr().err


def test_a_bug_shows_as_a_bug(tmp_path):
    def work(source, target):
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        each(Todo([(tmp_path / "a", tmp_path / "b")], several=False), work, "")


def test_a_limit_of_ones_own(tmp_path, photo_file, capsys):
    assert _run("compress", photo_file, "--max-pixels", 49151) == 2
    assert "photo.png: an image of 256x192 pixels is over 49,151" in capsys.readouterr().err
    assert _run("compress", photo_file, "--max-pixels", 49152) == 0
    small = tmp_path / "photo.jlic"
    assert _run("decompress", small, "-o", tmp_path / "x.png", "--max-pixels", 9) == 2
    assert "photo.jlic: an image of 256x192 pixels is over 9" in capsys.readouterr().err
    for command in ("downscale", "upscale"):
        arguments = [photo_file, "-o", tmp_path / "y.jpg", "--scale", 2, "--max-pixels", 9]
        assert _run(command, *arguments) == 2
        assert "over 9 pixels" in capsys.readouterr().err
    for text in ("0", "-1", "x", "100000001", "9" * 5000):
        with pytest.raises(argparse.ArgumentTypeError, match="must be 1 to"):
            options.pixels(text)


def test_devices_and_links_stay_what_they_are(tmp_path, photo_file, capsys):
    for target in ("/dev/null", tmp_path / "fifo"):
        if target != "/dev/null":
            os.mkfifo(target)
        assert _run("compress", photo_file, "-o", target, "-f") == 2
        assert f"{target}: is not a regular file" in capsys.readouterr().err
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (tmp_path / "link.jlic").symlink_to("photo.jlic")
    assert _run("compress", photo_file, "-o", tmp_path / "link.jlic", "-f") == 2
    assert "symbolic link to nothing" in capsys.readouterr().err
    (tmp_path / "photo.jlic").touch()
    assert _run("compress", photo_file, "-o", tmp_path / "link.jlic", "-f") == 0
    assert (tmp_path / "link.jlic").is_symlink()
    assert (tmp_path / "photo.jlic").stat().st_size > 1000


def test_pipes_do_not_block(tmp_path, capsys):
    os.mkfifo(tmp_path / "a.png")
    coded, shown = ["-o", tmp_path / "x.jlic"], ["-o", tmp_path / "x.png"]
    for command in (["compress", *coded], ["decompress", *shown], ["info"], ["explain"]):
        assert _run(*command, tmp_path / "a.png") == 2
        assert "a.png: is not a regular file" in capsys.readouterr().err


@pytest.fixture
def streams(monkeypatch):
    """Stdin with given bytes; what was written to stdout."""

    def given(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return data

    return given


def test_dashes_are_streams(tmp_path, photo_file, streams, capsysbinary, monkeypatch):
    photo = streams(pathlib.Path(photo_file).read_bytes())
    assert _run("compress", "-", "-o", "-") == 0
    coded = capsysbinary.readouterr().out
    assert coded[:3] == b"JLC"
    streams(coded)
    assert _run("info", "-") == 0
    assert b"standard input\n" in capsysbinary.readouterr().out
    streams(coded)
    assert _run("decompress", "-") == 0
    png = capsysbinary.readouterr().out
    assert images.read(png).rgb.shape == (192, 256, 3)
    streams(coded)
    assert _run("decompress", "-", "-o", tmp_path / "x.webp") == 0
    np.testing.assert_array_equal(images.read(tmp_path / "x.webp").rgb, images.read(png).rgb)
    streams(photo)
    capsysbinary.readouterr()
    assert _run("downscale", "-", "-o", "-") == 0
    streams(capsysbinary.readouterr().out)
    assert _run("upscale", "-", "-o", "-") == 0
    assert images.read(capsysbinary.readouterr().out).rgb.shape == (192, 256, 3)
    monkeypatch.chdir(tmp_path)
    assert _run("compress", photo_file, "-o", "./-") == 0
    assert (tmp_path / "-").read_bytes() == coded
    assert _run("info", "./-") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "{photo}"], "must be the only input"),
        (["{photo}", "{photo}", "-o", "-"], "takes one file"),
        (["{folder}", "-o", "-"], "takes one file"),
        (["missing", "-o", "-"], "no such file"),
        (["-", "-o", "{folder}"], "is a folder"),
        (["-", "-o", "{photo}"], "exists; use --force"),
    ],
)
def test_streams_are_one_to_one(tmp_path, photo_file, capsys, arguments, message):
    arguments = [a.format(photo=photo_file, folder=tmp_path) for a in arguments]
    assert _run("compress", *arguments) == 2
    assert message in capsys.readouterr().err


def test_streams_that_cannot_be_used(streams, capsys, monkeypatch, photo_file):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert _run("compress", photo_file, "-o", "-") == 2
    assert "is a terminal" in capsys.readouterr().err
    monkeypatch.undo()
    streams(b"nothing")
    assert _run("compress", "-", "-o", "-") == 2
    assert "standard input: not an image" in capsys.readouterr().err
    streams(b"nothing")
    assert _run("info", "-") == 2
    assert "standard input: not a .jlic file" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", None)
    assert _run("info", "-") == 2
    assert "standard input: is closed" in capsys.readouterr().err


def test_a_closed_pipe_is_no_failed_file(folder, tmp_path):
    """As in `jaxlic compress folder | head -0`."""
    (folder / "same.jpg").unlink()
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "jaxlic", "compress", folder, "-o", tmp_path / "out"]
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, timeout=120, check=False
    )
    os.close(writing)
    assert done.returncode == 0
    assert done.stderr == b"jaxlic: 3 files: 3 written\n"
    assert len(os.listdir(tmp_path / "out")) == 3


def test_results_that_cannot_be_printed_are_told_once_and_files_are_done(tmp_path, folder):
    (folder / "same.jpg").unlink()
    command = [sys.executable, "-m", "jaxlic", "compress", folder, "-o", tmp_path / "out"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, timeout=120, check=False
        )
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2 and len(os.listdir(tmp_path / "out")) == 3
    assert lines == [
        "jaxlic: error: standard output: No space left on device",
        "jaxlic: 3 files: 3 written",
    ]


def test_any_file_name_can_be_printed(tmp_path, photo_file):
    name = os.fsdecode(b"ph\xf6to \xe2\x82\xac.png")
    os.rename(photo_file, tmp_path / name)
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = _process("compress", tmp_path / name, env=environment)
    assert done.returncode == 0 and b"error" not in done.stderr
    assert b"\\udcf6" in done.stdout


def test_what_libtiff_prints_becomes_no_line_of_its_own(tmp_path, capfd, photo_file):
    Image.open(photo_file).save(tmp_path / "a.tiff", compression="tiff_adobe_deflate")
    data = bytearray((tmp_path / "a.tiff").read_bytes())
    data[300:400] = bytes(100)
    (tmp_path / "a.tiff").write_bytes(data)
    assert _run("compress", tmp_path / "a.tiff") == 2
    _one_line(capfd, tmp_path)
    os.remove(photo_file)
    assert _run("jnd-targets", tmp_path, "-o", tmp_path / "out") == 2
    _one_line(capfd, tmp_path)
    assert _run("eval", tmp_path, "--models", "", "--codecs", "jpeg") == 2
    _one_line(capfd, tmp_path)


def _one_line(capfd, folder):
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and error.startswith("jaxlic: error: ")
    assert f"{folder / 'a.tiff'}: damaged image" in error


def test_what_c_libraries_print_is_heard(capfd):
    with messages.overheard() as lines:
        os.write(2, b"one\none\n\x1b[2Kbar\ntwo\n")
    assert lines == ["one", "two"]
    assert capfd.readouterr().err == ""
    assert list(messages.quietly(os.write(2, b"%d\n" % i) for i in range(2))) == [2, 2]
    assert capfd.readouterr().err == "jaxlic: 0\njaxlic: 1\n"


def test_messages_survive_closed_streams(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    messages.remark("nobody hears it")
    assert list(messages.progress([1, 2], 2, "")) == [1, 2]
    assert files.name(messages.STREAM) == "standard input"


def test_a_user_without_home_or_name_sees_no_traceback(tmp_path, photo_file):
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    code = (
        "import pwd, sys\n"
        "def unknown(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = unknown\n"
        "from jaxlic.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "models"]
    done = subprocess.run(
        command, env=bare, capture_output=True, timeout=120, check=False, cwd=DATA.parent.parent
    )
    assert done.returncode == 0 and done.stderr == b"", done.stderr


def test_planning_takes_a_time_in_proportion_to_the_files(tmp_path):
    def seconds(count):
        folder = tmp_path / str(count)
        folder.mkdir()
        for i in range(count):
            (folder / f"{i}.png").write_bytes(b"")
        args = argparse.Namespace(inputs=[folder], output=tmp_path / "out", keep_suffix=False)
        args.force, args.skip_existing, args.into = False, True, False
        taken = []
        for _ in range(3):
            began = time.process_time()
            assert len(jobs(args, images.find, ".jlic").jobs) == count
            taken.append(time.process_time() - began)
        return min(taken)

    assert seconds(1600) < 24 * seconds(200)  # 8 times if linear, 64 if quadratic.


def test_long_work_without_a_terminal_tells_how_far_it_is(monkeypatch, capsys):
    assert list(messages.progress(range(5), 5, "counting")) == list(range(5))
    assert capsys.readouterr().err == ""  # Not in a minute.
    monkeypatch.setattr(messages, "_A_LINE", 0.0)
    assert list(messages.progress(range(5), 5, "counting")) == list(range(5))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0] == "jaxlic: counting: 1 of 5, some 0 minutes left"
