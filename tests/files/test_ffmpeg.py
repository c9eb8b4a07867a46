import os
import shutil
import subprocess
import time

import numpy as np
import pytest

from jaxlic.errors import ImageError
from jaxlic.files import ffmpeg

posix = pytest.mark.skipif(os.name != "posix", reason="programs of the tests are shell scripts")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes a script the only ffmpeg, and a folder the only one for temporary files."""

    def install(text):
        (tmp_path / "bin").mkdir()
        path = tmp_path / "bin" / "ffmpeg"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:/bin:/usr/bin")
        (tmp_path / "temporary").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
        return tmp_path / "temporary"

    return install


@pytest.mark.parametrize("codec", list(ffmpeg.CODECS))
def test_a_real_ffmpeg_gives_back_the_picture(photo, codec):
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg")
    try:
        words = ffmpeg.encoder(codec)
    except ImageError as error:
        pytest.skip(str(error))
    assert words.startswith("ffmpeg") and ffmpeg.CODECS[codec][0] in words
    image = photo[:51, :75]  # Neither even nor a multiple of anything.
    sizes, errors = [], []
    for quality in (15, 45):
        data = ffmpeg.encode(image, codec, quality)
        back = ffmpeg.decode(data, codec, image.shape[:2])
        assert back.shape == image.shape and back.dtype == np.uint8
        sizes.append(len(data))
        errors.append(np.mean((back.astype(float) - image) ** 2))
    assert sizes[0] < sizes[1] < image.size / 2
    assert errors[1] < 12 and errors[1] < errors[0] / 8
    with pytest.raises(ImageError, match="another size"):
        ffmpeg.decode(data, codec, (51, 800))
    with pytest.raises(ImageError, match="ffmpeg"):
        ffmpeg.decode(b"nothing at all", codec, (51, 75))


@pytest.mark.parametrize(("codec", "ceiling"), [("hevc", 0), ("vvc", 6)])
def test_colours_survive_ten_bits_and_halved_chroma_costs_little(photo, codec, ceiling):
    image = photo[:48, :72]
    samples = np.frombuffer(ffmpeg._planes(image, codec), "<u2")
    assert samples.max() <= 1023
    back = ffmpeg._rgb(samples, codec, image.shape[:2])
    assert np.sqrt(np.mean((back.astype(float) - image) ** 2)) <= ceiling
    white = ffmpeg._planes(np.full((8, 8, 3), 255, np.uint8), codec)
    assert np.frombuffer(white, "<u2")[[0, -1]].tolist() == [1023, 512]


def test_qualities_are_the_largest_qp_less_it():
    assert ffmpeg.qp_of("hevc", 51) == 0 and ffmpeg.qp_of("vvc", 13) == 50
    with pytest.raises(ImageError, match="quality of hevc must be 0 to 51, got 60"):
        ffmpeg.qp_of("hevc", 60)


def test_no_ffmpeg_is_said(photo, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match=r"libx265 \(there is no program ffmpeg on the PATH"):
        ffmpeg.encoder("hevc")


@posix
def test_one_that_hangs_is_stopped_with_all_it_started(photo, program, monkeypatch):
    temporary = program('sleep 371 & echo $! > "$0.child"; wait')
    monkeypatch.setattr(ffmpeg, "_SECONDS", 0.5)
    monkeypatch.setattr(ffmpeg, "_SECONDS_A_MEGAPIXEL", 0.0)
    began = time.monotonic()
    with pytest.raises(ImageError, match="stopped after 0 seconds"):
        ffmpeg.encode(photo, "hevc", 30)
    assert time.monotonic() - began < 20
    assert not list(temporary.iterdir())
    child = (temporary.parent / "bin" / "ffmpeg.child").read_text().strip()
    state = subprocess.run(["ps", "-o", "stat=", "-p", child], capture_output=True, text=True)
    assert state.stdout.strip() == "" or state.stdout.startswith("Z")


@posix
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("printf 'no such\\nencoder' >&2; exit 8", "ffmpeg failed: no such encoder"),
        ("exit 0", "wrote no hevc"),
        ("kill -9 $$", "ffmpeg failed"),
    ],
)
def test_one_that_fails_is_one_line(photo, program, text, message):
    temporary = program(text)
    with pytest.raises(ImageError, match=message) as raised:
        ffmpeg.encode(photo, "hevc", 30)
    assert "\n" not in str(raised.value) and not list(temporary.iterdir())


@posix
def test_one_that_answers_something_else_is_not_believed(program):
    program("cat")
    with pytest.raises(ImageError, match="another size"):
        ffmpeg.decode(bytes(99), "hevc", (8, 16))
