"""The synthesis in int8: close to float32, smaller, and refused where it cannot be."""

import numpy as np
import pytest

from jaxlic import int8, models, portable
from jaxlic.api import ImageCodec
from jaxlic.cli import main
from jaxlic.errors import ModelError
from tests.conftest import DATA, TINY

SHAPE = (64, 128)


@pytest.fixture(scope="module")
def codec(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    models.save_model(path, tiny[1], TINY, {"id": "tiny", "number": 0})
    return ImageCodec(models.load_model(path))


def test_examples_are_the_latents_of_the_files(codec, photo):
    found = int8.examples(codec, [photo], SHAPE)
    assert len(found) == len(int8.QUALITIES)
    assert {float(e.arrays["quality"][0]) for e in found} == set(int8.QUALITIES)
    for example in found:
        assert example.photo.shape == (*SHAPE, 3)
        data = codec.compress(example.photo, quality=float(example.arrays["quality"][0]))
        np.testing.assert_array_equal(example.arrays["latent"][0], codec.latents(data))
    with pytest.raises(ModelError, match="256x192 is smaller than 512x512"):
        int8.examples(codec, [photo], (512, 512))


def test_int8_is_close_and_not_the_same(codec, photo):
    pytest.importorskip("jax2onnx", reason="needs jaxlic[export]")
    pytest.importorskip("onnxruntime", reason="needs jaxlic[export]")
    program = portable.program(codec.model, "synthesis", SHAPE)
    onnx, found = portable.onnx(program), int8.examples(codec, [photo], SHAPE)
    small = int8.quantised(onnx, found)
    loss = int8.compare(onnx, small, found, program.output)
    assert 0 < loss.levels <= 16 and 0 < loss.mean < 1 and loss.worst_db < 1
    same = int8.compare(onnx, onnx, found, program.output)
    assert same == int8.Loss(0, 0.0, 0.0, 0.0)


def test_what_the_command_refuses(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos = ["--int8", str(DATA)]
    for more, said in (
        (["--part", "analysis"], "--int8 is for the synthesis as ONNX alone"),
        (["--to", "stablehlo"], "--int8 is for the synthesis as ONNX alone"),
    ):
        assert main(["export", "base", *photos, *more]) == 2
        assert said in capsys.readouterr().err
    assert main(["export", "base", "--int8", "missing"]) == 2
    assert "missing: no such folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
