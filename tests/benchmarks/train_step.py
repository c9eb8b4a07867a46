"""A training step of the mean-scale hyperprior, beside PyTorch with the same layers.

    python -m tests.benchmarks.train_step [--torch PYTHON] [--batch 8] [--size 256]

N=128, M=192, 5x5 convolutions of stride 2, GDN, Gaussian likelihood of noisy latents, Adam:
the same layers, sizes and arithmetic on both sides. "plain lax" is the same model with the
convolutions as XLA differentiates them. Wall seconds, median of three steps; and the first
call, which compiles.
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

N, M = 128, 192
STEPS = 3


def _timed(step) -> dict[str, float]:
    began = time.perf_counter()
    step()
    first = time.perf_counter() - began
    times = []
    for _ in range(STEPS):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return {"first": first, "step": statistics.median(times)}


def with_jax(batch: int, size: int, plain: bool) -> dict[str, float]:
    import jax
    import jax.numpy as jnp
    import optax
    from flax import linen as nn
    from jax import lax

    from jaxlic.entropy.models import IndexedGaussian
    from jaxlic.nn import conv
    from jaxlic.nn.transforms import ConvAnalysis, ConvSynthesis

    if plain:
        conv.conv2d = _plain_conv
        conv.conv2d_transpose = lambda x, kernel, *, stride, precision=None: lax.conv_transpose(
            x, kernel, (stride, stride), "SAME"
        )

    class Model(nn.Module):
        @nn.compact
        def __call__(self, x, key):
            quality = jnp.ones(x.shape[0])
            y = ConvAnalysis(N, M)(x, quality)
            z = conv.Conv(N, 3)(y)
            z = conv.Conv(N, 5, stride=2)(nn.leaky_relu(z))
            z = conv.Conv(N, 5, stride=2)(nn.leaky_relu(z))
            keys = jax.random.split(key)
            z = z + jax.random.uniform(keys[0], z.shape) - 0.5
            h = nn.leaky_relu(conv.ConvTranspose(M)(z))
            h = nn.leaky_relu(conv.ConvTranspose(M * 3 // 2)(h))
            h = conv.Conv(2 * M, 3)(h)
            model = IndexedGaussian(h[..., :M], h[..., M:])
            y = y + jax.random.uniform(keys[1], y.shape) - 0.5
            x_hat = ConvSynthesis(N, M)(y, quality)
            return jnp.mean((x - x_hat) ** 2) + 1e-6 * jnp.sum(model.bits(y))

    model = Model()
    x = jax.random.uniform(jax.random.key(0), (batch, size, size, 3))
    params = jax.jit(model.init)(jax.random.key(1), x[:1, :64, :64], jax.random.key(2))
    optimizer = optax.adam(1e-4)
    state = {"params": params, "opt": optimizer.init(params)}

    @jax.jit
    def update(state, x, key):
        gradient = jax.grad(model.apply)(state["params"], x, key)
        updates, opt = optimizer.update(gradient, state["opt"])
        return {"params": optax.apply_updates(state["params"], updates), "opt": opt}

    def step():
        nonlocal state
        state = jax.block_until_ready(update(state, x, jax.random.key(3)))

    return _timed(step)


def _plain_conv(x, kernel, *, stride=1, padding=None, precision=None):
    from jax import lax

    from jaxlic.nn.conv import same_padding

    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding or same_padding(kernel.shape[0]),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def with_torch(batch: int, size: int) -> dict[str, float]:
    import torch
    from torch import nn

    torch.set_num_threads(os.cpu_count() or 1)

    class GDN(nn.Module):
        def __init__(self, channels, inverse=False):
            super().__init__()
            self.inverse = inverse
            self.beta = nn.Parameter(torch.ones(channels))
            self.gamma = nn.Parameter((0.1 * torch.eye(channels)).sqrt())

        def forward(self, x):
            norm = nn.functional.conv2d(
                x * x, (self.gamma**2)[:, :, None, None], self.beta**2 + 1e-6
            )
            return x * (norm.sqrt() if self.inverse else norm.rsqrt())

    def down(i, o, k=5, s=2):
        return nn.Conv2d(i, o, k, s, k // 2)

    def up(i, o):
        return nn.ConvTranspose2d(i, o, 5, 2, 2, 1)

    act = nn.LeakyReLU
    g_a = nn.Sequential(down(3, N), GDN(N), down(N, N), GDN(N), down(N, N), GDN(N), down(N, M))
    h_a = nn.Sequential(down(M, N, 3, 1), act(), down(N, N), act(), down(N, N))
    h_s = nn.Sequential(
        up(N, M), act(), up(M, M * 3 // 2), act(), down(M * 3 // 2, 2 * M, 3, 1)
    )
    g_s = nn.Sequential(
        up(M, N), GDN(N, True), up(N, N), GDN(N, True), up(N, N), GDN(N, True), up(N, 3)
    )
    model = nn.ModuleList([g_a, h_a, h_s, g_s])
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    x = torch.rand(batch, 3, size, size)

    def step():
        optimizer.zero_grad()
        y = g_a(x)
        z = h_a(y)
        mean, index = h_s(z + torch.rand_like(z) - 0.5).chunk(2, 1)
        y = y + torch.rand_like(y) - 0.5
        scale = 0.11 * torch.exp(0.123 * index) * 2**0.5
        v = (y - mean).abs()
        p = 0.5 * (torch.erfc((v - 0.5) / scale) - torch.erfc((v + 0.5) / scale))
        bits = -torch.log2(p.clamp_min(1e-9)).sum()
        (((x - g_s(y)) ** 2).mean() + 1e-6 * bits).backward()
        optimizer.step()

    return _timed(step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    workers = {
        "jaxlic": lambda: with_jax(args.batch, args.size, plain=False),
        "plain lax": lambda: with_jax(args.batch, args.size, plain=True),
        "PyTorch": lambda: with_torch(args.batch, args.size),
    }
    if args.worker:
        print(json.dumps(workers[args.worker]()))
        return
    print(
        f"{args.batch}x{args.size}x{args.size}, seconds\n{'':12}{'first call':>12}{'step':>8}"
    )
    for name in workers:
        python = args.torch if name == "PyTorch" else sys.executable
        if not python:
            continue
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
        command = [python, os.path.abspath(__file__), "--worker", name]
        command += ["--batch", str(args.batch), "--size", str(args.size)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        row = json.loads(done.stdout.splitlines()[-1])
        print(f"{name:12}{row['first']:>12.2f}{row['step']:>8.2f}")


if __name__ == "__main__":
    main()
