import contextlib
import http.client
import json
import socket
import threading

import pytest

from jaxlic.errors import UsageError
from jaxlic.files import disk
from jaxlic.study import folder, server, store
from jaxlic.study.server import StudyServer
from tests.study.small import make_study

ANSWER = dict(
    response="left",
    response_time=1.5,
    toggles=1,
    reloads=0,
    pixel_ratio=2,
    screen_width=1920,
    screen_height=1080,
    window_width=1900,
    window_height=990,
    phases=0,
    phase_mean=0,
    phase_longest=0.0,
)


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "s")


@contextlib.contextmanager
def running(study):
    with StudyServer(study, "127.0.0.1", 0) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield served
        finally:
            served.shutdown()
            thread.join()


@pytest.fixture
def served(study):
    with running(study) as served:
        yield served


def ask(served, method, path, body=None, headers=None):
    link = http.client.HTTPConnection(*served.server_address[:2], timeout=10)
    if isinstance(body, dict):
        body, headers = json.dumps(body), {"Content-Type": "application/json"} | (headers or {})
    link.request(method, path, body, headers or {})
    reply = link.getresponse()
    data = reply.read()
    link.close()
    return reply, data


def post(served, path, **body):
    reply, data = ask(served, "POST", path, body)
    return reply.status, json.loads(data) if reply.status == 200 else data.decode()


def test_a_session_from_consent_to_its_answers(served, study):
    assert post(served, "/begin", consent=False)[0] == 403
    status, found = post(served, "/begin", consent=True)
    assert status == 200 and found["answered"] == []
    trials = [trial for block in found["blocks"] for trial in block]
    assert {t["question"] for t in trials} == set(study.questions)
    session = found["session"]
    for trial in trials[:3]:
        row = ANSWER | {"session": session, "question": trial["question"]}
        assert post(served, "/answer", **row) == (200, {"stored": trial["question"]})
        assert post(served, "/answer", **row)[0] == 200  # Again is no harm.
    status, again = post(served, "/resume", session=session)
    assert again["blocks"] == found["blocks"]
    assert sorted(again["answered"]) == sorted(t["question"] for t in trials[:3])
    with store.opened(study) as answers:
        rows = store.everything(answers)
    assert len(rows) == 3 and rows[0].pixel_ratio == 2.0 and rows[0].screen_width == 1920


def test_what_the_page_gets_does_not_tell_codecs_or_traps(served, study):
    _, found = post(served, "/begin", consent=True)
    text = json.dumps(found)
    for word in ("jpeg", "trap", "source", "bias", "level", "mse"):
        assert word not in text
    for trial in (t for block in found["blocks"] for t in block):
        question = study.questions[trial["question"]]
        files = {study.shown[i].file for i in (question.left, question.right)}
        assert {trial["files"][0], trial["files"][2]} == files
        assert trial["files"][1] == study.shown[question.pivot].file


def test_every_reply_has_a_strict_policy(served, study):
    for path in ("/", "/study.js", "/words", f"/pictures/{study.shown[0].file}", "/nothing"):
        reply, _ = ask(served, "GET", path)
        policy = reply.getheader("Content-Security-Policy")
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert reply.getheader("X-Content-Type-Options") == "nosniff"
        assert reply.getheader("Set-Cookie") is None


def test_pictures_are_served_as_they_are(served, study):
    reply, data = ask(served, "GET", f"/pictures/{study.shown[1].file}")
    assert reply.status == 200 and reply.getheader("Content-Type") == "image/png"
    assert data == disk.read_bytes(study.path / folder.PICTURES / study.shown[1].file)


