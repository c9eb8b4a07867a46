"""Costs as they are read from a compiled program, here one for this machine's CPU."""

from collections import Counter

import jax
import pytest

from train import cost
from train.chips import CHIPS, Machine, MachineError
from train.experiment import load_experiment
from train.step import init_state

HERE = Machine("here:1", CHIPS["v5e"], "cpu", {})
HLO = """
  %a = (f32[8,2]{1,0:T(8,128)S(1)}, bf16[4]{0}) all-reduce(%b, %c), channel_id=1
  %d = f32[] all-reduce-start(%e), channel_id=2
  %f = f32[] all-reduce-done(%d)
  ROOT %g = (f32[3]{0}, f32[6]{0}) all-gather-start(%h), dimensions={0}
  %i = f32[2]{0} add(%all-reduce.1, %j)
"""


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(cost, "devices", lambda m: jax.devices()[:1])


def test_collectives_are_found_with_their_bytes():
    assert cost.collectives(HLO) == Counter(
        {("all-reduce", 72): 1, ("all-reduce", 4): 1, ("all-gather", 24): 1}
    )


def test_a_step_is_compiled_and_told(here):
    e = load_experiment("configs/smoke.py", {"batch": 2})
    found = cost.cost(e, HERE)
    state = jax.tree.leaves(jax.eval_shape(lambda: init_state(e)))
    held = sum(a.size * a.dtype.itemsize for a in state)
    assert held < found.memory < held + 2**28
    assert found.traffic is not None and found.traffic > found.memory
    assert found.flops > 2 * 3 * 2 * 64 * 64 * 192  # Thrice the lapped transform, at least.
    told = cost.report(e, HERE, found)
    first, memory, *_ = told.splitlines()
    assert first == "smoke on here:1: 1 devices, 2 crops of 64 a step"
    assert memory.startswith(f"memory       {found.memory / 2**20:,.0f} MiB of 16,384")
    assert all(len(line) < 100 for line in told.splitlines())
    blind = cost.report(e, HERE, found._replace(traffic=None))
    assert told.splitlines()[-1] == f"compiled in  {found.seconds:.0f} s"
    quick = cost.cost(e, HERE, quick=True)
    assert quick.flops == found.flops and quick.collectives == found.collectives
    assert "little optimisation" in cost.report(e, HERE, quick)
    assert "tells no traffic" in blind and "crops a second" not in blind


def test_the_roofline_is_the_slower_of_arithmetic_and_memory():
    chip = CHIPS["v5e"]
    busy = cost.Cost(1, 0, 197e12, 1.0, Counter(), 0.0)
    assert busy.roofline(chip) == pytest.approx(1)
    waiting = cost.Cost(1, 0, 1.0, 819e9, Counter(), 0.0)
    assert waiting.roofline(chip) == pytest.approx(1)
    assert cost.Cost(1, 0, 197e12, None, Counter(), 0.0).roofline(chip) == pytest.approx(1)


def test_what_does_not_fit_says_by_how_much(here, monkeypatch):
    e = load_experiment("configs/smoke.py", {"batch": 2})
    small = HERE._replace(chip=CHIPS["v5e"]._replace(memory=2**20))
    with pytest.raises(MachineError, match=r"needs 0\.\d\d GiB a device, 0\.\d\d more than"):
        cost.cost(e, small)

    error = jax.errors.JaxRuntimeError(
        "RESOURCE_EXHAUSTED: Ran out of memory on HBM (53.67G) exceeds available HBM (15.75G)."
    )
    text = cost._too_big(e, HERE, error)
    assert "needs 53.67 GiB a device, 37.92 more than its 15.75" in text and "batch" in text


class Lowered:
    """A compiler that says `errors` before it succeeds, and notes what it was asked."""

    def __init__(self, *errors):
        self.errors, self.asked = list(errors), []

    def compile(self, compiler_options):
        self.asked.append(compiler_options)
        if self.errors:
            raise jax.errors.JaxRuntimeError(self.errors.pop(0))
        return "program"


def test_products_without_tiles_are_left_to_the_library():
    lowered = Lowered("INTERNAL: Couldn't find output tile sizes that satisfy hlo")
    assert cost._compiled(lowered, {"a": 1}) == "program"
    assert lowered.asked == [{"a": 1}, {"a": 1, "xla_gpu_enable_triton_gemm": False}]


def test_a_compiler_that_fails_is_a_line(here, monkeypatch):
    monkeypatch.setattr(cost, "_compiled", lambda *_: Lowered("INTERNAL: oh\nno").compile({}))
    with pytest.raises(MachineError, match=r"its compiler failed \(INTERNAL: oh no\)"):
        cost.cost(load_experiment("configs/smoke.py", {"batch": 2}), HERE)
