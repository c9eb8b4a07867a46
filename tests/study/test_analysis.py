import numpy as np
import pytest

from jaxlic.errors import UsageError
from jaxlic.study import ab, analysis, folder, store
from jaxlic.study.scale import JND
from jaxlic.study.stimuli import SOURCE, TRAP
from tests.study.small import answer, make_study, simulated


def values(study):
    """True values: 0.8 a rank, and traps that nobody misses."""
    return np.array([9.0 if s.codec == TRAP else 0.8 * s.dlevel for s in study.shown])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "s"
    return make_study(path, photographs=2, levels=(20, 45, 70))


@pytest.fixture(scope="module")
def result(study):
    truth = values(study)
    simulated(study, truth, 24)
    return analysis.analyse(study, draws=40)


def test_a_simulated_study_gives_the_scale_it_was_simulated_with(study, result):
    truth = values(study)
    assert len(result.values) == 6
    inside = 0
    for value in result.values:
        assert study.shown[value.picture].codec not in (SOURCE, TRAP)
        inside += value.low <= truth[value.picture] / JND <= value.high
    assert inside >= 5
    found = [value.jnd for value in result.values]
    assert np.corrcoef(found, truth[[v.picture for v in result.values]])[0, 1] > 0.8


def test_the_level_of_one_jnd_is_between_the_levels_around_it(study, result):
    # 0.8 is 1.19 JND: one JND is not reached within the levels, or just so, from above.
    for (image, codec), level in result.at_one.items():
        own = [v.jnd for v in result.values if study.shown[v.picture].image == image]
        assert codec == "jpeg" and (level is None) == (min(own) > 1 or max(own) < 1)
    assert set(result.own) == {
        (worker, image, "jpeg") for worker in result.sensitivity for image in (0, 1)
    }
    levels = {w: result.own[w, 0, "jpeg"] for w in result.sensitivity}
    found = [(result.sensitivity[w], level) for w, level in levels.items() if level is not None]
    ordered = [level for _, level in sorted(found)]
    assert ordered == sorted(ordered)  # Who sees more needs a higher quality.


def test_the_same_answers_give_the_same_result(study, result):
    assert analysis.analyse(study, draws=40) == result


def test_who_does_not_count_does_not_count(tmp_path):
    study = make_study(tmp_path / "s")
    with store.opened(study) as answers:
        session, _ = store.begin(answers, 1)
        store.add(answers, answer(session, 1))
    with pytest.raises(UsageError, match="no observer counts, of 1"):
        analysis.analyse(study)
    simulated(study, values(study), 1)
    one = analysis.analyse(study)
    assert [bool(o.excluded) for o in one.observers] == [True, False]
    assert all(v.low is None for v in one.values)  # An interval over observers needs two.
    assert list(one.sensitivity) == [2] and one.sensitivity[2] == pytest.approx(1)


@pytest.mark.parametrize(("jpeg", "webp", "decision"), [(3, 1, ab.BETTER), (1, 3, ab.HURTS)])
def test_a_b_says_whether_the_second_codec_hurts(tmp_path, jpeg, webp, decision):
    study = make_study(tmp_path / "s", kind=folder.AB, photographs=2)
    by_codec = {"jpeg": jpeg, "webp": webp, SOURCE: 0, TRAP: 9}
    simulated(study, np.array([by_codec[s.codec] for s in study.shown], float), 24)
    result = analysis.analyse(study)
    assert result.values == [] and result.verdict.decision == decision
    assert (result.verdict.rate > 0.5) == (decision == ab.BETTER)
