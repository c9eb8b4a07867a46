"""What is exported: size, difference and time in onnxruntime, beside JAX in the same run.

python -m tests.benchmarks.portable [--size 768x512] [MODEL[:PART] ...]
python -m tests.benchmarks.portable --int8 FOLDER [--size 768x512] [MODEL ...]

With `--int8` the synthesis in int8 beside: calibrated on all photographs of the folder but the
last, measured on that; processor seconds, the three taking turns.
"""

from __future__ import annotations

import argparse
import pathlib
import time

import jax
import numpy as np
import onnxruntime

import jaxlic
from jaxlic import int8, models, portable
from jaxlic.commands.export import size
from jaxlic.files import images


def best(function, repeats=5):
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def row(name: str, shape: tuple[int, int]) -> str:
    """A line of the table."""
    model, _, part = name.partition(":")
    program = portable.program(models.load_model(model), part or "synthesis", shape)
    onnx, other = portable.onnx(program), portable.stablehlo(program)
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    rng, arrays = np.random.default_rng(0), {}
    for key, a in program.inputs.items():
        drawn = (
            rng.integers(0, 256, a.shape) if a.dtype == np.uint8 else rng.normal(size=a.shape)
        )
        arrays[key] = np.full(a.shape, 50, "f4") if key == "quality" else drawn.astype(a.dtype)
    ours = jax.jit(program.function)
    expected = np.asarray(ours(*arrays.values()), float)
    (theirs,) = session.run([program.output], arrays)
    seconds = best(lambda: ours(*arrays.values()).block_until_ready())
    there = best(lambda: session.run([program.output], arrays))
    return (
        f"| {name} | {len(onnx) / 1e6:.1f} | {len(other) / 1e6:.1f} "
        f"| {np.abs(expected - theirs).max():.3g} | {seconds:.3f} | {there:.3f} |"
    )


def quantised(name: str, shape: tuple[int, int], folder: pathlib.Path) -> None:
    """Prints the size, the loss and the times of a model's synthesis in int8."""
    codec = jaxlic.load(name)
    *photos, last = [images.read_rgb(path) for path in images.find(folder)]
    held_out = int8.examples(codec, [last], shape)
    program = portable.program(codec.model, "synthesis", shape)
    onnx = portable.onnx(program)
    small = int8.quantised(onnx, int8.examples(codec, photos, shape))
    print(name, f"{len(onnx) / 1e6:.1f} MB,", f"int8 {len(small) / 1e6:.1f} MB")
    print(int8.compare(onnx, small, held_out, program.output))
    arrays, ours = held_out[0].arrays, jax.jit(program.function)
    there, in_int8 = (
        onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        for data in (onnx, small)
    )
    sides = {
        "JAX": lambda: ours(**arrays).block_until_ready(),
        "float32": lambda: there.run([program.output], arrays),
        "int8": lambda: in_int8.run([program.output], arrays),
    }
    taken = {side: [] for side in sides}
    for _ in range(10):
        for side, function in sides.items():
            began = time.process_time()
            function()
            taken[side].append(time.process_time() - began)
    print(", ".join(f"{side} {min(times[1:]):.3f} s" for side, times in taken.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size, default=(512, 768))
    known = ["base:synthesis", "dkic:synthesis", "base:analysis", "sain-x2:upscale"]
    parser.add_argument("models", nargs="*", default=known)
    parser.add_argument("--int8", type=pathlib.Path, metavar="FOLDER")
    args = parser.parse_args()
    if args.int8 is not None:
        for name in args.models if args.models is not known else ["base"]:
            quantised(name, args.size, args.int8)
        return
    print(
        "| network | ONNX, MB | StableHLO, MB | largest difference | JAX, s | onnxruntime, s |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for name in args.models:
        print(row(name, args.size), flush=True)


if __name__ == "__main__":
    main()
