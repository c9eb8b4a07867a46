import json
import re

import pytest

from jaxlic import cli
from jaxlic.report import kpi, prices, worth
from jaxlic.report import records as tables
from tests.report.test_operating import records
from tests.report.test_prices import LIST


@pytest.fixture
def written(tmp_path):
    text = LIST.replace('"jpeg"', '"a"').replace("quality = 80", "quality = 20")
    (tmp_path / "p.toml").write_text(text.replace('"base"', '"b"'))
    found = [*records("a"), *records("b", gain=6.0)]
    found = [r | {"jnd_share": 0.25, "agreement": 1.0} for r in found]
    (tmp_path / "r.json").write_text(tables.to_json({"records": found}))
    return tmp_path


def test_what_is_saved_and_what_is_not_known_stand_together(written):
    found = kpi.account(tables.read(written / "r.json"), prices.read(written / "p.toml"))
    text, page = worth.text(found), worth.section(found)
    for part in ("50.0 % fewer bytes", "worst images", "25.00 %", "agreement", "100.0 %"):
        assert part in text and part in page
    assert "What it does not hold" in text and "No people were asked" in text
    bare = found._replace(
        before=found.before._replace(seen=None), tasks=[], prices=found.prices
    )
    assert worth.text(bare).count("Not measured") == 2


def test_the_command_prints_and_writes_what_the_library_says(written, capsys):
    command = ["kpi", str(written / "r.json"), "--prices", str(written / "p.toml")]
    out = [str(written / name) for name in ("o.json", "o.html")]
    assert cli.main([*command, "--json", out[0], "--html", out[1]]) == 0
    found = kpi.account(tables.read(written / "r.json"), prices.read(written / "p.toml"))
    assert capsys.readouterr().out.strip() == worth.text(found).strip()
    saved = json.loads((written / "o.json").read_text())
    assert saved["saving_month"] == pytest.approx(found.saving)
    page = (written / "o.html").read_text(encoding="utf-8")
    assert worth.section(found) in page and "default-src 'none'" in page
    assert not re.search(r"(?:src|href)\s*=", page)


def test_bad_input_is_one_line(written, capsys):
    (written / "bad.json").write_text("[]")
    for records_, prices_ in (("bad.json", "p.toml"), ("r.json", "none"), ("none", "p.toml")):
        command = ["kpi", str(written / records_), "--prices", str(written / prices_)]
        assert cli.main(command) == 2
        assert capsys.readouterr().err.count("\n") == 1
