import pytest

from jaxlic.study import observers
from jaxlic.study.plan import BIAS, CATCH
from jaxlic.study.stimuli import TRAP
from tests.study.small import answer, make_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(
        tmp_path_factory.mktemp("study") / "s", photographs=2, levels=(20, 40, 60)
    )


def right(study, version=0, **more):
    """Answers of one who sees everything, as `small.answer` has them."""
    mirrored = observers.swapped(study, version)
    rows = []
    for question in study.questions.values():
        left, side = observers.sides(question, mirrored[question.id])
        errors = study.shown[left].mse, study.shown[side].mse
        response = "left" if errors[0] > errors[1] else "right"
        if errors[0] == errors[1]:
            response = "not sure"
        rows.append(answer("a", question.id, response, **more))
    return rows


def _judged(study, rows, version=0):
    (found,) = observers.observers(study, {"a": version}, rows)
    return found


@pytest.mark.parametrize("version", [0, 1])
def test_who_sees_everything_counts(study, version):
    found = _judged(study, right(study, version), version)
    assert found.excluded == () and found.traps == 1 and found.seconds == 1
    assert (found.equal_left, found.equal_right) == (0, 0)


def test_who_answers_another_version_s_sides_falls_into_the_traps(study):
    found = _judged(study, right(study, version=1), version=0)
    assert found.traps == 0 and "0% of traps right" in found.excluded[0]


def test_who_leaves_early_does_not_count(study):
    rows = right(study)
    traps = [r for r in rows if study.questions[r.question].sort == CATCH]
    found = _judged(study, traps)
    assert found.excluded == (f"answered {len(traps)} of {len(rows)}",)


def test_who_always_takes_one_side_does_not_count(study):
    rows = [answer("a", r.question, "left") for r in right(study)]
    found = _judged(study, rows)
    assert any("on one side" in rule for rule in found.excluded)
    assert found.equal_left == sum(q.sort == BIAS for q in study.questions.values())


def test_who_does_not_look_does_not_count(study):
    found = _judged(study, right(study, seconds=0.1))
    assert len(found.excluded) == 1 and "in less than 0.4 s" in found.excluded[0]


def test_who_said_nothing_is_nobody(study):
    assert observers.observers(study, {"a": 0, "b": 1}, []) == []
    found = observers.observers(study, {"b": 1, "a": 0}, right(study))
    assert [(o.worker, o.session) for o in found] == [(2, "a")]


def test_a_trap_is_the_picture_that_is_not_the_original(study):
    traps = [q for q in study.questions.values() if q.sort == CATCH]
    for question in traps:
        shown = {study.shown[question.left].codec, study.shown[question.right].codec}
        assert TRAP in shown
