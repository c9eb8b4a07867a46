import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from train import loop
from train.data import DataError, pack
from train.experiment import ConfigError, load_experiment
from train.loop import run
from train.saving import CheckpointError, is_sound, restore
from train.step import init_state

TOY = "tests/train/toy.py"


def _run(tmp_path, photos, settings, name, **options):
    events = []
    e = load_experiment(TOY, {"steps": 6, "log_every": 2, **settings})
    state = run(
        e,
        tmp_path / name,
        pack(photos),
        log=lambda *event: events.append(event),
        **options,
    )
    return state, events


def test_worker_count_does_not_change_the_result(tmp_path, photos):
    one, _ = _run(tmp_path, photos, {"eval_every": 0}, "one", workers=1)
    four, _ = _run(tmp_path, photos, {"eval_every": 0}, "four", workers=4)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(four), strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_reports_and_evaluates_and_saves(tmp_path, photos):
    state, events = _run(tmp_path, photos, {"eval_every": 6}, "run")
    kinds = [kind for kind, _, _ in events]
    assert kinds[0] == "start" and kinds.count("start") == 1
    assert kinds.count("train") == 3 and kinds[-1] == "checkpoint"
    evaluation = next(metrics for kind, _, metrics in events if kind == "eval")
    assert evaluation["bpp_20"] > 0 and 10 < evaluation["psnr_80"] < 60
    assert int(state.step) == 6


def test_out_of_time_it_stops_with_a_checkpoint(tmp_path, photos):
    state, events = _run(tmp_path, photos, {"steps": 10**6}, "short", max_minutes=0.0)
    assert int(state.step) == 1 and events[-1][0] == "checkpoint"


def _breaking(count):
    """Adam whose rate is NaN from step `count` + 1 on."""
    return optax.adam(lambda step: jnp.where(step < count, 1e-3, jnp.nan))


@pytest.mark.parametrize("most", [0, 2])
def test_too_many_steps_on_end_that_are_not_finite_stop_the_run(tmp_path, photos, most):
    """Saved at every step, logged after all of them."""
    e = load_experiment(TOY, {"steps": 20, "log_every": 50, "max_skipped": most})
    e = dataclasses.replace(e, save_minutes=0.0, optimizer=_breaking(3))
    after = f"at step {4 + most}" + (f", nor at the {most} before it" if most else "$")
    with pytest.raises(FloatingPointError, match=after):
        run(e, tmp_path, pack(photos), log=lambda *event: None)
    kept = sorted(int(p.name) for p in (tmp_path / "checkpoints").iterdir())
    assert kept == [2 + most, 3 + most]
    template = jax.jit(lambda: init_state(e))()
    found = restore(tmp_path, template)
    assert found.step == 3 + most and is_sound(found.state)


def test_steps_that_were_skipped_are_counted_in_the_log(tmp_path, photos):
    """The rate is NaN at one value of the count, which skipping keeps."""
    e = load_experiment(TOY, {"steps": 6, "log_every": 3, "max_skipped": 3})
    events = []
    e = dataclasses.replace(e, optimizer=_breaking(4))
    run(e, tmp_path, pack(photos), log=lambda *event: events.append(event))
    lines = [metrics for kind, _, metrics in events if kind == "train"]
    assert [line["skipped"] for line in lines] == [0, 2]
    assert all(np.isfinite(line["loss"]) for line in lines)


def test_the_pace_is_in_the_lines_but_the_first(tmp_path, photos):
    e = load_experiment(TOY, {"steps": 4, "log_every": 1})
    events = []
    run(e, tmp_path, pack(photos), log=lambda *event: events.append(event), profile=2)
    lines = [metrics for kind, _, metrics in events if kind == "train"]
    assert "step_seconds" not in lines[0]
    for line in lines[1:]:
        assert line["images_per_second"] == pytest.approx(e.batch / line["step_seconds"])
        assert 0 <= line["waiting"] <= 1
    assert not (tmp_path / "profile").exists()  # It begins after the tenth step.


def test_batches_that_cannot_be_split_are_an_error(tmp_path, photos):
    e = load_experiment(TOY, {"batch": 8, "accumulate": 3})
    with pytest.raises(ConfigError, match="8 cannot be split on 1 devices in 3 parts"):
        run(e, tmp_path, pack(photos), log=lambda *event: None)


def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(tmp_path, photos):
    settings = {"steps": 2, "eval_every": 0, "save_minutes": 0.0}
    whole, _ = _run(tmp_path, photos, settings, "run")
    metadata = tmp_path / "run" / "checkpoints" / "2" / "state" / "_METADATA"
    metadata.write_bytes(b"")
    again, events = _run(tmp_path, photos, settings, "run")
    kinds = [kind for kind, *_ in events]
    assert kinds == ["start", "note", "note", "resume", "train", "checkpoint"]
    assert "checkpoints/2: damaged" in events[1][2]["text"] and events[3][1] == 1
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_checkpoints_that_were_not_resumed_from_are_not_pushed_out(
    tmp_path, photos, monkeypatch
):
    settings = {"steps": 2, "eval_every": 0}
    _run(tmp_path, photos, settings, "run")
    monkeypatch.setattr(loop, "restore", lambda *args: None)
    with pytest.raises(CheckpointError, match="holds step 2, but the run began at step 0"):
        _run(tmp_path, photos, settings, "run")
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["2"]


def test_crops_larger_than_the_images_are_an_error(tmp_path, photos):
    with pytest.raises(DataError, match="smaller than the crop"):
        _run(tmp_path, photos, {"crop": 512}, "large")
