"""Machines to compile for: what a chip can do, and what its compiler needs. Without JAX.

A compiler reads its settings when JAX is imported: `prepare` comes before that.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
from typing import Any, NamedTuple

from jaxlic.errors import Error

EXAMPLES = "v5e:2x4, v5e:16x16, v5p:2x2x1, v6e:16x16, h100:8"
_H100 = pathlib.Path(__file__).parent / "h100.txtpb"


class Chip(NamedTuple):
    """A JAX device, as its maker describes it.

    Attributes:
        memory: bytes.
        flops: a second, of products of float32 at JAX's default precision: bfloat16 on TPU,
            TF32 on NVIDIA.
        bandwidth: bytes a second, of its memory.
    """

    memory: float
    flops: float
    bandwidth: float


# cloud.google.com/tpu/docs (a v3 or 7x chip is two devices); NVIDIA's data sheet of H100 SXM.
CHIPS = {
    "v3": Chip(16 * 2**30, 61.5e12, 450e9),
    "v4": Chip(32 * 2**30, 275e12, 1228e9),
    "v5e": Chip(16 * 2**30, 197e12, 819e9),
    "v5p": Chip(95 * 2**30, 459e12, 2765e9),
    "v6e": Chip(32 * 2**30, 918e12, 1640e9),
    "tpu7x": Chip(96 * 2**30, 1153e12, 3690e9),
    "h100": Chip(84942979072, 494.7e12, 3352e9),
}


class Machine(NamedTuple):
    """Chips of one kind, and how `jax.experimental.topologies` is to be asked for them."""

    name: str
    chip: Chip
    platform: str
    arguments: dict[str, Any]


class MachineError(Error):
    """A machine that cannot be compiled for; the message says why in one line."""


def machine(name: str) -> Machine:
    """The machine called `name`: a generation of TPU and its grid, or h100 and how many.

    Raises:
        MachineError: if there is none of that name.
    """
    kind, _, shape = name.partition(":")
    if kind not in CHIPS:
        raise MachineError(f"{name}: no such machine; there are {EXAMPLES}")
    if kind == "h100":
        count = int(shape) if re.fullmatch(r"[1-9]\d{0,3}", shape) else 0
        if not count or (count > 8 and count % 8):
            raise MachineError(f"{name}: 1 to 8 or a multiple of 8, such as h100:8 or h100:32")
        arguments = {
            "topology_name": "h100",
            "target_config": _H100.read_text(),
            "topology": f"1x{-(-count // 8)}x{min(count, 8)}",
        }
        return Machine(name, CHIPS[kind], "cuda", arguments)
    if not re.fullmatch(r"\d{1,2}x\d{1,2}(x\d{1,2})?", shape):
        raise MachineError(f"{name}: no grid of chips; there are {EXAMPLES}")
    arguments: dict[str, Any] = {"topology_name": name}
    if shape in ("1x1", "1x1x1"):
        arguments["chips_per_host_bounds"] = (1, 1, 1)
    return Machine(name, CHIPS[kind], "tpu", arguments)


def prepare(m: Machine) -> None:
    """Sets what the compiler of `m` reads from the environment. Before JAX is imported.

    Raises:
        MachineError: if the compiler is not installed.
    """
    extra, modules = (
        ("tpu-aot", ["libtpu"])
        if m.platform == "tpu"
        else ("cuda-aot", ["jax_cuda12_plugin", "nvidia.cuda_nvcc"])
    )
    if not all(_installed(module) for module in modules):
        raise MachineError(f"{m.name}: its compiler is not installed: pip install '.[{extra}]'")
    os.environ["JAX_PLATFORMS"] = "cpu"
    if m.platform == "tpu":
        # Nobody is to be asked what machine this is, nor to be kept from compiling as well.
        os.environ["TPU_SKIP_MDS_QUERY"] = "1"
        os.environ["TPU_ACCELERATOR_TYPE"] = "v5litepod-8"
        os.environ["TPU_WORKER_HOSTNAMES"] = "localhost"
        os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"
        os.environ.setdefault("TPU_LOG_DIR", "disabled")
        return
    found = importlib.util.find_spec("nvidia.cuda_nvcc")
    places = None if found is None else found.submodule_search_locations
    folder = (places or [""])[0]
    os.environ["PATH"] = os.pathsep.join([f"{folder}/bin", os.environ.get("PATH", "")])
    flags = f"--xla_gpu_cuda_data_dir={folder} --xla_gpu_autotune_level=0"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
