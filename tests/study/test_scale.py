import numpy as np
import pytest

from jaxlic.study import scale
from jaxlic.study.scale import JND, Answers
from tests.study import observers


def _asked(count=12, repeats=1, spread=0.4, seed=0, design=(1, 2, 4)):
    rng = np.random.default_rng(seed)
    pairs, truth = observers.design(*design)
    sensitivity, doubt = observers.population(count, spread, rng)
    return observers.ask(repeats * pairs, truth, sensitivity, doubt, rng), truth, sensitivity


def test_three_in_four_tell_one_jnd_from_the_original():
    rng = np.random.default_rng(0)
    ones = np.ones(40)
    answers = observers.ask([(0, -1)] * 400, np.array([JND]), ones, 1e-9 * ones, rng)
    worse = np.where(answers.left == 0, 0, 2)
    assert np.mean(answers.response == worse) == pytest.approx(0.75, abs=0.02)
    assert scale.fit(answers).jnd[0] == pytest.approx(1, abs=0.05)


def test_values_and_sensitivities_are_found_again():
    answers, truth, sensitivity = _asked(count=30, repeats=20)
    found = scale.fit(answers)
    middle = np.exp(np.mean(np.log(sensitivity)))  # Of those who were drawn.
    np.testing.assert_allclose(found.values, truth * middle, atol=0.1)
    np.testing.assert_allclose(found.sensitivity, sensitivity / middle, rtol=0.3)
    assert np.mean(np.log(found.sensitivity)) == pytest.approx(0, abs=1e-6)


def test_forced_choices_of_equals_have_the_values_of_choix():
    choix = pytest.importorskip("choix")
    rng = np.random.default_rng(1)
    pairs, truth = observers.design(1, 2, 3)
    ones = np.ones(1)
    answers = observers.ask(60 * pairs, truth, ones, 1e-9 * ones, rng)
    found = scale.fit(answers, equal=True).values
    worse = np.where(answers.response == 0, answers.left, answers.right)
    better = np.where(answers.response == 0, answers.right, answers.left)
    data = [(int(a) + 1, int(b) + 1) for a, b in zip(worse, better, strict=True)]
    values, _ = choix.ep_pairwise(len(truth) + 1, data, 1e-4, model="probit")
    np.testing.assert_allclose(found, values[1:] - values[0], atol=0.03)


@pytest.mark.parametrize("equal", [False, True])
def test_gradient_and_information_are_those_of_the_likelihood(equal):
    answers, truth, _ = _asked(count=3, design=(1, 1, 3))
    weights = np.array([1.0, 2.0, 0.0])
    cost = scale._cost(answers, weights, equal=equal)
    rng = np.random.default_rng(0)
    p = rng.normal(0, 0.5, len(truth) + 6)
    step = 1e-5
    for i in range(len(p)):
        e = step * np.eye(len(p))[i]
        numeric = (cost(p + e)[0] - cost(p - e)[0]) / (2 * step)
        assert cost(p)[1][i] == pytest.approx(numeric, abs=1e-4)
    information = cost(p)[2]
    np.testing.assert_allclose(information, information.T)
    assert np.linalg.eigvalsh(information)[0] > 0


def test_answers_that_agree_throughout_have_a_finite_value():
    n = 50
    rows = (np.zeros(n, int), np.zeros(n, int), np.full(n, -1), np.zeros(n, int))
    found = scale.fit(Answers(*rows, pictures=1, observers=1))
    assert 2 < found.jnd[0] < 40 and np.isfinite(found.doubt).all()


def test_one_who_answers_at_random_does_not_move_the_scale_much():
    answers, truth, _ = _asked(count=15, spread=0.2, repeats=6)
    one = answers.observer == 14
    noisy = answers.response.copy()
    noisy[one] = np.random.default_rng(5).integers(0, 3, one.sum())
    parts = (answers.observer, answers.left, answers.right, noisy)
    found = scale.fit(Answers(*parts, answers.pictures, answers.observers))
    assert found.sensitivity[14] < 0.5 * found.sensitivity[:14].min()
    assert np.sum(found.values * truth) / np.sum(truth**2) == pytest.approx(1, abs=0.35)


def test_two_equal_pictures_teach_doubt_alone():
    answers, _, _ = _asked(count=4)
    pairs = np.arange(len(answers.left)) % answers.pictures
    rows = (answers.observer, pairs, pairs, np.ones(len(pairs), int))
    equal = Answers(*rows, answers.pictures, answers.observers)
    found = scale.fit(equal)
    np.testing.assert_allclose(found.values, 0, atol=1e-6)
    assert np.all(found.doubt > 1)


def test_intervals_hold_the_truth():
    """A small version of `python -m tests.benchmarks.study`."""
    from tests.benchmarks.study import coverage

    ours, width, slope = coverage(10, 20, 20, spread=0.4, seed=1, pool=False)
    assert ours >= 0.85  # 93 %, less what chance takes from 20 studies.
    assert slope == pytest.approx(1, abs=0.2)
    assert 0.4 < width < 2.5


def test_few_answers_an_observer_do_not_overstate_the_scale():
    factors, slopes = [], []
    for seed in range(6):
        answers, truth, _ = _asked(count=20, seed=seed, design=(1, 1, 3))
        best = scale.fit(answers)
        factors.append(scale.overstated(answers, best))
        slopes.append(best.values @ truth / (truth @ truth) / factors[-1])
    assert 1.02 < np.mean(factors) < 1.6
    assert np.mean(slopes) == pytest.approx(1, abs=0.15)


def test_intervals_are_wider_the_fewer_there_are():
    rng = np.random.default_rng(0)
    best, drawn = np.zeros(2), rng.normal(size=(4000, 2))
    low, high = scale.interval(best, drawn, 10)
    np.testing.assert_allclose(-low, high)
    np.testing.assert_allclose(high, 2.262 * np.sqrt(10 / 9), rtol=0.05)
    with pytest.raises(ValueError, match="two observers"):
        scale.interval(best, drawn, 1)


def test_no_answers_are_refused():
    none = np.zeros(0, int)
    with pytest.raises(ValueError, match="no answers"):
        scale.fit(Answers(none, none, none, none, 2, 1))


def test_the_level_of_one_jnd_lies_between_its_neighbours():
    levels, values = np.array([30, 50, 90]), np.array([2.0, 1.5, 0.5])
    assert scale.level_at(1, levels, values) == pytest.approx(70)
    assert scale.level_at(3, levels, values) is None
    assert scale.level_at(0.1, levels, values) is None
