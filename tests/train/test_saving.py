"""What is saved is sound, what is read is what was saved, and nothing else is lost."""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from train import saving
from train.saving import CheckpointError, digest, is_sound, restore, saver, set_aside
from train.step import TrainState


def _state(step, value=1.0):
    array = value * jax.random.normal(jax.random.key(0), (4000,))
    params = {"a": array, "b": jnp.ones(())}
    return TrainState(jnp.int32(step), params, ({"mu": array},), params)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Checkpoints of steps 2 and 3; that of step 1 was dropped."""
    folder = tmp_path_factory.mktemp("saved")
    with saver(folder, seed=0) as checkpoints:
        for step in (1, 2, 3):
            assert checkpoints.save(step, _state(step, step))
        assert not checkpoints.save(3, _state(3, 3.0))
    return folder


@pytest.fixture
def workdir(saved, tmp_path):
    """A copy of them."""
    return shutil.copytree(saved, tmp_path, dirs_exist_ok=True)


def _steps(workdir):
    return sorted(int(p.name) for p in (workdir / "checkpoints").iterdir())


def _largest(folder):
    files = (p for p in folder.glob("state/**/d/*") if p.is_file())
    return max(files, key=lambda p: p.stat().st_size)


def _flip(folder):
    """A bit of an array: it reads without an error."""
    data = bytearray(_largest(folder).read_bytes())
    data[len(data) // 2] ^= 4
    _largest(folder).write_bytes(data)


def _truncate(folder):
    file = _largest(folder)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _empty(name):
    return lambda folder: (folder / name).write_bytes(b"")


def _garbage(name):
    def write(folder):
        file = _largest(folder) if name is None else folder / name
        size = file.stat().st_size
        file.write_bytes(np.random.default_rng(0).bytes(size))

    return write


def _missing(name):
    def remove(folder):
        place = _largest(folder) if name is None else folder / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()

    return remove


def test_the_newest_is_restored(workdir):
    found = restore(workdir, _state(0))
    assert found.step == 3 and found.notes == () == found.damaged
    assert digest(found.state) == digest(_state(3, 3.0)) != digest(_state(3, 2.0))
    assert _steps(workdir) == [2, 3]
    assert restore(workdir / "nowhere", _state(0)) is None


@pytest.mark.parametrize(
    "harm",
    [
        _flip,
        _truncate,
        *(_empty(name) for name in ("state/_METADATA", "meta/metadata")),
        *(_garbage(name) for name in (None, "state/_METADATA", "meta/metadata")),
        *(
            _missing(name)
            for name in (None, "state/_METADATA", "meta/metadata", "state", "meta")
        ),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_with_a_line(workdir, harm):
    harm(workdir / "checkpoints" / "3")
    found = restore(workdir, _state(0))
    assert found.step == 2 and found.damaged == (3,)
    np.testing.assert_array_equal(found.state.params["a"], _state(2, 2.0).params["a"])
    assert "checkpoints/3: damaged" in found.notes[0] and "\n" not in found.notes[0]
    assert "checkpoints/2: used instead" in found.notes[1]
    set_aside(workdir, found.damaged)
    assert _steps(workdir) == [2] and (workdir / "damaged" / "3").is_dir()
    with saver(workdir, seed=0) as checkpoints:  # The place is free again.
        assert checkpoints.save(3, _state(3, 3.0))
    set_aside(workdir, (3,))
    assert (workdir / "damaged" / "3-2").is_dir()


def test_if_all_are_damaged_one_line_says_so(workdir):
    for step in (2, 3):
        _truncate(workdir / "checkpoints" / str(step))
    with pytest.raises(CheckpointError, match="checkpoints/3: damaged") as caught:
        restore(workdir, _state(0))
    assert "\n" not in str(caught.value)
    assert _steps(workdir) == [2, 3]


def test_a_single_bit_is_noticed():
    state = _state(3, 3.0)
    flipped = np.asarray(state.params["a"]).copy()
    flipped.view(np.uint32)[17] ^= 1
    assert digest(state.replace(ema={**state.ema, "a": flipped})) != digest(state)


def test_moments_may_be_bfloat16(tmp_path):
    half = _state(3).replace(opt_state=(jnp.linspace(0, 1, 9, dtype=jnp.bfloat16),))
    with saver(tmp_path, seed=0) as checkpoints:
        assert checkpoints.save(3, half)
    found = restore(tmp_path, half)
    assert found.step == 3 and not found.notes
    assert digest(found.state) == digest(half) != digest(_state(3))


def test_digests_are_those_of_earlier_versions():
    leaf = np.arange(6, dtype="<f4").reshape(2, 3).T
    expected = hashlib.sha256(b"<f4 [3, 2]\0" + leaf.tobytes()).hexdigest()
    assert digest(leaf) == expected


def test_a_folder_that_some_hosts_do_not_see_is_an_error(workdir, monkeypatch):
    """Whatever holds here, does not on another host."""
    monkeypatch.setattr(saving, "everywhere", lambda holds: False)
    for place in (workdir, workdir / "nowhere"):
        with pytest.raises(CheckpointError, match=r"is not visible to every host$"):
            restore(place, _state(0))


def test_a_run_does_not_save_below_what_it_did_not_resume_from(workdir):
    for first in (0, 2):
        with (
            pytest.raises(CheckpointError, match=f"holds step 3, but .* at step {first}"),
            saver(workdir, seed=0, first=first),
        ):
            raise AssertionError
    with saver(workdir, seed=0, first=3) as checkpoints:
        assert not checkpoints.save(3, _state(3, 3.0)) and checkpoints.save(4, _state(4))
    assert _steps(workdir) == [3, 4]


def test_checkpoints_without_a_digest_are_taken_with_a_line(workdir):
    meta = workdir / "checkpoints" / "3" / "meta" / "metadata"
    meta.write_text(json.dumps({"step": 3, "seed": 0, "data_position": 3}))
    found = restore(workdir, _state(0))
    assert found.step == 3 and "has no digest" in found.notes[0]
    meta.write_text(json.dumps({"step": 3, "seed": 0, "data_position": 3, "digesu": "0"}))
    assert restore(workdir, _state(0)).step == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_saved(workdir, value):
    with (
        pytest.raises(FloatingPointError, match="step 4"),
        saver(workdir, seed=0) as checkpoints,
    ):
        checkpoints.save(4, _state(4, value))
    assert _steps(workdir) == [2, 3]


def test_an_optimiser_may_count_to_infinity_but_not_to_nan():
    state = _state(1)
    assert is_sound(state.replace(opt_state=jnp.array([jnp.inf])))
    assert not is_sound(state.replace(opt_state=jnp.array([jnp.nan])))


def test_what_a_killed_run_left_half_written_is_removed(workdir):
    left = workdir / "checkpoints" / "4.orbax-checkpoint-tmp"
    (left / "state").mkdir(parents=True)
    (left / "state" / "part").write_bytes(bytes(1000))
    assert restore(workdir, _state(0)).step == 3
    with saver(workdir, seed=0) as checkpoints:
        checkpoints.save(5, _state(5))
    assert _steps(workdir) == [3, 5]


_FULL = """
import sys, resource, pathlib
from tests.train.test_saving import _state
from train.saving import saver
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    with saver(pathlib.Path(sys.argv[1]), seed=0) as checkpoints:
        checkpoints.save(4, _state(4))
except OSError as error:
    print(f"one line: {error}")
"""


def test_a_full_disk_is_one_line_and_the_last_checkpoint_is_intact(workdir):
    """A limit on the size of files stands for the disk."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] < 0
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(workdir)],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("one line: ") and done.stdout.count("\n") == 1, done
    assert "cannot be written (File too large)" in done.stdout
    assert restore(workdir, _state(0)).step == 3
