"""A reader written from `docs/bitstream.md` alone finds the latents that jaxlic finds."""

import hashlib
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

import jaxlic
from tests import independent_levels
from tests.independent_reader import fingerprint, read

HERE = pathlib.Path(__file__).parent
WEIGHTS = pathlib.Path(jaxlic.__file__).parent / "weights"
GOLDEN = {
    name: entry["latents"]
    for name, entry in json.loads((HERE / "golden/golden.json").read_text()).items()
    if entry.get("coder") == "constriction" and name.endswith(".jlic")
}
LEVELLED = [name for name in GOLDEN if name.startswith("sic-")]


def folder_of(name: str) -> pathlib.Path:
    """The model's folder, the name of a golden file being MODEL-FINGERPRINT-CASE.jlic."""
    return WEIGHTS / name.rsplit("-", 2)[0]


@pytest.mark.parametrize("name", LEVELLED)
def test_golden_in_levels(name):
    data = (HERE / "golden" / name).read_bytes()
    latents = independent_levels.read(data, folder_of(name))
    assert hashlib.sha256(latents.tobytes()).hexdigest() == GOLDEN[name]
    assert data[5:9].hex() == name.split("-")[1] == fingerprint(folder_of(name), 2).hex()


@pytest.mark.parametrize("name", [name for name in GOLDEN if name not in LEVELLED])
def test_golden(name):
    data = (HERE / "golden" / name).read_bytes()
    header, latents = read(data, folder_of(name))
    assert latents.dtype == np.float32
    assert hashlib.sha256(latents.tobytes()).hexdigest() == GOLDEN[name]
    assert header["fingerprint"] == fingerprint(folder_of(name), header["version"])


def damage_is_noticed(data: bytes, folder: pathlib.Path) -> None:
    """Each byte of the first 40 and every 16th after them, flipped; cut; with a byte more."""
    for at in [*range(40), *range(40, len(data), 16)]:
        with pytest.raises(ValueError):
            read(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :], folder)
    for damaged in (data[:-1], data[:30], data[:5], b"", data + b"\0"):
        with pytest.raises(ValueError):
            read(damaged, folder)


@pytest.mark.parametrize("name", [name for name in GOLDEN if "-alpha" in name])
def test_damage(name):
    damage_is_noticed((HERE / "golden" / name).read_bytes(), folder_of(name))


def test_more_positions():
    """Enough positions for an integer bias of base that float64 would round otherwise."""
    crop = np.asarray(Image.open(HERE / "data/kodim23_crop.png").convert("RGB"))
    codec = jaxlic.load("base")
    data = codec.compress(np.tile(crop, (4, 4, 1))[:700, :1000], quality=50)
    assert np.array_equal(read(data, WEIGHTS / "base")[1], codec.latents(data))


@pytest.mark.parametrize("model", ["base", "dkic", "pyramid"])
def test_version_2(model):
    image = np.asarray(Image.open(HERE / "data/kodim23_crop.png").convert("RGB"))[:90, :120]
    codec = jaxlic.load(model)
    data = codec.compress(image, quality=33.33)
    header, latents = read(data, WEIGHTS / model)
    assert (header["version"], header["height"], header["width"]) == (2, 90, 120)
    assert header["quality"] == 3333
    about = json.loads((WEIGHTS / model / "model.json").read_text())
    assert header["number"] == about["number"]
    assert header["fingerprint"] == fingerprint(WEIGHTS / model)
    expected = np.asarray(codec.latents(data))
    np.testing.assert_array_equal(latents, expected.reshape(latents.shape))
    damage_is_noticed(data, WEIGHTS / model)
