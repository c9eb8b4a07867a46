"""Sessions and answers in SQLite: an answer that was acknowledged is on disk, once.

Write-ahead log, flushed at every commit; `insert or ignore` on (session, question), so that a
page may send an answer again until it hears that it has arrived.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import secrets
import sqlite3
import time
from collections.abc import Generator

from jaxlic.errors import FileError, UsageError, one_line
from jaxlic.study.folder import ANSWERS, Study

MAX_SESSIONS = 10_000
RESPONSES = ("left", "not sure", "right")
_TABLES = """
create table if not exists study (digest text not null);
create table if not exists sessions (
  number integer primary key, session text unique not null, version integer not null,
  started real not null);
create table if not exists answers (
  session text not null references sessions (session), question integer not null,
  response text not null, response_time real not null, toggles integer not null,
  reloads integer not null, pixel_ratio real not null, screen_width integer not null,
  screen_height integer not null, window_width integer not null,
  window_height integer not null, phases integer not null, phase_mean real not null,
  phase_longest real not null, received real not null,
  primary key (session, question)) without rowid;
"""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an observer said, and how it was shown.

    Attributes:
        session: the observer's anonymous id.
        question: id of the question.
        response: one of `RESPONSES`, the side as it was on the screen.
        response_time: seconds from when both pictures were painted.
        toggles: how often the original was shown.
        reloads: how often the page was loaded again by then, in this session.
        pixel_ratio: pixels of the display in one of the page's.
        screen_width, screen_height, window_width, window_height: in the page's pixels.
        phases: how many pictures the flicker has shown, 0 without.
        phase_mean, phase_longest: for how many milliseconds, by the display's frames.
        received: seconds since 1970; 0 before it was stored.
    """

    session: str
    question: int
    response: str
    response_time: float
    toggles: int
    reloads: int
    pixel_ratio: float
    screen_width: int
    screen_height: int
    window_width: int
    window_height: int
    phases: int
    phase_mean: float
    phase_longest: float
    received: float = 0.0


_FIELDS = [field.name for field in dataclasses.fields(Answer)]


@contextlib.contextmanager
def opened(study: Study) -> Generator[sqlite3.Connection]:
    """The answers of a study, made on the first call; for one thread.

    Raises:
        UsageError: if the plan is not the one that the answers were given to.
        FileError: if the file cannot be used.
    """
    path = study.path / ANSWERS
    try:
        with contextlib.closing(_connected(path)) as answers:
            (digest,) = answers.execute("select digest from study").fetchone() or (None,)
            if digest is None:
                with answers:
                    answers.execute("begin immediate")
                    row = answers.execute("select digest from study").fetchone()
                    if row is None:
                        answers.execute("insert into study values (?)", (study.digest,))
            elif digest != study.digest:
                raise UsageError(
                    f"{study.path}: the plan was changed after the first answers; restore it, "
                    "or make another study"
                )
            yield answers
    except sqlite3.Error as error:
        raise FileError(f"{path}: {one_line(error)}") from error


def _connected(path: pathlib.Path) -> sqlite3.Connection:
    answers = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        answers.execute("pragma journal_mode = wal")
        answers.execute("pragma synchronous = full")
        if not answers.execute("select 1 from sqlite_master where name = 'answers'").fetchone():
            answers.executescript(_TABLES)
    except BaseException:
        answers.close()
        raise
    return answers


def begin(answers: sqlite3.Connection, versions: int) -> tuple[str, int]:
    """A new session: its id, which nobody can guess, and the next version of the plan.

    Raises:
        UsageError: if there are too many.
    """
    session = secrets.token_urlsafe(16)
    with answers:
        answers.execute("begin immediate")
        (count,) = answers.execute("select count(*) from sessions").fetchone()
        if count >= MAX_SESSIONS:
            raise UsageError(f"there are {MAX_SESSIONS} sessions already")
        version = count % versions
        row = (count + 1, session, version, time.time())
        answers.execute("insert into sessions values (?, ?, ?, ?)", row)
    return session, version


def version_of(answers: sqlite3.Connection, session: str) -> int | None:
    """The version of the plan that a session has, None if there is no such session."""
    query = "select version from sessions where session = ?"
    row = answers.execute(query, (session,)).fetchone()
    return None if row is None else row[0]


def answered(answers: sqlite3.Connection, session: str) -> list[int]:
    """The questions that a session has answered."""
    query = "select question from answers where session = ? order by question"
    return [row[0] for row in answers.execute(query, (session,))]


def add(answers: sqlite3.Connection, answer: Answer) -> None:
    """Stores an answer; the first one to a question stays."""
    row = dataclasses.replace(answer, received=time.time())
    marks = ", ".join("?" * len(_FIELDS))
    answers.execute(
        f"insert or ignore into answers ({', '.join(_FIELDS)}) values ({marks})",
        [getattr(row, name) for name in _FIELDS],
    )


def sessions(answers: sqlite3.Connection) -> dict[str, int]:
    """By session its version, in the order in which they began."""
    query = "select session, version from sessions order by number"
    return dict(answers.execute(query).fetchall())


def everything(answers: sqlite3.Connection) -> list[Answer]:
    """All answers, by session in the order in which they began, then as they were received."""
    query = (
        f"select {', '.join('a.' + name for name in _FIELDS)} from answers a "
        "join sessions s on s.session = a.session order by s.number, a.received, a.question"
    )
    return [Answer(*row) for row in answers.execute(query)]
