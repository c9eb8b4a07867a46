"""Machines that can be compiled for; in environments without their compilers, why not."""

import os
import subprocess
import sys

import pytest

from train import chips
from train.__main__ import main
from train.chips import MachineError, machine


@pytest.mark.parametrize(
    "name, platform, asked",
    [
        ("v5e:16x16", "tpu", {"topology_name": "v5e:16x16"}),
        ("v5e:1x1", "tpu", {"topology_name": "v5e:1x1", "chips_per_host_bounds": (1, 1, 1)}),
        ("v5p:2x2x1", "tpu", {"topology_name": "v5p:2x2x1"}),
        ("h100:4", "cuda", {"topology": "1x1x4"}),
        ("h100:32", "cuda", {"topology": "1x4x8"}),
    ],
)
def test_a_name_tells_chip_and_grid(name, platform, asked):
    found = machine(name)
    assert found.platform == platform and found.chip is chips.CHIPS[name.split(":")[0]]
    assert asked.items() <= found.arguments.items()


@pytest.mark.parametrize(
    "name, message",
    [
        ("v5litepod-8", "no such machine; there are v5e:2x4"),
        ("v5e", "no grid of chips"),
        ("v5e:8", "no grid of chips"),
        ("h100:12", "a multiple of 8"),
        ("h100:0", "a multiple of 8"),
        ("h100:²", "a multiple of 8"),
    ],
)
def test_other_names_are_refused_in_one_line(name, message, capsys):
    with pytest.raises(MachineError, match=message):
        machine(name)
    assert main(["configs/smoke.py", "--compile-for", name]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and name in said


@pytest.mark.parametrize("name, extra", [("v5e:2x4", "tpu-aot"), ("h100:8", "cuda-aot")])
def test_a_missing_compiler_is_named_before_anything_is_loaded(name, extra, monkeypatch):
    environment = dict(os.environ)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MachineError, match=f"pip install '.\\[{extra}\\]'"):
        chips.prepare(machine(name))
    assert dict(os.environ) == environment


def test_machines_are_told_without_jax():
    code = "import sys, train.chips, train.__main__; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_training_still_needs_its_folders(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["configs/smoke.py"])
    assert stopped.value.code == 2
    assert "--workdir, --data" in capsys.readouterr().err
