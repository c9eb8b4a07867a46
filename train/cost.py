"""What a step costs on a machine that one does not have, as its compiler tells."""

from __future__ import annotations

import dataclasses
import math
import re
import time
from collections import Counter
from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

from jaxlic.errors import one_line
from jaxlic.ops.platforms import traced_for
from jaxlic.report.complexity import count
from train.chips import EXAMPLES, Chip, Machine, MachineError
from train.compile import trace_step
from train.experiment import Experiment

_COLLECTIVE = re.compile(
    r"= (?P<type>\(.*?\)|\S+) "
    r"(?P<name>all-reduce|all-gather|reduce-scatter|collective-permute|all-to-all)"
    r"(?P<start>-start)?\("
)
_ARRAY = re.compile(r"\b(pred|[suf]\d+|bf16|f8\w+)\[([\d,]*)\]")
_QUICK = {"exec_time_optimization_effort": -1.0}
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Cost(NamedTuple):
    """Of one step, on one of the devices.

    Attributes:
        devices: how many there are.
        memory: bytes at the peak.
        flops: of convolutions and matrix products: twice the multiply-accumulates.
        traffic: bytes to and from memory, as XLA estimates them: the body of a loop counts
            once. None where it does not.
        collectives: `(name, bytes)` to how many of them.
        seconds: that compiling took.
        quick: whether the compiler was told not to try hard.
    """

    devices: int
    memory: int
    flops: float
    traffic: float | None
    collectives: Counter[tuple[str, int]]
    seconds: float
    quick: bool = False

    def roofline(self, chip: Chip) -> float:
        """Seconds that no step can be faster than. Williams et al. 2009."""
        return max(self.flops / chip.flops, (self.traffic or 0.0) / chip.bandwidth)


def devices(m: Machine) -> list[jax.Device]:
    """The devices of `m`, to compile for.

    Raises:
        MachineError: if the compiler does not know it.
    """
    try:
        topology = topologies.get_topology_desc(platform=m.platform, **m.arguments)
    except (RuntimeError, ValueError, NotImplementedError, KeyError) as error:
        said = one_line(error)
        raise MachineError(f"{m.name}: not known ({said}); there are {EXAMPLES}") from error
    return list(topology.devices)


def cost(e: Experiment, m: Machine, *, quick: bool = False) -> Cost:
    """Compiles the step of `e` for `m`.

    With `quick` the compiler tries less hard: it is done sooner, and memory and traffic are
    more than training would take.

    Raises:
        MachineError: if the machine is not known, or the step does not fit its memory or
            cannot be had there.
        ConfigError: if the batch does not divide by the number of devices.
    """
    there = devices(m)
    began = time.monotonic()
    with traced_for(m.platform):
        traced = trace_step(e, there)
        try:
            lowered = traced.lower()
        except (NotImplementedError, ValueError) as error:
            raise MachineError(
                f"{m.name}: the step cannot be lowered for it ({one_line(error)}); what runs "
                "on the host, such as real files, has no place there (--set real=false)"
            ) from error
    try:
        compiled = _compiled(lowered, _QUICK if quick else {})
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise MachineError(_too_big(e, m, error)) from error
        raise MachineError(f"{m.name}: its compiler failed ({one_line(error)})") from error
    statistics = compiled.memory_analysis()
    memory = int(statistics.peak_memory_in_bytes)
    if memory > m.chip.memory:
        raise MachineError(_lacking(e, m, memory, m.chip.memory))
    # What XLA counts of loops is one turn; the trace has them all.
    flops = 2.0 * count(traced.jaxpr.jaxpr) / len(there)
    found = compiled.cost_analysis() or {}
    traffic = found.get("bytes accessed")
    counted = collectives(compiled.as_text() or "")
    return Cost(len(there), memory, flops, traffic, counted, time.monotonic() - began, quick)


