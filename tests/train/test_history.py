import jax.numpy as jnp
import pytest

from train.history import History


def _add(history, step, loss, skipped):
    history.add(step, {"loss": jnp.float32(loss), "skipped": jnp.float32(skipped)})


def test_means_leave_out_what_was_skipped_and_count_it():
    history = History(3)
    for step, loss in enumerate((1.0, float("nan"), 4.0), 1):
        _add(history, step, loss, skipped=loss != loss)
    history.check()
    assert history.means() == {"loss": 2.5, "skipped": 1.0}
    _add(history, 4, 8.0, skipped=0)
    assert history.means() == {"loss": 8.0, "skipped": 0.0}


def test_it_counts_on_end_across_lines_and_starts_anew_after_a_good_one():
    history = History(2)
    for step, skipped in enumerate((1, 1, 0, 1, 1), 1):
        _add(history, step, 1.0, skipped)
        history.check()
        history.means()
    _add(history, 6, 1.0, skipped=1)
    with pytest.raises(FloatingPointError, match="step 6, nor at the 2 before it"):
        history.check()
