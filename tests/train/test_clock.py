import dataclasses
import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from train import clock
from train.__main__ import main
from train.clock import Clock, share
from train.data import pack
from train.experiment import ConfigError, load_experiment
from train.loop import run
from train.parts import by_part
from train.saving import restore
from train.step import init_state, make_step

TOY = "tests/train/toy.py"


def _scheduled(steps=1000, **settings):
    """Adam at a rate that falls from 1 to 0 over the steps, far beyond what is trained."""
    e = load_experiment(TOY, {"steps": steps, "log_every": 1, **settings})
    falling = optax.linear_schedule(1e-3, 0.0, steps)
    return dataclasses.replace(e, optimizer=optax.chain(optax.clip(1.0), optax.adam(falling)))


class _Time:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


def test_the_rate_is_that_of_the_share_of_the_time(monkeypatch):
    e, fake = _scheduled(), _Time()
    monkeypatch.setattr(clock, "time", fake)
    state = jax.jit(lambda: init_state(e))()
    found, batch = Clock(e, minutes=1.0), {"image": np.zeros((8, 16, 16, 3), np.uint8)}
    batch["image"][:, ::2] = 200
    step, moved = jax.jit(make_step(e)), []
    for seconds in (0.0, 15.0, 30.0, 54.0):
        fake.now = 100.0 + seconds
        wound = found.wind(state)
        assert share(wound, e.steps) == pytest.approx(seconds / 60)
        state, _ = step(wound, batch)
        updates = jax.tree.map(jnp.subtract, state.params, wound.params)
        moved.append(max(float(abs(a).max()) for a in jax.tree.leaves(updates)))
    # The first step of Adam is the rate, later ones are near it here: gradients hardly change.
    assert moved[0] == pytest.approx(1e-3, rel=1e-3)
    np.testing.assert_allclose(np.array(moved) / moved[0], [1, 0.75, 0.5, 0.1], rtol=0.1)
    assert not found.over(state, 4)
    fake.now = 160.0
    assert found.over(state, 4) and share(found.wind(state), e.steps) == 1
    # A run that goes on has what is left of the time.
    fake.now, again = 1000.0, Clock(e, minutes=1.0)
    assert share(again.wind(wound), e.steps) == pytest.approx(0.9)
    fake.now = 1006.0
    assert again.over(state, 5)


def test_without_minutes_the_steps_decide():
    e = _scheduled(steps=7)
    state, found = jax.jit(lambda: init_state(e))(), Clock(e, None)
    assert found.wind(state) is state and found.told() == {}
    assert [found.over(state, step) for step in (0, 6, 7, 8)] == [False, False, True, True]


def test_what_cannot_go_by_the_clock_is_refused(monkeypatch):
    e = _scheduled()
    clock.check(e)
    falling = optax.linear_schedule(1e-3, 0.0, 10)
    injected = optax.inject_hyperparams(optax.adam)(falling)
    for optimizer, text in (
        (optax.adam(1e-3), "follow a schedule"),
        (injected, "Inject.*way of its own"),
        (optax.MultiSteps(optax.adam(falling), 2), "MultiSteps.*way of its own"),
        (optax.adamw(falling, weight_decay=falling), "WeightDecay.*way of its own"),
    ):
        with pytest.raises(ConfigError, match=text):
            clock.check(dataclasses.replace(e, optimizer=optimizer))
    with pytest.raises(ConfigError, match="steps"):
        clock.check(dataclasses.replace(e, steps=0))
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ConfigError, match="one process"):
        clock.check(e)


def test_the_schedules_of_every_part_are_moved():
    """As the optimisers of the configs nest them."""
    rates = dict(base=1e-3, gains=1e-3, context=1e-3, linear=1e-3, pyramid=1e-3)
    optimizer = by_part(rates, with_muon={"pyramid"}, warmup=5, falling=500, steps=1000)
    e = dataclasses.replace(_scheduled(), optimizer=optimizer)
    clock.check(e)
    found, state = Clock(e, 1e9), jax.jit(lambda: init_state(e))()
    moved = clock._at(state.opt_state, 400)
    counts = [int(node.count) for node in clock._schedules(moved)]
    assert counts == [400] * len(clock._schedules(state.opt_state)) and len(counts) >= 5
    assert jax.tree.structure(moved) == jax.tree.structure(state.opt_state)
    assert share(found.wind(state), e.steps) == 0


def test_a_run_by_the_clock_ends_on_time_and_with_its_schedules(tmp_path, photos):
    """Saved at every step: what is on disk is what the run ends with."""
    e, lines = _scheduled(steps=10**6), []
    e = dataclasses.replace(e, save_minutes=0.0)
    began = time.monotonic()
    state = run(e, tmp_path, pack(photos), log=lambda *line: lines.append(line), minutes=0.02)
    assert time.monotonic() - began > 1.2
    assert 1 <= int(state.step) < 10**6 and share(state, e.steps) == 1
    shares = [metrics["share"] for kind, _, metrics in lines if kind == "train"]
    assert shares == sorted(shares) and shares[-1] == 1
    assert lines[-1][0] == "checkpoint"
    found = restore(tmp_path, jax.jit(lambda: init_state(e))())
    assert found.step == int(state.step) and share(found.state, e.steps) == 1
    # Nothing is left to do.
    again = run(e, tmp_path, pack(photos), log=lambda *line: None, minutes=0.02)
    assert int(again.step) == int(state.step)


def test_evaluations_do_not_count(monkeypatch):
    e, fake = _scheduled(), _Time()
    monkeypatch.setattr(clock, "time", fake)
    found, state = Clock(e, minutes=1.0), jax.jit(lambda: init_state(e))()
    found.wind(state)
    fake.now += 30
    with found.stopped():
        fake.now += 1000
    assert found.told() == {"share": 0.5}


FALLING = """
import dataclasses, optax
from tests.train import toy

def experiment(*, steps: int = 100_000):
    falling = optax.adam(optax.linear_schedule(1e-3, 0.0, steps))
    return dataclasses.replace(toy.experiment(steps=steps, log_every=1), optimizer=falling)
"""


def test_the_command_trains_by_the_clock(tmp_path, photos, capsys):
    config, run_ = tmp_path / "falling.py", tmp_path / "run"
    config.write_text(FALLING)
    command = [str(config), "--workdir", str(run_), "--data", str(photos), "--stopped", "75"]
    assert main([*command, "--minutes", "10", "--max-minutes", "0"]) == 75
    assert main([*command, "--minutes", "0.01"]) == 0
    text = (run_ / "metrics.jsonl").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    assert records[-1]["kind"] == "checkpoint" and 1 < records[-1]["step"] < 100_000
    assert [r["share"] for r in records if r["kind"] == "train"][-1] == 1
    # A run goes on as it began.
    assert main([*command]) == 2
    assert "holds a run by the clock; choose" in capsys.readouterr().err.replace("\n", " ")
    told = json.loads((run_ / "provenance.json").read_text())
    assert told["by_the_clock"] == 0.01
    for wrong in ("0", "-1", "inf", "soon"):
        with pytest.raises(SystemExit) as stopped:
            main([*command, "--minutes", wrong])
        assert stopped.value.code == 2


def test_rates_without_a_schedule_are_refused(tmp_path, photos, capsys):
    command = [TOY, "--workdir", str(tmp_path / "run"), "--data", str(photos)]
    assert main([*command, "--minutes", "1"]) == 2
    assert not (tmp_path / "run").exists()
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: --minutes is for rates")
