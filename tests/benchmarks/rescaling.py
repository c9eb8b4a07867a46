"""The published x2 rescaler: memory of its training step, and time beside PyTorch.

    python -m tests.benchmarks.rescaling [--torch PYTHON] [--batch 1] [--size 128]

SAIN x2 with dense blocks, both directions, on random images of `size`: the loss is the sum of
squares of what comes back, so that all of both directions is differentiated. Memory is what
the compiler reports as temporary, for every mode of `rescaling.coupling.Chain`; time is the
median of three steps.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

STEPS = 3


def with_jax(batch: int, size: int, mode: str, timed: bool) -> dict[str, float]:
    import jax
    import jax.numpy as jnp

    from jaxlic.rescaling.sain import PAPER_X2, Invertible

    model = Invertible(PAPER_X2, mode=mode)
    x = jnp.zeros((batch, size, size, 3))
    z = jnp.zeros((batch, size // 2, size // 2, 9))

    def both(module, x, z):
        return module.inverse(module.forward(x).compressed, z).hr

    def cost(params, x, z):
        return jnp.sum(jnp.square(model.apply(params, x, z, method=both)))

    shapes = jax.eval_shape(
        lambda: model.init(jax.random.key(0), x[:1, :16, :16], z[:1, :8, :8], method=both)
    )
    step = jax.jit(jax.grad(cost))
    began = time.perf_counter()
    compiled = step.lower(shapes, x, z).compile()
    row = {
        "compile": time.perf_counter() - began,
        "temporary": compiled.memory_analysis().temp_size_in_bytes / 2**20,
    }
    if timed:
        params = jax.tree.map(lambda a: jnp.full(a.shape, 0.01), shapes)
        row["step"] = _median(lambda: jax.block_until_ready(compiled(params, x, z)))
    return row


def with_torch(batch: int, size: int) -> dict[str, float]:
    import torch
    from torch import nn

    torch.set_num_threads(os.cpu_count() or 1)

    class Dense(nn.Module):
        def __init__(self, i, o, growth=32):
            super().__init__()
            sizes = [growth] * 4 + [o]
            self.convs = nn.ModuleList(
                nn.Conv2d(i + k * growth, n, 3, 1, 1) for k, n in enumerate(sizes)
            )

        def forward(self, x):
            seen = [x]
            for conv in self.convs[:4]:
                seen.append(nn.functional.leaky_relu(conv(torch.cat(seen, 1)), 0.2))
            return self.convs[4](torch.cat(seen, 1))

    class Block(nn.Module):
        def __init__(self, enhanced):
            super().__init__()
            self.e = Dense(9, 3) if enhanced else None
            self.f, self.g, self.h = Dense(9, 3), Dense(3, 9), Dense(3, 9)

        def forward(self, low, high):
            if self.e is not None:
                low = low + self.e(high)
            low = low + self.f(high)
            scale = 2 * torch.sigmoid(self.h(low)) - 1
            return low, high * scale.exp() + self.g(low)

        def inverse(self, low, high):
            scale = 2 * torch.sigmoid(self.h(low)) - 1
            high = (high - self.g(low)) * (-scale).exp()
            low = low - self.f(high)
            return (low if self.e is None else low - self.e(high)), high

    blocks = nn.ModuleList([Block(True) for _ in range(5)] + [Block(False) for _ in range(3)])
    with torch.no_grad():
        for p in blocks.parameters():
            p.fill_(0.01)
    x, z = torch.zeros(batch, 3, size, size), torch.zeros(batch, 9, size // 2, size // 2)

    def step():
        blocks.zero_grad()
        state = nn.functional.pixel_unshuffle(x, 2)
        low, high = state[:, :3], state[:, 3:]
        for block in blocks:
            low, high = block(low, high)
        high = z
        for block in reversed(blocks):
            low, high = block.inverse(low, high)
        (low.square().sum() + high.square().sum()).backward()

    return {"step": _median(step)}


def _median(step) -> float:
    step()
    times = []
    for _ in range(STEPS):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--modes", default="unroll,scan,reversible", help="by comma")
    parser.add_argument("--no-times", action="store_true", help="memory alone")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker == "PyTorch":
        print(json.dumps(with_torch(args.batch, args.size)))
        return
    if args.worker:
        print(json.dumps(with_jax(args.batch, args.size, args.worker, not args.no_times)))
        return
    print(
        f"{args.batch}x{args.size}x{args.size}\n{'':12}{'MiB':>8}{'compile s':>11}{'step s':>8}"
    )
    names = [*args.modes.split(","), *(["PyTorch"] if args.torch else [])]
    for name in names:
        python = args.torch if name == "PyTorch" else sys.executable
        command = [python, os.path.abspath(__file__), "--worker", name]
        command += ["--batch", str(args.batch), "--size", str(args.size)]
        command += ["--no-times"] if args.no_times else []
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        row = json.loads(done.stdout.splitlines()[-1])
        cells = (row.get("temporary"), row.get("compile"), row.get("step"))
        text = ["-" if c is None else f"{c:.2f}" for c in cells]
        print(f"{name:12}{text[0]:>8}{text[1]:>11}{text[2]:>8}")


if __name__ == "__main__":
    main()
