"""Results as tables: our own, and answers with the columns of the public AIC-3 data.

The columns are those of the JPEG-AI-SDR25 responses and user data (github.com/jpeg-aic). What
is not asked here (age, gender, country, size of display, colour vision) is left empty.
"""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Sequence
from typing import Any

from jaxlic.study.analysis import Result
from jaxlic.study.folder import AB, BOOSTED
from jaxlic.study.observers import sides, swapped
from jaxlic.study.plan import BIAS, CATCH, CROSS, SAME

RESPONSES = [
    "assignment",
    "worker",
    "method",
    "task",
    "question_id",
    "img_num",
    "codec_left",
    "codec_pivot",
    "codec_right",
    "dlevel_left",
    "dlevel_pivot",
    "dlevel_right",
    "img_left",
    "img_pivot",
    "img_right",
    "is_same",
    "is_cross",
    "is_bias",
    "is_trap",
    "question_order",
    "response",
    "submission_time",
    "response_time",
    "reload_count",
    "resolution",
]
USERS = [
    "worker",
    "age",
    "gender",
    "time_zone",
    "display_size",
    "tasks",
    "assignments",
    "completion_time",
    "ishihara_test1",
    "ishihara_test2",
    "country",
]
_METHODS = {AB: "AB", BOOSTED: "BTC"}


def tables(result: Result) -> dict[str, bytes]:
    """All tables, by the name of their file."""
    found = {
        "responses.csv": _responses(result),
        "users.csv": _users(result),
        "observers.csv": _observers(result),
        "pictures.csv": _pictures(result),
    }
    if result.values:
        found["own.csv"] = _own(result)
    return found


def _responses(result: Result) -> bytes:
    study = result.study
    boosted = study.kind == BOOSTED
    rows = []
    for observer in result.observers:
        mirrored = swapped(study, observer.version)
        order = [id_ for block in study.versions[observer.version] for id_, _ in block]
        rank = {id_: place for place, id_ in enumerate(order, 1)}
        for answer in observer.answers:
            question = study.questions[answer.question]
            left, right = sides(question, mirrored[question.id])
            triplet = [study.shown[i] for i in (left, question.pivot, right)]
            row = [observer.session, observer.worker, _METHODS.get(study.kind, "PTC")]
            row += [observer.version + 1, question.id, triplet[1].image + 1]
            row += [study.codecs.index(s.codec) for s in triplet]
            row += [s.dlevel for s in triplet]
            row += [s.file for s in triplet]
            row += [int(question.sort == sort) for sort in (SAME, CROSS, BIAS, CATCH)]
            row += [rank[question.id], answer.response, _time(answer.received)]
            row += [f"{answer.response_time:.3f}", answer.reloads]
            row += [f"{answer.screen_width}x{answer.screen_height}"]
            rows.append(row if boosted else [*row, answer.toggles])
    return _csv(RESPONSES if boosted else [*RESPONSES, "toggle_count"], rows)


def _users(result: Result) -> bytes:
    rows = []
    for o in result.observers:
        seconds = o.answers[-1].received - o.answers[0].received
        row = {"worker": o.worker, "tasks": o.version + 1, "assignments": o.session}
        row["completion_time"] = f"{seconds + o.answers[0].response_time:.0f}"
        rows.append([row.get(name, "") for name in USERS])
    return _csv(USERS, rows)


def _observers(result: Result) -> bytes:
    names = [
        "worker",
        "answers",
        "traps_right",
        "equal_left",
        "equal_right",
        "median_seconds",
        "excluded",
        "sensitivity",
        "doubt",
        "pixel_ratio",
        "window",
        "flicker_mean_ms",
        "flicker_longest_ms",
    ]
    rows = []
    for o in result.observers:
        last = o.answers[-1]
        flickers = [a for a in o.answers if a.phases]
        phases = sum(a.phases for a in flickers)
        mean = sum(a.phases * a.phase_mean for a in flickers) / phases if phases else ""
        row: list[Any] = [
            o.worker,
            len(o.answers),
            o.traps,
            o.equal_left,
            o.equal_right,
            o.seconds,
        ]
        row += ["; ".join(o.excluded), result.sensitivity.get(o.worker, "")]
        row += [result.doubt.get(o.worker, ""), last.pixel_ratio]
        row += [f"{last.window_width}x{last.window_height}", mean]
        rows.append([*row, max((a.phase_longest for a in flickers), default="")])
    return _csv(names, rows)


def _pictures(result: Result) -> bytes:
    names = [
        "file",
        "image",
        "img_num",
        "codec",
        "codec_num",
        "dlevel",
        "level",
        "bytes",
        "bpp",
        "mse",
        "jnd",
        "low",
        "high",
    ]
    study = result.study
    by_picture = {value.picture: value for value in result.values}
    rows = []
    for i, s in enumerate(study.shown):
        value = by_picture.get(i)
        ends = ["", "", ""] if value is None else [value.jnd, value.low, value.high]
        row = [s.file, study.images[s.image], s.image + 1, s.codec, study.codecs.index(s.codec)]
        rows.append([*row, s.dlevel, s.level, s.bytes, s.bpp, s.mse, *ends])
    return _csv(names, rows)


def _own(result: Result) -> bytes:
    """The level of each codec where each observer sees one JND; worker 0 is the middle one."""
    study = result.study
    rows: list[list[Any]] = [
        [0, study.images[image], codec, level]
        for (image, codec), level in result.at_one.items()
    ]
    rows += [
        [worker, study.images[image], codec, level]
        for (worker, image, codec), level in result.own.items()
    ]
    return _csv(["worker", "image", "codec", "level_at_1_jnd"], rows)


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(
        timespec="milliseconds"
    )


def _csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in row])
    return out.getvalue().encode()
