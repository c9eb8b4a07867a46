import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from train.data import DataError, pack
from train.experiment import load_experiment
from train.loop import run


def _run(tmp_path, photos, settings, name, **options):
    events = []
    e = load_experiment("configs/smoke.py", {"steps": 6, "log_every": 2, **settings})
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
    assert kinds.count("train") == 3 and kinds[-1] == "checkpoint"
    evaluation = next(metrics for kind, _, metrics in events if kind == "eval")
    assert evaluation["bpp_20"] > 0 and 10 < evaluation["psnr_80"] < 60
    assert int(state.step) == 6


def test_out_of_time_it_stops_with_a_checkpoint(tmp_path, photos):
    state, events = _run(tmp_path, photos, {"steps": 10**6}, "short", max_minutes=0.0)
    assert int(state.step) == 1 and events[-1][0] == "checkpoint"


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, photos):
    with pytest.raises(FloatingPointError, match="step 2"):
        _run(tmp_path, photos, {"learning_rate": float("nan"), "eval_every": 0}, "nan")


def _breaking(count):
    """Adam whose rate is NaN from step `count` + 1 on."""
    return optax.adam(lambda step: jnp.where(step < count, 1e-3, jnp.nan))


def test_what_is_not_finite_between_two_lines_overwrites_no_checkpoint(tmp_path, photos):
    """Saved at every step, logged after all of them."""
    e = load_experiment("configs/smoke.py", {"steps": 9, "log_every": 50, "eval_every": 0})
    e = dataclasses.replace(e, save_minutes=0.0, optimizer=_breaking(3))
    with pytest.raises(FloatingPointError, match="step 4"):
        run(e, tmp_path, pack(photos), log=lambda *event: None)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["2", "3"]


def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(tmp_path, photos):
    settings = {"steps": 2, "eval_every": 0, "save_minutes": 0.0}
    whole, _ = _run(tmp_path, photos, settings, "run")
    metadata = tmp_path / "run" / "checkpoints" / "2" / "state" / "_METADATA"
    metadata.write_bytes(b"")
    again, events = _run(tmp_path, photos, settings, "run")
    assert [kind for kind, *_ in events] == ["note", "note", "resume", "train", "checkpoint"]
    assert "checkpoints/2: damaged" in events[0][2]["text"] and events[2][1] == 1
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_crops_larger_than_the_images_are_an_error(tmp_path, photos):
    with pytest.raises(DataError, match="smaller than the crop"):
        _run(tmp_path, photos, {"crop": 512}, "large")
