"""A bounded share of the fuzzing, and that it would find something."""

import pytest

from tests import fuzzing
from tests.fuzzing import Target, fuzz

COUNTS = {
    "container": 2000,
    "entropy": 2000,
    "payload": 100,
    "levels": 150,
    "notes": 300,
    "models": 60,
    "images": 300,
}


@pytest.mark.parametrize("name", sorted(fuzzing.TARGETS))
def test_what_comes_from_outside_is_answered_in_one_line(name):
    report = fuzz(name, count=COUNTS[name], seed=1)
    assert report.mutations == COUNTS[name] and not report.findings, str(report)


def test_findings_are_kept_and_mutations_are_repeatable(monkeypatch, tmp_path):
    seen = []

    def run(data):
        seen.append(data)
        if data[:1] != b"a":
            raise KeyError("x")

    class Scope:
        def __enter__(self):
            return Target([b"abc"], run, fuzzing.change)

        def __exit__(self, *_):
            pass

    monkeypatch.setitem(fuzzing.TARGETS, "toy", Scope)
    report = fuzz("toy", count=50, findings=tmp_path)
    assert next(iter(report.findings)).startswith("KeyError at test_fuzzing.py")
    assert (tmp_path / "toy-0-1").read_bytes() == next(iter(report.findings.values()))
    again = list(seen)
    seen.clear()
    fuzz("toy", count=50)
    assert seen == again and report.accepted < 50


def test_the_corpus_is_small():
    files = [p for p in fuzzing.CORPUS.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert sum(p.stat().st_size for p in files) < 100_000
