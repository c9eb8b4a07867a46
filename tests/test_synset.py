"""What a file that was cut stands for, from the file to pictures."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

import jaxlic
from jaxlic import synset
from jaxlic.cli import main
from jaxlic.entropy.detail import MEAN, Detail
from jaxlic.errors import BitstreamError, Error, UsageError
from jaxlic.files import bitstream, levels
from tests.levelled import LEVELS, QUALITY, folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("levelled") / "model")


@pytest.fixture(scope="module")
def codec(place):
    return jaxlic.load(place)


@pytest.fixture(scope="module")
def data(codec, photo):
    return codec.compress(photo[:64, :64], QUALITY)


def test_every_cut_decodes_at_its_level_or_is_refused_in_a_line(codec, data):
    ends = bitstream.unpack(data).ends
    assert len(ends) == LEVELS and ends[-1] == len(data)
    whole = [codec.latents(data[:end]) for end in ends]
    payloads = bitstream.unpack(data).payloads[0]
    for end in range(len(data) + 1):
        level = sum(last <= end for last in ends)
        try:
            found = bitstream.unpack(data[:end])
        except BitstreamError as error:
            assert level == 0 and "\n" not in str(error)
            with pytest.raises(BitstreamError):
                codec.latents(data[:end])
            continue
        assert found.payloads == (payloads[:level],)  # All that decoding sees.
        if end in (ends[level - 1] + 1, ends[level - 1] + 5):
            np.testing.assert_array_equal(codec.latents(data[:end]), whole[level - 1])


def test_a_seed_gives_the_same_members_again(codec, data):
    first, second = (
        [p.rgb for p in synset.members(codec, data, level=3, detail=Detail(seed=5), samples=3)]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert np.any(first[0] != first[1]) and np.any(first[1] != first[2])
    later = list(synset.members(codec, data, level=3, detail=Detail(seed=5, member=2)))
    np.testing.assert_array_equal(later[0].rgb, first[2])
    texts = [p.text for p in synset.members(codec, data, detail=Detail(seed=5), samples=2)]
    assert texts == [f"jaxlic: level {LEVELS} of {LEVELS}, no detail drawn"] * 2


def test_members_that_cannot_be_are_refused(codec, data):
    with pytest.raises(UsageError, match="not 9"):
        list(synset.members(codec, data, level=9))
    with pytest.raises(Error, match="samples"):
        list(synset.members(codec, data, samples=0))
    for wrong in (dict(sampler="gausian"), dict(seed=-1), dict(member=2**32)):
        with pytest.raises(Error, match=r"(samplers are|seed must|member must)"):
            codec.decode(data, detail=Detail(**wrong))


def test_what_was_asked_to_be_left_out_is_not_called_cut_off(codec, data):
    (asked,) = synset.members(codec, data, level=3, detail=MEAN)
    (cut,) = synset.members(codec, levels.truncate(data, level=3), detail=MEAN)
    assert not asked.notes and cut.notes == ("holds level 3 of 8, the rest is cut off",)
    np.testing.assert_array_equal(asked.rgb, cut.rgb)


def test_python_draws_nothing_unasked(codec, data):
    cut = levels.truncate(data, level=2)
    (mean,) = synset.members(codec, cut, detail=MEAN)
    np.testing.assert_array_equal(codec.decompress(cut), mean.rgb)


def test_a_map_is_the_spread_of_members():
    a = np.zeros((2, 2, 3), np.uint8)
    b = a.copy()
    b[0, 0, 1], b[1, 1] = 4, 255
    found = synset.spread_map([a, b])
    assert found.tolist() == [[32, 0], [0, 255]]
    assert not synset.spread_map([b, b, b]).any()
    many = np.random.default_rng(0).integers(0, 256, (9, 5, 7, 3)).astype(np.uint8)
    expected = np.minimum(np.rint(16 * many.astype(float).std(axis=0).max(axis=-1)), 255)
    np.testing.assert_array_equal(synset.spread_map(many), expected)
    with pytest.raises(Error, match="two members"):
        synset.spread_map([a])


@pytest.fixture
def file(tmp_path, data):
    path = tmp_path / "photo.jlic"
    path.write_bytes(data)
    return path


def _description(path):
    with Image.open(path) as image:
        return image.text["Description"]


def test_the_command_cuts_files(file, data, capsys):
    assert main(["truncate", str(file), "--level", "2"]) == 0
    cut = (file.parent / "photo.cut.jlic").read_bytes()
    assert cut == levels.truncate(data, level=2) and data.startswith(cut)
    small = str(file.parent / "small.jlic")
    assert main(["truncate", str(file), "--bytes", str(len(cut) + 1), "-o", small]) == 0
    assert (file.parent / "small.jlic").read_bytes() == cut
    assert "level 2 of 8" in capsys.readouterr().out
    assert main(["truncate", str(file), "--level", str(LEVELS + 1), "-f"]) == 2
    assert main(["truncate", str(file), "--bytes", "3", "-f"]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 2 and all("photo.jlic: " in line for line in errors)


def test_a_folder_that_was_cut_is_not_cut_again(file, data):
    command = ["truncate", str(file.parent), "--level", "2", "--skip-existing"]
    for _ in range(2):
        assert main(command) == 0
        assert sorted(p.name for p in file.parent.iterdir()) == [
            "photo.cut.jlic",
            "photo.jlic",
        ]
    assert main(["truncate", str(file.parent), "--level", "3", "-f"]) == 0
    assert (file.parent / "photo.cut.jlic").read_bytes() == levels.truncate(data, level=3)


def test_the_command_draws_members_and_says_so(file, place, capsys):
    model = ["--model", str(place), "--level", "3"]
    chart = file.parent / "detail.png"
    assert (
        main(
            [
                "decompress",
                str(file),
                *model,
                "--samples",
                "2",
                "--seed",
                "8",
                "--map",
                str(chart),
            ]
        )
        == 0
    )
    first, second = (file.parent / f"photo-{i}.png" for i in (1, 2))
    assert (
        _description(first)
        == "jaxlic: level 3 of 8, detail drawn, sampler gaussian, seed 8, member 0"
    )
    assert _description(second).endswith("member 1")
    assert _description(chart) == (
        "jaxlic: level 3 of 8, detail drawn, sampler gaussian, seed 8: black where nothing "
        "depends on that, white where 2 members spread by 16 levels of 255 or more"
    )
    pixels = [np.asarray(Image.open(path)) for path in (first, second)]
    assert np.any(pixels[0] != pixels[1]) and not (file.parent / "photo.png").exists()
    np.testing.assert_array_equal(
        np.asarray(Image.open(chart))[..., 0], synset.spread_map(pixels)
    )

    assert "detail beyond level 3 is drawn" in capsys.readouterr().err
    assert main(["decompress", str(file), *model, "--strict"]) == 0
    assert "drawn" not in capsys.readouterr().err
    strict = file.parent / "photo.png"
    assert _description(strict).endswith("sampler mean, no detail drawn")
    other = ["--sampler", "mean", "--seed", "9", "-o", str(file.parent / "mean.png")]
    assert main(["decompress", str(file), *model, *other]) == 0
    np.testing.assert_array_equal(
        np.asarray(Image.open(strict)), np.asarray(Image.open(file.parent / "mean.png"))
    )
    capsys.readouterr()
    new = str(file.parent / "new.png")
    wrongs = [
        ["--samples", "0"],
        ["--samples", "10000"],
        ["--strict", "--map", "new.png"],
        ["--sampler", "mean", "--map", "other.png"],
        ["--map", str(chart)],
        ["--map", new],
        ["--map", "map.gif"],
        ["--map", "no/such/map.png"],
    ]
    for wrong in wrongs:
        assert main(["decompress", str(file), *model, "-o", new, *wrong]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == len(wrongs)
    assert not (file.parent / "new.png").exists()


@pytest.mark.parametrize("asked", [["--samples", "2"], ["--map", "map.png"]])
def test_where_nothing_is_drawn_there_is_one_picture(file, place, capsys, monkeypatch, asked):
    monkeypatch.chdir(file.parent)
    assert main(["decompress", str(file), "--model", str(place), *asked]) == 2
    assert "no detail is drawn" in capsys.readouterr().err
    assert [p.name for p in file.parent.iterdir()] == ["photo.jlic"]


def test_levels_before_the_damage_can_be_had(file, data, codec):
    ends = bitstream.unpack(data).ends
    damaged = bytearray(data)
    damaged[ends[3] - 1] ^= 1  # The last byte of level 4.
    with pytest.raises(BitstreamError, match="up to level 3 it is sound"):
        codec.decompress(bytes(damaged))
    assert levels.truncate(bytes(damaged), level=3) == data[: ends[2]]
    (found,) = synset.members(codec, bytes(damaged), level=3, detail=MEAN)
    np.testing.assert_array_equal(found.rgb, codec.decompress(data[: ends[2]]))
    with pytest.raises(BitstreamError):
        levels.truncate(bytes(damaged), level=4)


def test_members_overwrite_nothing_unasked(file, place, capsys, monkeypatch):
    own = file.parent / "photo-2.png"
    own.write_bytes(b"mine")
    (file.parent / "photo.png").write_bytes(b"not written")
    command = ["decompress", str(file), "--model", str(place), "--level", "3", "--samples", "2"]
    assert main(command) == 2
    assert own.read_bytes() == b"mine" and "photo-2.png: exists" in capsys.readouterr().err
    assert main([*command, "-f"]) == 0
    assert "photo-1.png  64x64, and 1 more" in capsys.readouterr().out
    first = file.parent / "photo-1.png"
    stamps = [p.stat().st_mtime_ns for p in (first, own)]
    assert main([*command, "--skip-existing"]) == 0
    assert [p.stat().st_mtime_ns for p in (first, own)] == stamps
    assert (file.parent / "photo.png").read_bytes() == b"not written"
    assert main([*command, "-o", "-"]) == 2
    # From standard input too.
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    (file.parent / "in-2.png").write_bytes(b"mine")
    piped = ["decompress", "-", *command[2:], "-o", str(file.parent / "in.png")]
    assert main(piped) == 2
    assert (file.parent / "in-2.png").read_bytes() == b"mine"
    assert main([*piped, "-f"]) == 0
    assert (file.parent / "in-1.png").exists() and not (file.parent / "in.png").exists()
