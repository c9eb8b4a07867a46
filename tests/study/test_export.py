import csv
import io

import numpy as np
import pytest

from jaxlic.study import analysis, export, folder
from tests.study.small import make_study, simulated
from tests.study.test_analysis import values


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    study = make_study(tmp_path_factory.mktemp("study") / "s")
    simulated(study, values(study), 3)
    result = analysis.analyse(study, draws=4)
    return study, result, export.tables(result)


def _rows(data):
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_responses_have_the_columns_of_the_public_data_and_can_be_read_back(made):
    study, _, tables = made
    rows = _rows(tables["responses.csv"])
    assert list(rows[0]) == [*export.RESPONSES, "toggle_count"]
    assert len(rows) == 3 * len(study.questions)
    by_file = {s.file: i for i, s in enumerate(study.shown)}
    for row in rows:
        question = study.questions[int(row["question_id"])]
        shown = {by_file[row["img_left"]], by_file[row["img_right"]]}
        assert shown == {question.left, question.right}
        assert by_file[row["img_pivot"]] == question.pivot
        left = study.shown[by_file[row["img_left"]]]
        assert study.codecs[int(row["codec_left"])] == left.codec
        assert int(row["dlevel_left"]) == left.dlevel and row["codec_pivot"] == "0"
        flags = [int(row[f"is_{name}"]) for name in ("same", "cross", "bias", "trap")]
        assert sum(flags) == 1 and flags[3] == (question.sort == "trap")
        assert row["method"] == "PTC" and row["resolution"] == "1920x1080"
        assert row["submission_time"].endswith("+00:00")
    first = [int(row["question_order"]) for row in rows if row["worker"] == "1"]
    assert sorted(first) == list(range(1, len(study.questions) + 1))


def test_users_have_the_public_columns_and_nothing_that_was_not_asked(made):
    rows = _rows(made[2]["users.csv"])
    assert list(rows[0]) == export.USERS and len(rows) == 3
    assert {row["age"] for row in rows} == {row["gender"] for row in rows} == {""}
    assert [row["worker"] for row in rows] == ["1", "2", "3"]


def test_pictures_and_observers_hold_the_result(made):
    study, result, tables = made
    rows = _rows(tables["pictures.csv"])
    assert len(rows) == len(study.shown)
    jnd = [float(row["jnd"]) for row in rows if row["jnd"]]
    np.testing.assert_allclose(jnd, [v.jnd for v in result.values], rtol=1e-4)
    people = _rows(tables["observers.csv"])
    found = [float(row["sensitivity"]) for row in people if not row["excluded"]]
    np.testing.assert_allclose(found, list(result.sensitivity.values()), rtol=1e-4)
    own = _rows(tables["own.csv"])
    assert {row["worker"] for row in own} == {"0", *map(str, result.sensitivity)}


def test_a_b_has_no_scale(tmp_path):
    study = make_study(tmp_path / "s", kind=folder.AB)
    simulated(study, values(study), 2)
    tables = export.tables(analysis.analyse(study))
    assert "own.csv" not in tables
    assert {row["method"] for row in _rows(tables["responses.csv"])} == {"AB"}