def _compiled(lowered: Any, options: dict[str, Any]) -> Any:
    """Compiled; without Triton's products where those have no tiles that fit.

    A GPU that is there would have tiles tried, and the library multiply where none fits.
    """
    try:
        return lowered.compile(compiler_options=options or None)
    except jax.errors.JaxRuntimeError as error:
        if "tile sizes" not in str(error):
            raise
        return lowered.compile(compiler_options=options | {"xla_gpu_enable_triton_gemm": False})


def collectives(hlo: str) -> Counter[tuple[str, int]]:
    """What devices tell each other in a program: `(name, bytes of the result)` to how often.

    >>> collectives("a = (f32[8]{0}, f32[]) all-reduce(b, c), replica_groups={}")
    Counter({('all-reduce', 36): 1})
    """
    total: Counter[tuple[str, int]] = Counter()
    for found in _COLLECTIVE.finditer(hlo):
        sizes = [_size(*array.groups()) for array in _ARRAY.finditer(found["type"])]
        # What has been started bears its operands' types before the results'.
        if found["start"] and found["name"] != "all-reduce":
            sizes = sizes[len(sizes) // 2 :]
        total[found["name"], sum(sizes)] += 1
    return total


def report(e: Experiment, m: Machine, c: Cost) -> str:
    """The lines that the command prints."""
    best, chip = c.roofline(m.chip), m.chip
    parts = [
        f"{e.name} on {m.name}: {c.devices} devices, {e.batch} crops of {e.crop} a step",
        f"memory       {c.memory / 2**20:,.0f} MiB of {chip.memory / 2**20:,.0f} on a device "
        f"({c.memory / chip.memory:.0%})",
        f"operations   {c.flops / 1e9:,.1f} GFLOP a device, convolutions and products",
    ]
    if c.traffic is None:
        parts.append(
            f"roofline     {1e3 * best:,.2f} ms a step at best by arithmetic alone; this "
            "compiler tells no traffic"
        )
    else:
        limit = "arithmetic" if c.flops / chip.flops >= best else "memory"
        parts += [
            f"traffic      {c.traffic / 1e9:,.2f} GB a device",
            f"intensity    {c.flops / c.traffic:,.1f} FLOP a byte; "
            f"at {chip.flops / chip.bandwidth:,.0f} this chip is as busy as its memory",
            f"roofline     {1e3 * best:,.2f} ms a step at best, {e.batch / best:,.0f} crops a "
            f"second, {limit} being the limit",
        ]
    for (name, size), times in sorted(c.collectives.items(), key=lambda item: -item[0][1]):
        parts.append(f"collective   {times} {name} of {size / 1e6:,.2f} MB")
    how = ", with little optimisation: memory and traffic are bounds" if c.quick else ""
    parts.append(f"compiled in  {c.seconds:.0f} s{how}")
    return "\n".join(parts)


def _size(kind: str, shape: str) -> int:
    bits = 8 if kind == "pred" or kind.startswith("f8") else int(re.sub(r"\D", "", kind))
    return math.prod(int(n) for n in shape.split(",") if n) * bits // 8


def _too_big(e: Experiment, m: Machine, error: Exception) -> str:
    sizes = re.findall(r"([\d.]+)([KMGT])\b", str(error))
    two = [float(number) * _UNITS[unit] for number, unit in sizes[:2]]
    return _lacking(e, m, *two) if len(two) == 2 else f"{m.name}: {one_line(error)}"


def _lacking(e: Experiment, m: Machine, needed: float, there: float) -> str:
    ways = [f"a smaller batch (it is {e.batch})"]
    known = {field.name for field in dataclasses.fields(e)}
    ways += [f"more of {n}" for n in ("accumulate",) if n in known]
    ways += [f"{n}={v}" for n, v in (("remat", "true"), ("dtype", "bfloat16")) if n in known]
    return (
        f"{m.name}: the step needs {needed / 2**30:.2f} GiB a device, "
        f"{(needed - there) / 2**30:.2f} more than its {there / 2**30:.2f}; "
        f"it wants {', '.join(ways)} or a machine of more devices"
    )
