import json

import pytest

from jaxlic.files import schema

CARD = {"id": "m", "number": 0, "builder": "a.b", "settings": {}}


def _parse(**changes):
    return schema.parse(json.dumps({**CARD, **changes}).encode())


def test_a_description_comes_back_with_all_it_says():
    assert _parse(kodak={"vs jpeg": "-1 %"}, parent="base")["kodak"] == {"vs jpeg": "-1 %"}


def test_depth_is_that_of_lists_and_objects_in_each_other():
    deep = 0
    for _ in range(7):
        deep = [deep]
    assert _parse(notes=deep)["notes"] == deep
    with pytest.raises(ValueError, match="nested at most 8"):
        _parse(notes=[deep])


@pytest.mark.parametrize("number", [-1, 256, True, "1", None, 1.0])
def test_numbers_of_models_fit_a_byte(number):
    with pytest.raises(ValueError, match="number must"):
        _parse(number=number)


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (1024, True),
        (-1025, False),
        (None, True),
        (True, True),
        (1e6, True),
        (float("inf"), False),
        ("rescaler/x2:a", True),
        ("a b", False),
        ([1] * 8, True),
        ([1] * 9, False),
        ((1, [2]), True),
        ([[[1]]], False),
        ({}, True),
        ({"b": [4]}, True),
        ({"b": 1025}, False),
        ({"b": {}}, False),
    ],
)
def test_settings_are_small_numbers_short_texts_and_lists_of_these(value, holds):
    if holds:
        schema.check_settings({"a": value}, {})
        return
    with pytest.raises(ValueError, match=r"setting [ab] is out of bounds"):
        schema.check_settings({"a": value}, {})


def test_a_builder_may_limit_integers_otherwise():
    schema.check_settings({"wide": [4096], "blocks": 8}, {"wide": 4096, "blocks": 8})
    with pytest.raises(ValueError, match="blocks"):
        schema.check_settings({"blocks": [1, 9]}, {"blocks": 8})
