"""Exported networks, run without the library that wrote them, give the same pixels."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlic import models, portable
from jaxlic.cli import main
from jaxlic.errors import ModelError
from tests.conftest import TINY

pytest.importorskip("flatbuffers")
SHAPE = (64, 128)


@pytest.fixture(scope="module")
def model(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    models.save_model(path, tiny[1], TINY, {"id": "tiny", "number": 0})
    return models.load_model(path)


def _arrays(program):
    rng = np.random.default_rng(0)
    for name, a in program.inputs.items():
        if name == "quality":
            yield np.full(a.shape, 40, np.float32)
        elif a.dtype == jnp.uint8:
            yield rng.integers(0, 256, a.shape, np.uint8)
        else:
            yield rng.normal(scale=2, size=a.shape).astype(np.float32)


@pytest.mark.parametrize("part", ["synthesis", "analysis"])
def test_stablehlo_computes_what_the_codec_does(model, part):
    program = portable.program(model, part, SHAPE)
    data = portable.stablehlo(program)
    again = jax.export.deserialize(data)
    assert set(again.platforms) == {"cpu", "cuda", "tpu"}
    arrays = list(_arrays(program))
    ours = model.codec.synthesise if part == "synthesis" else model.codec.analyse
    expected = ours(model.params, arrays[0], arrays[1], np.array([SHAPE], np.int32))
    found = again.call(*arrays)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    np.testing.assert_allclose(
        np.asarray(found, np.float32), np.asarray(expected, np.float32), atol=1, rtol=1e-4
    )


def test_onnx_is_within_a_level_in_another_runtime(model):
    pytest.importorskip("jax2onnx", reason="needs jaxlic[export]")
    runtime = pytest.importorskip("onnxruntime", reason="needs jaxlic[export]")
    program = portable.program(model, "synthesis", SHAPE)
    session = runtime.InferenceSession(portable.onnx(program))
    arrays = dict(zip(program.inputs, _arrays(program), strict=True))
    (found,) = session.run([program.output], arrays)
    expected = np.asarray(jax.jit(program.function)(*arrays.values()))
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found.astype(int), expected, atol=1)


def test_what_cannot_be_asked_for(model):
    with pytest.raises(ModelError, match="tiny: has no upscale"):
        portable.program(model, "upscale", SHAPE)
    with pytest.raises(ModelError, match="tiny: 100x64 does not divide by 64"):
        portable.program(model, "synthesis", (64, 100))
    with pytest.raises(ModelError, match="tiny: 0x0"):
        portable.program(model, "synthesis", (0, 0))


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["export", "sain-x2", "--to", "stablehlo", "--size", "64x32"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.startswith("sain-x2-upscale.stablehlo: ") and "[1, 16, 32, 3]" in said
    thumbnail = np.zeros((1, 16, 32, 3), np.uint8)
    exported = jax.export.deserialize((tmp_path / "sain-x2-upscale.stablehlo").read_bytes())
    assert exported.call(thumbnail).shape == (1, 32, 64, 3)
    assert main(command) == 2
    assert "exists; use --force" in capsys.readouterr().err
    assert main(["export", "base", "--part", "upscale"]) == 2
    assert capsys.readouterr().err.strip() == "jaxlic: error: base: has no upscale"
    for text in ("64", "axb", "99999x99999"):
        with pytest.raises(SystemExit) as stopped:
            main(["export", "base", "--size", text])
        assert stopped.value.code == 2
