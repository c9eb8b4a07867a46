import threading

import pytest

from jaxlic.errors import FileError, UsageError
from jaxlic.study import folder, store
from tests.study.small import answer, make_study


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "s")


def test_the_first_answer_to_a_question_stays(study):
    with store.opened(study) as answers:
        session, version = store.begin(answers, len(study.versions))
        store.add(answers, answer(session, 1, "left"))
        store.add(answers, answer(session, 1, "right"))
        store.add(answers, answer(session, 2, "not sure"))
        assert store.version_of(answers, session) == version
        assert store.version_of(answers, "nobody") is None
    with store.opened(study) as answers:  # From the file.
        assert store.answered(answers, session) == [1, 2]
        assert [a.response for a in store.everything(answers)] == ["left", "not sure"]
        assert all(a.received > 1e9 for a in store.everything(answers))


def test_it_is_flushed_at_every_answer(study):
    with store.opened(study) as answers:
        assert answers.execute("pragma journal_mode").fetchone() == ("wal",)
        assert answers.execute("pragma synchronous").fetchone() == (2,)  # full


def test_sessions_get_the_versions_in_turn_also_at_once(study):
    found = []

    def begin():
        with store.opened(study) as answers:
            found.append(store.begin(answers, 4))

    threads = [threading.Thread(target=begin) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({session for session, _ in found}) == 12
    assert sorted(version for _, version in found) == sorted(3 * [0, 1, 2, 3])
    with store.opened(study) as answers:
        assert list(store.sessions(answers).values()) == 3 * [0, 1, 2, 3]


def test_a_plan_that_was_changed_after_the_first_answers_is_refused(study):
    with store.opened(study):
        pass
    file = study.path / folder.PLAN
    file.write_text(file.read_text().replace('"traps": 0.7', '"traps": 0.1'))
    with (
        pytest.raises(UsageError, match="the plan was changed"),
        store.opened(folder.load(study.path)),
    ):
        pass


def test_a_file_that_is_no_database_is_told_in_a_line(study):
    (study.path / folder.ANSWERS).write_bytes(b"no database" * 1000)
    message = r"answers\.sqlite: file is not a database"
    with pytest.raises(FileError, match=message), store.opened(study):
        pass


def test_there_is_an_end_to_sessions(study, monkeypatch):
    monkeypatch.setattr(store, "MAX_SESSIONS", 1)
    with store.opened(study) as answers:
        store.begin(answers, 2)
        with pytest.raises(UsageError, match="1 sessions already"):
            store.begin(answers, 2)
