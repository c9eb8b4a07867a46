"""The dynamic kernel beside a plain 3x3 convolution, and beside PyTorch.

    python -m tests.benchmarks.dynamic [--torch PYTHON] [--batch 8] [--size 24] [--channels 128]

Forward, and forward with all gradients, of aggregation alone (no projections) at random
offsets below the radius; best of five, in ms. Memory is what the compiler reports as temporary
for the gradient. PyTorch has the same function from `grid_sample`, a call a tap, the borders
repeated.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

GROUP, TAPS, REPEATS = 16, 9, 5


def with_jax(b: int, n: int, c: int) -> dict[str, list[float | None]]:
    import jax
    import jax.numpy as jnp

    from jaxlic.nn.conv import conv2d
    from jaxlic.ops.warp import aggregate_gather, aggregate_window

    keys = jax.random.split(jax.random.key(0), 4)
    g = c // GROUP
    u = jax.random.normal(keys[0], (b, n, n, c))
    kernel = jax.random.normal(keys[1], (3, 3, c, c)) * 0.01
    weights = jax.nn.softmax(jax.random.normal(keys[2], (b, n, n, g, TAPS)))
    raw = jax.random.normal(keys[3], (b, n, n, g, TAPS, 2))

    def row(function, *args):
        def cost(*args):
            return jnp.sum(jnp.sin(function(*args)))

        forward = jax.jit(function).lower(*args).compile()
        backward = jax.jit(jax.grad(cost, tuple(range(len(args))))).lower(*args).compile()
        memory = backward.memory_analysis().temp_size_in_bytes / 2**20
        times = (
            _best(lambda f=f: jax.block_until_ready(f(*args))) for f in (forward, backward)
        )
        return [*times, memory]

    rows = {"plain 3x3": row(conv2d, u, kernel)}
    for radius in (1, 2, 3):
        offsets = 0.99 * radius * jnp.tanh(raw)
        for function in (aggregate_gather, aggregate_window):
            bounded = functools.partial(function, radius=radius)
            name = f"{function.__name__.removeprefix('aggregate_')}, R={radius}"
            rows[name] = row(bounded, u, offsets, weights)
    return rows


def with_torch(b: int, n: int, c: int) -> dict[str, list[float | None]]:
    import torch
    from torch.nn import functional

    torch.set_num_threads(os.cpu_count() or 1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rng, g = np.random.default_rng(0), c // GROUP

    def tensor(*shape):
        values = torch.tensor(rng.normal(size=shape), dtype=torch.float32, device=device)
        return values.requires_grad_()

    u, kernel = tensor(b, c, n, n), tensor(c, c, 3, 3)
    offsets, logits = tensor(b * g, TAPS, n, n, 2), tensor(b * g, TAPS, n, n)
    steps = torch.arange(n, device=device, dtype=torch.float32)
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
    taps = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]

    def aggregate():
        images, weights = u.reshape(b * g, GROUP, n, n), logits.softmax(1)
        total = 0
        for k, (i, j) in enumerate(taps):
            place = grid + 2 * offsets[:, k].tanh() + torch.tensor([j, i], device=device)
            read = functional.grid_sample(
                images, place * 2 / (n - 1) - 1, padding_mode="border", align_corners=True
            )
            total = total + weights[:, k, None] * read
        return total

    def measured(function):
        def backward():
            function().sin().sum().backward()
            if device == "cuda":
                torch.cuda.synchronize()

        with torch.no_grad():
            forward = _best(function)
        return [forward, _best(backward), None]

    return {
        "PyTorch plain 3x3": measured(lambda: functional.conv2d(u, kernel, padding=1)),
        "PyTorch, R=2": measured(aggregate),
    }


def _best(call) -> float:
    call()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=24, help="height and width, in samples")
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--worker", choices=("jax", "torch"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    sizes = (args.batch, args.size, args.channels)
    if args.worker:
        print(json.dumps({"jax": with_jax, "torch": with_torch}[args.worker](*sizes)))
        return
    print(f"{args.batch}x{args.size}x{args.size}x{args.channels}")
    print(f"{'':20}{'forward ms':>11}{'+ backward':>11}{'MiB':>7}")
    workers = [("jax", sys.executable), *([("torch", args.torch)] if args.torch else [])]
    for name, python in workers:
        command = [python, os.path.abspath(__file__), "--worker", name]
        command += ["--batch", str(sizes[0]), "--size", str(sizes[1])]
        command += ["--channels", str(sizes[2])]
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        for row, (forward, backward, memory) in json.loads(
            done.stdout.splitlines()[-1]
        ).items():
            last = "-" if memory is None else f"{memory:.0f}"
            print(f"{row:20}{forward:>11.1f}{backward:>11.1f}{last:>7}")


if __name__ == "__main__":
    main()
