"""From PyTorch's names and layouts to ours."""

import numpy as np
import pytest

from jaxlic.perceptual import assemble
from train.features import convert, main


def _state():
    rng, shapes = np.random.default_rng(0), [(64, 3, 11), (192, 64, 5), (384, 192, 3)]
    shapes += [(256, 384, 3), (256, 256, 3)]
    names = ["slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13"]
    state = {"scaling_layer.shift": np.zeros((1, 3, 1, 1))}
    for i, (name, (o, c, edge)) in enumerate(zip(names, shapes, strict=True)):
        state[f"net.{name}.weight"] = rng.normal(size=(o, c, edge, edge)).astype(np.float32)
        state[f"net.{name}.bias"] = rng.normal(size=o).astype(np.float32)
        state[f"lin{i}.model.1.weight"] = rng.random((1, o, 1, 1)).astype(np.float32)
    return state


def test_kernels_are_turned_and_everything_finds_its_place():
    state = _state()
    arrays = convert(state)
    assemble("st-lpips-alex", arrays)
    kernel = arrays["conv1/kernel"]
    assert kernel.shape == (5, 5, 64, 192)
    np.testing.assert_allclose(
        kernel[2, 3, 7, 11], state["net.slice2.5.weight"][11, 7, 2, 3], rtol=1e-3
    )
    np.testing.assert_allclose(arrays["head3"], state["lin3.model.1.weight"].ravel(), rtol=1e-3)


def test_what_is_no_such_file_is_an_error_in_one_line(tmp_path, capsys):
    (tmp_path / "a.pth").write_bytes(b"nothing")
    assert main([str(tmp_path / "a.pth"), str(tmp_path / "out.safetensors")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.safetensors").exists()


def test_networks_that_are_not_known_are_refused():
    with pytest.raises(ValueError, match="no convolutions"):
        convert({"layer.0.weight": np.zeros((3, 3, 3, 3))})
