"""A training step of the mean-scale hyperprior, beside PyTorch with the same layers.

    python -m tests.benchmarks.train_step [--torch PYTHON] [--layers] [--batch 8] [--size 256]

N=128, M=192, 5x5 convolutions of stride 2, GDN, Gaussian likelihood of noisy latents, Adam:
the same layers, sizes and arithmetic on both sides. "plain" is the same model with the
convolutions as XLA differentiates them. `--layers` times every layer of the two transforms
alone: forward, and forward with the gradients of its input and parameters.

Each side is a process of its own; they take turns, so that a busy machine slows them alike.
Medians over the rounds, of seconds on the clock or, with `--cpu`, of the processor time of
all threads, which says more on a machine that others use.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

N, M = 128, 192
LAYERS = {  # By name: what it is, channels in and out, the size of its input in 256ths.
    "conv 3-128": ("conv", 3, N, 256),
    "GDN at 1/2": ("GDN", N, N, 128),
    "conv 128-128 at 1/2": ("conv", N, N, 128),
    "GDN at 1/4": ("GDN", N, N, 64),
    "conv 128-128 at 1/4": ("conv", N, N, 64),
    "GDN at 1/8": ("GDN", N, N, 32),
    "conv 128-192 at 1/8": ("conv", N, M, 32),
    "Gaussian bits": ("bits", M, M, 16),
    "transposed 192-128 at 1/16": ("transposed", M, N, 16),
    "inverse GDN at 1/8": ("inverse GDN", N, N, 32),
    "transposed 128-128 at 1/8": ("transposed", N, N, 32),
    "inverse GDN at 1/4": ("inverse GDN", N, N, 64),
    "transposed 128-128 at 1/4": ("transposed", N, N, 64),
    "inverse GDN at 1/2": ("inverse GDN", N, N, 128),
    "transposed 128-3 at 1/2": ("transposed", N, 3, 128),
}
Rows = dict[str, Callable[[], object]]


def with_jax(batch: int, size: int, layers: bool, plain: bool) -> Rows:
    """By name what is timed: a step, or the layers."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import linen as nn
    from jax import lax

    from jaxlic.entropy.models import IndexedGaussian
    from jaxlic.nn import conv
    from jaxlic.nn.gdn import GDN
    from jaxlic.nn.transforms import ConvAnalysis, ConvSynthesis

    if plain:
        conv.conv2d = _plain_conv
        conv.conv2d_transpose = lambda x, kernel, *, stride=2, result=None: lax.conv_transpose(
            x, kernel, (stride, stride), "SAME", preferred_element_type=result
        )

    def layer(kind, channels, features, place):
        x = jax.random.normal(jax.random.key(0), (batch, *2 * (place * size // 256,), channels))
        if kind == "bits":
            index = 20 * jax.random.uniform(jax.random.key(1), x.shape)
            apply, params = lambda p, x: IndexedGaussian(*p).bits(x), (0.1 * x, index)
        else:
            module = {
                "conv": conv.Conv(features, 5, stride=2),
                "transposed": conv.ConvTranspose(features),
                "GDN": GDN(),
                "inverse GDN": GDN(inverse=True),
            }[kind]
            apply, params = module.apply, module.init(jax.random.key(1), x[:1])
        forward = jax.jit(apply)
        dy = jax.random.normal(jax.random.key(2), jax.eval_shape(forward, params, x).shape)

        @jax.jit
        def both(params, x, dy):
            y, pull = jax.vjp(apply, params, x)
            return y, pull(dy)

        return (
            lambda: jax.block_until_ready(forward(params, x)),
            lambda: jax.block_until_ready(both(params, x, dy)),
        )

    if layers:
        return _pairs({name: layer(*of) for name, of in LAYERS.items()})

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

    @functools.partial(jax.jit, donate_argnums=0)
    def update(state, x, key):
        gradient = jax.grad(model.apply)(state["params"], x, key)
        updates, opt = optimizer.update(gradient, state["opt"])
        return {"params": optax.apply_updates(state["params"], updates), "opt": opt}

    def step():
        nonlocal state
        state = jax.block_until_ready(update(state, x, jax.random.key(3)))

    return {"step": step}


def _plain_conv(x, kernel, *, stride=1, padding=None, precision=None, result=None):
    from jax import lax

    from jaxlic.nn.conv import same_padding

    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding or same_padding(kernel.shape[0]),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=precision,
        preferred_element_type=result,
    )


def with_torch(batch: int, size: int, layers: bool) -> Rows:
    """As `with_jax`."""
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

    def layer(kind, channels, features, place):
        x = torch.randn(batch, channels, *2 * (place * size // 256,), requires_grad=True)
        if kind == "bits":
            mean = (0.1 * x).detach().requires_grad_()
            index = (20 * torch.rand_like(x)).requires_grad_()
            forward = lambda: gaussian_bits(x, mean, index)  # noqa: E731
        else:
            module = {
                "conv": lambda: down(channels, features),
                "transposed": lambda: up(channels, features),
                "GDN": lambda: GDN(features),
                "inverse GDN": lambda: GDN(features, True),
            }[kind]()
            forward = lambda: module(x)  # noqa: E731
        dy = torch.randn_like(forward())
        return forward, lambda: forward().backward(dy)

    def gaussian_bits(y, mean, index):
        scale = 0.11 * torch.exp(0.123 * index) * 2**0.5
        v = (y - mean).abs()
        p = 0.5 * (torch.erfc((v - 0.5) / scale) - torch.erfc((v + 0.5) / scale))
        return -torch.log2(p.clamp_min(1e-9))

    def down(i, o, k=5, s=2):
        return nn.Conv2d(i, o, k, s, k // 2)

    def up(i, o):
        return nn.ConvTranspose2d(i, o, 5, 2, 2, 1)

    if layers:
        return _pairs({name: layer(*of) for name, of in LAYERS.items()})
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
        bits = gaussian_bits(y, mean, index).sum()
        (((x - g_s(y)) ** 2).mean() + 1e-6 * bits).backward()
        optimizer.step()

    return {"step": step}


def _pairs(rows) -> Rows:
    forward = {name: pair[0] for name, pair in rows.items()}
    return forward | {f"{name}, gradient": pair[1] for name, pair in rows.items()}


def work(rows: Rows) -> None:
    """Answers every line of input, a name, with a line of seconds: clock and processor."""
    print(json.dumps(list(rows)), flush=True)
    for line in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        rows[line.strip()]()
        print(time.perf_counter() - began, time.process_time() - used, flush=True)


class Side:
    """A process that does the work of one side when asked."""

    def __init__(self, python: str, name: str, args: argparse.Namespace):
        command = [python, os.path.abspath(__file__), "--worker", name]
        command += ["--batch", str(args.batch), "--size", str(args.size)]
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
        self.process = subprocess.Popen(
            command + ["--layers"] * args.layers,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.rows = json.loads(self._answer())

    def _answer(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the worker stopped")
        return line

    def seconds(self, row: str) -> tuple[float, float]:
        self.process.stdin.write(row + "\n")
        self.process.stdin.flush()
        clock, processor = self._answer().split()
        return float(clock), float(processor)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--layers", action="store_true")
    parser.add_argument("--plain", action="store_true", help="XLA's own gradients as well")
    parser.add_argument("--cpu", action="store_true", help="processor time, not the clock's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        if args.worker == "PyTorch":
            work(with_torch(args.batch, args.size, args.layers))
        else:
            work(with_jax(args.batch, args.size, args.layers, args.worker == "plain"))
        return
    sides = {"jaxlic": Side(sys.executable, "jaxlic", args)}
    if args.torch:
        sides["PyTorch"] = Side(args.torch, "PyTorch", args)
    if args.plain:
        sides["plain"] = Side(sys.executable, "plain", args)
    unit = 1 if not args.layers else 1000
    head = "".join(f"{name:>10}" for name in sides) + ("     ratio" if args.torch else "")
    print(f"{args.batch}x{args.size}x{args.size}, {'ms' if args.layers else 's'}")
    print(f"{'':38}{head}")
    sums = dict.fromkeys(sides, 0.0)
    for row in sides["jaxlic"].rows:
        first = {name: side.seconds(row)[args.cpu] for name, side in sides.items()}
        taken = {name: [] for name in sides}
        for _ in range(args.rounds):
            for name, side in sides.items():
                taken[name].append(side.seconds(row)[args.cpu])
        found = {name: statistics.median(times) for name, times in taken.items()}
        if args.layers:
            sums = {name: sums[name] + found[name] * ("gradient" in row) for name in sides}
        else:
            _line("first call", first, unit)
        _line(row, found, unit)
    if args.layers:
        _line("all, gradient", sums, unit)
    for side in sides.values():
        side.close()


def _line(name: str, seconds: dict[str, float], unit: int) -> None:
    line = "".join(f"{unit * value:>10.{0 if unit > 1 else 2}f}" for value in seconds.values())
    if "PyTorch" in seconds:
        line += f"{seconds['jaxlic'] / seconds['PyTorch']:>10.2f}"
    print(f"{name:38}{line}", flush=True)


if __name__ == "__main__":
    main()