@pytest.mark.parametrize(
    "path",
    [
        "/study.json",
        "/answers.sqlite",
        "/pictures/../study.json",
        "/pictures/..%2fstudy.json",
        "/pictures/%2e%2e/answers.sqlite",
        "/pictures//etc/passwd",
        "//etc/passwd",
        "/../../../../etc/passwd",
        "/pictures/..\\study.json",
        "/pictures/",
        "/page/study.js",
        "/pictures/p00000.png%00.json",
        "/pictures/P00000.PNG",
    ],
)
def test_no_path_leads_anywhere_else(served, path):
    with socket.create_connection(served.server_address[:2], timeout=10) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n".encode())
        assert link.recv(64).split()[1] == b"404"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"response": "both"}, "response must be"),
        ({"response": None}, "response must be"),
        ({"response": []}, "response must be"),
        ({"question": 10**6}, "no such question"),
        ({"question": 1.5}, "question must be"),
        ({"question": True}, "question must be"),
        ({"response_time": -1}, "response_time must be"),
        ({"response_time": 10**400}, "response_time must be"),
        ({"response_time": float("nan")}, "response_time must be"),
        ({"pixel_ratio": float("inf")}, "pixel_ratio must be"),
        ({"screen_width": "1; drop table answers"}, "screen_width must be"),
        ({"phases": None}, "phases must be"),
        ({"session": 3}, "session must be"),
    ],
)
def test_an_answer_that_is_none_is_refused(served, study, change, message):
    _, found = post(served, "/begin", consent=True)
    row = ANSWER | {"session": found["session"], "question": 1} | change
    status, text = post(served, "/answer", **row)
    assert status == 400 and message in text
    with store.opened(study) as answers:
        assert store.everything(answers) == []


def test_sessions_cannot_be_made_up(served):
    for session in ("x", "é", "y" * 1000, "' or 1=1 --"):
        assert post(served, "/resume", session=session)[0] == 410
        row = ANSWER | {"session": session, "question": 1}
        assert post(served, "/answer", **row)[0] == 410


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "text/plain"}, "{}", 415),
        ({"Content-Type": "application/json"}, "{", 400),
        ({"Content-Type": "application/json"}, "[" * 4000, 400),
        ({"Content-Type": "application/json"}, "[]", 400),
        ({"Content-Type": "application/json"}, b"\xff\xfe", 400),
        ({"Content-Type": "application/json"}, "x" * (server.MAX_BODY + 1), 413),
        ({"Content-Type": "application/json", "Content-Length": "9" * 30}, "", 413),
        ({"Content-Type": "application/json", "Content-Length": "-1"}, "", 411),
        ({"Content-Type": "application/json", "Transfer-Encoding": "chunked"}, "", 411),
    ],
)
def test_bodies_are_bounded_and_checked(served, headers, body, status):
    assert ask(served, "POST", "/begin", body, headers)[0].status == status
    assert ask(served, "GET", "/")[0].status == 200


def test_another_name_for_this_machine_is_refused(served):
    assert ask(served, "GET", "/", headers={"Host": "evil.example:80"})[0].status == 403
    assert ask(served, "GET", "/", headers={"Host": "localhost:80"})[0].status == 200


def test_there_is_an_end_to_connections(study, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    with running(study) as served, contextlib.ExitStack() as stack:
        for _ in range(2):
            link = stack.enter_context(socket.create_connection(served.server_address[:2]))
            link.sendall(b"GET / HTTP/1.1\r\n")  # And then silence.
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            for _ in range(20):  # The third; the first two may not have been taken yet.
                ask(served, "GET", "/")


def test_forced_choice_takes_no_not_sure(tmp_path):
    study = make_study(tmp_path / "ab", kind=folder.AB)
    with running(study) as served:
        _, found = post(served, "/begin", consent=True)
        row = ANSWER | {"session": found["session"], "question": 1}
        assert post(served, "/answer", **(row | {"response": "not sure"}))[0] == 400
        assert post(served, "/answer", **row)[0] == 200


def test_a_plan_that_was_changed_is_not_served(study):
    with StudyServer(study, "127.0.0.1", 0):
        pass
    file = study.path / folder.PLAN
    file.write_text(file.read_text().replace("A test", "Another"))
    with pytest.raises(UsageError, match="the plan was changed"):
        StudyServer(folder.load(study.path), "127.0.0.1", 0)
