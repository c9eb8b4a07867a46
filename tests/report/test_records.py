import csv
import io
import json
import math

import pytest

from jaxlic.errors import FileError
from jaxlic.report import records

RECORD = {"codec": "a", "image": "=x.png", "quality": 5, "bytes": 9, "bpp": 0.5}


def test_what_is_not_finite_is_null_and_comes_back_as_nan(tmp_path):
    text = records.to_json({"records": [RECORD | {"psnr": math.inf, "ssim": math.nan}]})
    assert json.loads(text, parse_constant=pytest.fail)["records"][0]["psnr"] is None
    (tmp_path / "r.json").write_text(text)
    (back,) = records.read(tmp_path / "r.json")
    assert math.isnan(back["psnr"]) and math.isnan(back["ssim"]) and back["bpp"] == 0.5


def test_a_table_runs_nothing_and_has_a_column_a_field():
    text = records.to_csv([RECORD, RECORD | {"generated": {"kind": "refined", "seed": 7}}])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["image"] == "'=x.png" and rows[0]["generated"] == ""
    assert rows[1]["generated"] == "kind refined; seed 7"
    assert float(rows[1]["bpp"]) == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"records": 3}',
        "[1]",
        "[" * 100_000,
        json.dumps([RECORD | {"codec": 3}]),
        json.dumps([RECORD | {"bpp": 0}]),
        json.dumps([RECORD | {"bytes": -1}]),
        json.dumps([RECORD | {"quality": True}]),
        json.dumps([RECORD | {"quality": None}]),
        json.dumps([RECORD | {"jnd_share": "many"}]),
        json.dumps([{k: v for k, v in RECORD.items() if k != "bytes"}]),
    ],
)
def test_what_holds_no_records_is_an_error_that_names_the_file(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(FileError, match=r"r\.json: holds no records"):
        records.read(tmp_path / "r.json")
