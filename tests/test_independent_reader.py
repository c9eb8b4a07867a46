"""A reader written from `docs/bitstream.md` alone finds the latents that jaxlic finds."""

import hashlib
import json
import pathlib

import jax
import numpy as np
import pytest
from PIL import Image

import jaxlic
from jaxlic import models
from jaxlic.codecs.transform import transform_codec
from tests import independent_levels
from tests.codecs.test_contract import SMALL
from tests.independent_reader import fingerprint, read
from tests.random_params import random_params

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


def test_contexts_that_see_magnitudes(tmp_path):
    """Three slices, of which the last has two passes, with weights that are not at rest."""
    settings = SMALL["pyramid.lapped"] | dict(slices=[2, 4, 10], passes=[4, 1, 2])
    del settings["synthesis_widths"]
    spec = models.Spec("pyramid.lapped", settings)
    init = transform_codec(models.build(spec)).init
    params = random_params(init, np.zeros((1, 64, 64, 3), "f4"), jax.random.key(0), scale=0.05)
    models.save_model(tmp_path / "tiny", params, spec, {"id": "tiny", "number": 0})
    codec = jaxlic.load(tmp_path / "tiny")
    crop = np.asarray(Image.open(HERE / "data/kodim23_crop.png").convert("RGB"))[:90, :120]
    for quality in (5, 90):
        data = codec.compress(crop, quality=quality)
        latents = read(data, tmp_path / "tiny")[1]
        assert np.array_equal(latents, codec.latents(data)) and np.abs(latents).max() > 4


def test_grey():
    crop = np.asarray(Image.open(HERE / "data/kodim23_crop.png").convert("L"))[:64, :64]
    data = jaxlic.load("base").compress(crop)
    assert read(data, WEIGHTS / "base")[0]["grey"]


@pytest.mark.parametrize("model", ["base", "dkic", "pyramid-3"])
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
