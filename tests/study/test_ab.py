import itertools

import numpy as np
import pytest

from jaxlic.study import ab


def _shares(mean, count, rng, photographs=8):
    """Of observers who differ, each over twice as many answers as photographs."""
    own = rng.beta(20 * mean, 20 * (1 - mean), count)
    return rng.binomial(2 * photographs, own) / (2 * photographs)


def test_looking_after_every_observer_keeps_the_error_rate():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(100):
        low, high = ab.sequence(
            _shares(0.5, 30, rng), alpha=0.1
        )  # Of all times: it only shrinks.
        wrong += not low <= 0.5 <= high
    assert wrong <= 10 + 2 * 3  # 10 %, and two standard deviations.


def test_it_does_not_need_normal_shares():
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(100):
        low, high = ab.sequence(rng.integers(0, 2, 40).astype(float), alpha=0.1)
        wrong += not low <= 0.5 <= high
    assert wrong <= 16


@pytest.mark.parametrize(
    ("mean", "decision"), [(0.2, ab.HURTS), (0.5, ab.HARMLESS), (0.85, ab.BETTER)]
)
def test_a_verdict_is_reached_and_is_right(mean, decision):
    rng = np.random.default_rng(2)
    for _ in range(4):
        shares = _shares(mean, 80, rng)
        verdicts = (ab.judge(shares[:n], margin=0.15) for n in range(5, 81, 5))
        first = next((v for v in verdicts if v.decision != ab.GO_ON), None)
        assert first is not None and first.low <= first.rate <= first.high
        wanted = ab.HARMLESS if decision == ab.BETTER else decision  # It is both, one sooner.
        assert first.decision in (wanted, decision)
        assert ab.judge(shares, margin=0.15).decision in (ab.BETTER, decision)


def test_few_observers_do_not_decide():
    verdict = ab.judge([0.6, 0.4, 0.5])
    assert verdict.decision == ab.GO_ON and verdict.rate == pytest.approx(0.5)
    assert ab.judge([]).decision == ab.GO_ON and ab.judge([]).fixed is None


def test_the_interval_of_a_fixed_number_is_student_s():
    verdict = ab.judge([0.4, 0.5, 0.6, 0.7])
    assert verdict.fixed == pytest.approx((0.55 - 0.205426, 0.55 + 0.205426), abs=1e-4)


def test_the_longer_one_asks_the_narrower_it_is():
    rng = np.random.default_rng(3)
    shares = _shares(0.6, 60, rng)
    ends = [ab.sequence(shares[:n], alpha=0.05) for n in (0, 10, 30, 60)]
    assert ends[0] == (0, 1)
    assert all(a[0] <= b[0] and b[1] <= a[1] for a, b in itertools.pairwise(ends))
    flipped = ab.sequence(1 - shares, alpha=0.05)
    assert flipped == pytest.approx((1 - ends[-1][1], 1 - ends[-1][0]), abs=2e-3)


@pytest.mark.parametrize("bad", [[1.2], [float("nan")], [[0.5]]])
def test_shares_are_checked(bad):
    with pytest.raises(ValueError, match=r"shares must be in \[0, 1\]"):
        ab.judge(bad)
    with pytest.raises(ValueError, match="margin and alpha"):
        ab.judge([0.5], margin=2)
