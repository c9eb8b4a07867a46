"""What is exported: size, difference and time in onnxruntime, beside JAX in the same run.

python -m tests.benchmarks.portable [--size 768x512] [MODEL[:PART] ...]
"""

from __future__ import annotations

import argparse
import time

import jax
import numpy as np
import onnxruntime

from jaxlic import models, portable
from jaxlic.commands.export import size


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size, default=(512, 768))
    known = ["base:synthesis", "dkic:synthesis", "base:analysis", "sain-x2:upscale"]
    parser.add_argument("models", nargs="*", default=known)
    args = parser.parse_args()
    print(
        "| network | ONNX, MB | StableHLO, MB | largest difference | JAX, s | onnxruntime, s |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for name in args.models:
        print(row(name, args.size), flush=True)


if __name__ == "__main__":
    main()
