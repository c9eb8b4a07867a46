import dataclasses

import jax
import jax.numpy as jnp
import pytest

from train import pace
from train.experiment import load_experiment
from train.pace import Pace, operations, peak, tracing
from train.step import init_state, make_step


@pytest.mark.parametrize(
    ("kind", "tera"),
    [
        ("TPU v4", 275),
        ("TPU v5 lite", 197),
        ("TPU v5p", 459),
        ("TPU v6 lite", 918),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989),
    ],
)
def test_peaks_are_found_by_the_name_of_the_device(kind, tera):
    assert peak(kind) == tera * 1e12


def test_an_unknown_device_has_no_peak_and_its_lines_no_mfu():
    assert peak("cpu") is None


def test_time_that_counts_is_between_steps_and_not_in_pauses(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(pace, "peak", lambda kind: 1e12)
    measured = Pace(images=8)
    measured.operations = 1e11
    assert measured.line() == {}
    for seconds, waited in ((50.0, 9.0), (2.0, 0.5), (2.0, 0.5)):  # The first compiles.
        clock[0] += seconds
        measured.step(waited)
    measured.pause()
    clock[0] += 1000
    measured.step(0.0)
    line = measured.line()
    assert line == {"images_per_second": 4, "step_seconds": 2, "waiting": 0.25, "mfu": 0.05}


def test_operations_of_a_step_in_parts_are_those_of_the_whole():
    toy = load_experiment("tests/train/toy.py", {"crop": 64})
    counts = []
    for parts in (1, 4):
        e = dataclasses.replace(toy, accumulate=parts)
        state = jax.eval_shape(lambda e=e: init_state(e))
        batch = {"image": jax.ShapeDtypeStruct((8, 64, 64, 3), jnp.uint8)}
        compiled = jax.jit(make_step(e)).lower(state, batch).compile()
        counts.append(operations(compiled, parts))
    assert counts[1] == pytest.approx(counts[0], rel=0.1)


def test_a_trace_is_written_of_the_steps_asked_for(tmp_path):
    add = jax.jit(lambda a: a + 1)
    a = add(jnp.zeros(3))
    with tracing(tmp_path, 2) as trace:
        for done in range(15):
            trace(done, a)
            assert (tmp_path / "profile").exists() == (done >= 12) or done in (10, 11)
            a = add(a)
    (found,) = (tmp_path / "profile").rglob("*.xplane.pb")
    assert found.stat().st_size > 0
