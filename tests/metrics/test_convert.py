"""From PyTorch's names and layouts to ours."""

import numpy as np
import pytest

from jaxlic.metrics import efficientnet, frechet
from jaxlic.metrics.convert import convert, main
from jaxlic.metrics.perceptual import assemble


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


def _lite0():
    """Every convolution of EfficientNet-Lite0 and its normalisation, PyTorch's way."""
    rng, state = np.random.default_rng(0), {}
    norms = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    for name, (height, width, before, after) in efficientnet.shapes().items():
        if name in ("stem", "head"):
            conv, norm = f"_conv_{name}", "_bn0" if name == "stem" else "_bn1"
        else:
            block, layer = name.removeprefix("block").split("_")
            conv, norm = (f"_blocks.{block}.{n}" for n in (f"_{layer}_conv", norms[layer]))
        shape = (after, before, height, width)
        state[f"{conv}.weight"] = rng.normal(size=shape).astype(np.float32)
        for part in ("weight", "running_var"):
            state[f"{norm}.{part}"] = rng.uniform(0.5, 2, after).astype(np.float32)
        for part in ("bias", "running_mean"):
            state[f"{norm}.{part}"] = rng.normal(size=after).astype(np.float32)
    return state


def test_normalisation_is_folded_into_kernels():
    state = _lite0()
    arrays = convert(state)
    frechet.assemble(arrays)
    x = np.random.default_rng(1).normal(size=16).astype(np.float32)
    block = "_blocks.1."
    mean, variance = (state[f"{block}_bn0.running_{part}"] for part in ("mean", "var"))
    y = state[f"{block}_expand_conv.weight"][:, :, 0, 0] @ x
    y = (y - mean) / np.sqrt(variance + 1e-3)
    y = y * state[f"{block}_bn0.weight"] + state[f"{block}_bn0.bias"]
    folded = x @ arrays["block1_expand/kernel"][0, 0] + arrays["block1_expand/bias"]
    np.testing.assert_allclose(folded, y, rtol=1e-4, atol=1e-4)
    del state["_blocks.3._bn1.running_var"]
    with pytest.raises(ValueError, match=r"holds no _blocks\.3\._bn1\.running_var"):
        convert(state)


def test_what_is_no_such_file_is_an_error_in_one_line(tmp_path, capsys):
    (tmp_path / "a.pth").write_bytes(b"nothing")
    assert main([str(tmp_path / "a.pth"), str(tmp_path / "out.safetensors")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.safetensors").exists()


def test_networks_that_are_not_known_are_refused():
    with pytest.raises(ValueError, match="no convolutions"):
        convert({"layer.0.weight": np.zeros((3, 3, 3, 3))})
