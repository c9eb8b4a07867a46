import json

import pytest

from jaxlic.errors import ModelError
from jaxlic.files import shelf


def _model(folder, **changes):
    folder.mkdir()
    card = {"id": folder.name, "number": 0, "builder": "a", "settings": {}, **changes}
    (folder / "model.json").write_text(json.dumps(card))
    return folder


def test_an_id_or_a_folder_is_found():
    assert shelf.folder("base") == shelf.folder(shelf.SHIPPED / "base")
    assert shelf.card("base")["id"] == "base"
    assert shelf.shipped()[0] == "base"


@pytest.mark.parametrize("name", ["", "nosuch", "a" * 5000, "a\0b", "perceptual-heads"])
def test_what_is_no_model_is_refused_in_a_short_line(name):
    with pytest.raises(ModelError, match="no model called") as caught:
        shelf.folder(name)
    assert len(str(caught.value)) < 400


def test_a_description_is_read_from_a_regular_file_of_bounded_size(tmp_path):
    folder = _model(tmp_path / "m")
    assert shelf.card(folder)["id"] == "m"
    (folder / "model.json").write_bytes(b" " * (1 << 21))
    with pytest.raises(ModelError, match=r"m/model\.json: .* too many"):
        shelf.card(folder)


def test_a_lineage_is_short_and_has_an_end(tmp_path):
    oldest = _model(tmp_path / "m0")
    for i in range(1, 5):
        _model(tmp_path / f"m{i}", parent=str(tmp_path / f"m{i - 1}"))
    shelf.check_lineage(oldest)
    shelf.check_lineage(tmp_path / "m3")
    with pytest.raises(ModelError, match="too many"):
        shelf.check_lineage(tmp_path / "m4")
    with pytest.raises(ModelError, match="its own parent"):
        shelf.check_lineage(_model(tmp_path / "me", parent="me"))
