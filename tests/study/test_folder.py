import json

import pytest

from jaxlic.errors import FileError
from jaxlic.files import images
from jaxlic.study import folder, plan
from jaxlic.study.stimuli import SOURCE, TRAP
from tests.study.small import make_study


def test_a_study_is_read_as_it_was_made(tmp_path):
    study = make_study(tmp_path / "s")
    assert study.images == ["kodim05_crop.png"] and study.codecs == [SOURCE, "jpeg", TRAP]
    assert study.rules == plan.RULES and study.flicker == 0
    for row in study.shown:
        pixels = images.read_rgb(study.path / folder.PICTURES / row.file)
        assert pixels.shape == (row.height, row.width, 3)
    again = make_study(tmp_path / "t")
    assert again.digest == study.digest != make_study(tmp_path / "u", seed=1).digest


def test_only_boosted_studies_flicker(tmp_path):
    study = make_study(tmp_path / "s", kind=folder.BOOSTED)
    card = json.loads((tmp_path / "s" / folder.PLAN).read_text())
    assert study.flicker == 10 and card["boost"] == {"amplification": 2, "zoom": 2}


def test_names_of_pictures_do_not_give_the_codec_away(tmp_path):
    orders = {
        tuple(sorted(range(4), key=lambda i: study.shown[i].file))
        for study in (make_study(tmp_path / f"s{seed}", seed=seed) for seed in range(6))
    }
    assert len(orders) > 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"kind": "odd"}, "kind 'odd'"),
        ({"title": 3}, "texts"),
        ({"flicker": 1e9}, "flicker"),
        ({"flicker": "x"}, "could not convert"),
        ({"questions": []}, "does not ask every question once"),
        ({"versions": []}, "asks nothing"),
        ({"versions": [[[[1, 2, 3]]]]}, "too many values"),
        ({"rules": {}}, "answers"),
        ({"pictures": [{"file": "../../etc/passwd"}]}, "missing"),
        ({"pictures": 3}, "not iterable"),
    ],
)
def test_a_plan_that_is_none_is_told_in_a_line(tmp_path, change, message):
    study = make_study(tmp_path / "s")
    file = study.path / folder.PLAN
    card = json.loads(file.read_text())
    file.write_text(json.dumps(card | change))
    with pytest.raises(FileError, match=message) as error:
        folder.load(study.path)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_pictures_are_named_inside_of_their_folder(tmp_path):
    study = make_study(tmp_path / "s")
    file = study.path / folder.PLAN
    file.write_text(file.read_text().replace(study.shown[0].file, "../x.png"))
    with pytest.raises(FileError, match="a picture is called"):
        folder.load(study.path)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "null"])
def test_what_is_no_plan_is_refused(tmp_path, text):
    (tmp_path / folder.PLAN).write_text(text)
    with pytest.raises(FileError, match="is not the plan of a study"):
        folder.load(tmp_path)


def test_a_folder_without_a_plan_is_refused(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        folder.load(tmp_path)
