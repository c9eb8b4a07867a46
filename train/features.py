"""Converts weights of perceptual metrics: `python -m train.features PTH OUT`."""

from __future__ import annotations

import argparse
import hashlib
import pathlib
import sys

EPILOG = """example:
  pip download stlpips_pytorch==0.0.2 --no-deps && unzip stlpips_pytorch-*.whl -d stlpips
  cp stlpips/stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth .
  python -m train.features vgg_shift_tolerant.pth vgg.safetensors

Reading a .pth file needs PyTorch. What is read is the `state_dict` of ST-LPIPS, in its AlexNet
or its VGG-16 form; anything else is refused. The SHA-256 of the file is printed; it should be
  alex  b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee  (these ship)
  vgg   44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m train.features",
        description="Convert the weights of ST-LPIPS for use with jaxlic.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=pathlib.Path, help="a .pth file of stlpips_pytorch")
    parser.add_argument("out", type=pathlib.Path, help="the .safetensors file to write")
    args = parser.parse_args(argv)

    from jaxlic.checkpoint import ModelError, save_arrays
    from jaxlic.perceptual import NETWORKS, assemble

    try:
        arrays = convert(_read(args.source))
        layers = sum(name.endswith("kernel") for name in arrays)
        network = next((n for n, (_, count) in NETWORKS.items() if count == layers), "alex")
        assemble(network, arrays)
        save_arrays(args.out, arrays)
    except (ImportError, ModelError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    digest = hashlib.sha256(args.source.read_bytes()).hexdigest()
    print(f"{args.out}: ST-LPIPS with {network}, from {digest}")
    return 0


def convert(state):
    """PyTorch's names and layouts to ours, float16: `conv{i}/kernel` HWIO, `head{i}` `[C]`."""
    import numpy as np

    convolutions = sorted(
        (
            name.removesuffix(".weight")
            for name in state
            if name.startswith("net.") and name.endswith(".weight")
        ),
        key=lambda name: int(name.rsplit(".", 1)[1]),
    )
    arrays = {}
    for i, name in enumerate(convolutions):
        arrays[f"conv{i}/kernel"] = state[f"{name}.weight"].transpose(2, 3, 1, 0)
        arrays[f"conv{i}/bias"] = state[f"{name}.bias"]
    for name, a in state.items():
        if name.startswith("lin"):
            arrays[f"head{name[3]}"] = a.reshape(-1)
    return {name: np.ascontiguousarray(a, np.float16) for name, a in arrays.items()}


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
        raise ValueError(f"{path}: not a state_dict ({error})") from error


if __name__ == "__main__":
    sys.exit(main())
