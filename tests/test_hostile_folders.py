"""A model folder comes from anywhere: it loads, or is refused in one line that names it."""

import json
import os
import shutil
import time

import numpy as np
import pytest
from safetensors.numpy import load, save

import jaxlic
from jaxlic import models
from jaxlic.errors import ModelError
from jaxlic.models import Spec
from tests.conftest import TINY

SAIN = Spec("rescaler.folded", dict(layout=["haar", "V1"], width=8))


@pytest.fixture(scope="module")
def sound(tiny, tmp_path_factory):
    """A folder that loads."""
    folder = tmp_path_factory.mktemp("sound") / "m"
    models.save_model(folder, tiny[1], TINY, {"id": "m", "number": 0})
    return folder


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "m")


def _describe(folder, changes):
    card = json.loads((folder / "model.json").read_text()) | changes
    card = {name: value for name, value in card.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(card))


def _arrays(folder, change):
    file = folder / "weights.safetensors"
    arrays = load(file.read_bytes())
    change(arrays)
    file.write_bytes(save(arrays))
    _describe(folder, {"sha256": None})


def _refused(folder, within=10):
    began = time.monotonic()
    with pytest.raises(ModelError) as caught:
        models.load_model(folder)
    text = str(caught.value)
    assert str(folder) in text and text.isprintable() and len(text) < 500
    assert time.monotonic() - began < within
    return text


def test_the_sound_one_loads(folder):
    assert models.load_model(folder).id == "m"


SETTINGS = [
    {"blocks": [10**9, 1]},
    {"blocks": 10**9},
    {"blocks": [9, 1]},
    {"blocks": []},
    {"blocks": [1] * 1000},
    {"blocks": {"a": 1}},
    {"blocks": "ab"},
    {"blocks": [[1], [1]]},
    {"features": 10**30},
    {"features": 10**400},
    {"features": -8},
    {"features": 0},
    {"features": True},
    {"features": 8.5},
    {"features": 1e308},
    {"features": None},
    {"features": "8"},
    {"latents": 1024, "features": 192},
    {"latents": 17},
    {"hidden": 9},
    {"hidden": {}},
    {"error_price": "9"},
    {"error_price": 1e300},
    {"colour": 3},
    {"\n": 3},
    {"a" * 1000: 3},
    {str(i): i for i in range(100)},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=range(len(SETTINGS)))
def test_settings_out_of_bounds_are_refused(folder, settings):
    _describe(folder, {"settings": {**TINY.settings, **settings}})
    _refused(folder)


@pytest.mark.parametrize("builder", ["pyramid.lapped", "sic.lapped"])
@pytest.mark.parametrize("name", ["blocks", "analysis_depths", "synthesis_depths"])
def test_depths_out_of_bounds_are_refused(folder, builder, name):
    deep = {name: [1024, 1024, 1024]}
    _describe(folder, {"builder": builder, "settings": deep})
    _refused(folder)
    _describe(folder, {"builder": "refined.lapped", "settings": {"settings": deep}})
    _refused(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": 3},
        {"id": None},
        {"id": ""},
        {"id": "a\nb"},
        {"id": "\ud800"},
        {"id": "../m"},
        {"id": "a" * 61},
        {"number": "1"},
        {"number": 256},
        {"number": -1},
        {"number": True},
        {"number": 1.5},
        {"number": 10**100},
        {"builder": None},
        {"builder": ["hyperprior.lapped"]},
        {"builder": "os.system"},
        {"builder": "x" * 10**5},
        {"builder": "rescaler.folded"},
        {"builder": "dkic.lapped"},
        {"settings": None},
        {"settings": [1]},
        {"settings": "a"},
        {"parent": 3},
        {"parent": "m"},
        {"parent": "nobody"},
        {"parent": "a/" * 5000},
        {"parent": "a" * 900},
        {"parent": "a\0b"},
        {"parent": "sain-x2"},
        {"parent": "perceptual-heads"},
        {"sha256": 3},
        {"sha256": "0" * 64},
    ],
    ids=range(32),
)
def test_descriptions_of_wrong_types_are_refused(folder, changes):
    _describe(folder, changes)
    _refused(folder)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        b"[" * 500_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"a":' * 20 + b"1" + b"}" * 20,
        b'{"number": ' + b"9" * 5000 + b"}",
        b'{"number": NaN}',
        b'{"number": -Infinity}',
        b" " * 2_000_000,
    ],
    ids=range(13),
)
def test_what_is_no_description_is_refused(folder, data):
    (folder / "model.json").write_bytes(data)
    assert "model.json" in _refused(folder)


BIAS = "params/hyper_synthesis/up_0/bias"


def _without(name):
    return lambda arrays: arrays.pop(name)


def _changed(name, change):
    def apply(arrays):
        arrays[name] = change(arrays[name])

    return apply


def _kernel(arrays):
    return next(name for name in arrays if name.endswith(":scale"))


@pytest.mark.parametrize(
    "change",
    [
        _without(BIAS),
        _without("tables/gaussian/sizes"),
        lambda arrays: [arrays.pop(n) for n in list(arrays) if n.startswith("tables/")],
        lambda arrays: [arrays.pop(n) for n in list(arrays) if "factorized" in n],
        lambda arrays: arrays.clear(),
        lambda arrays: arrays.update(more=np.zeros(3, np.float32)),
        lambda arrays: arrays.update({BIAS + "/more": np.zeros(3, np.float32)}),
        lambda arrays: arrays.update({"tables/x/y/z": np.zeros(3, np.float32)}),
        lambda arrays: arrays.update({"tables/": np.zeros(3, np.float32)}),
        lambda arrays: arrays.update({"a\n\x1b[2J:scale": np.zeros(3, np.float32)}),
        _changed(BIAS, lambda a: a[:-1]),
        _changed(BIAS, lambda a: a[None]),
        _changed(BIAS, lambda a: a * np.nan),
        _changed(BIAS, lambda a: a + np.inf),
        _changed(BIAS, lambda a: a.astype(np.float64)),
        _changed(BIAS, lambda a: a.astype(np.int64)),
        _changed(BIAS, lambda a: a > 0),
        _changed(BIAS, lambda a: a + 1e30),
        lambda arrays: arrays.pop(_kernel(arrays)),
        lambda arrays: arrays.update({_kernel(arrays): np.ones((50_000, 1, 1, 1, 1), "f4")}),
        lambda arrays: arrays.update({_kernel(arrays): np.array(3e38, "f4")}),
        lambda arrays: arrays.update({_kernel(arrays): np.ones((0,), "f4")}),
        _changed("tables/gaussian/sizes", lambda a: a[:-1]),
        _changed("tables/gaussian/sizes", lambda a: -a),
        _changed("tables/gaussian/sizes", lambda a: a.astype(np.float32)),
        _changed("tables/gaussian/sizes", lambda a: a.reshape(2, -1)),
        _changed("tables/gaussian/sizes", lambda a: np.full_like(a, 2**31 - 1)),
        _changed("tables/gaussian/offsets", lambda a: np.full_like(a, 5 - 2**31)),
        _changed("tables/gaussian/frequencies", lambda a: a[:0]),
        _changed("tables/gaussian/frequencies", lambda a: a + np.uint16(1)),
    ],
    ids=range(30),
)
def test_weights_and_tables_that_do_not_fit_are_refused(folder, change):
    _arrays(folder, change)
    _refused(folder)


def test_fewer_rows_than_are_needed_are_refused(folder):
    def first_row(arrays):
        size = int(arrays["tables/gaussian/sizes"][0])
        for part, end in {"sizes": 1, "offsets": 1, "frequencies": size}.items():
            name = f"tables/gaussian/{part}"
            arrays[name] = arrays[name][:end].copy()

    _arrays(folder, first_row)
    assert "gaussian tables have 1 rows, not 64" in _refused(folder)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}},
        {"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [2**40, 0], "data_offsets": [0, 0]}},
        {"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "X", "shape": [1], "data_offsets": [4, 0]}},
        {"a": []},
    ],
    ids=range(8),
)
def test_headers_of_weights_that_lie_are_refused(folder, header):
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + bytes(4)
    (folder / "weights.safetensors").write_bytes(data)
    _describe(folder, {"sha256": None})
    _refused(folder)


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, b"\xff" * 7 + b"\x7f" + b"{}"])
def test_weights_that_are_none_are_refused(folder, data):
    (folder / "weights.safetensors").write_bytes(data)
    _describe(folder, {"sha256": None})
    _refused(folder)


def test_files_that_are_none_are_refused(folder):
    weights = folder / "weights.safetensors"
    weights.unlink()
    assert "no such file" in _refused(folder)
    os.mkfifo(weights)
    assert "not a regular file" in _refused(folder)
    weights.unlink()
    weights.symlink_to("/dev/zero")
    assert "not a regular file" in _refused(folder)
    weights.unlink()
    weights.mkdir()
    assert "is a folder" in _refused(folder)
    (folder / "model.json").unlink()
    (folder / "model.json").mkdir()
    with pytest.raises(ModelError, match="no model called"):
        models.load_model(folder)


def test_two_models_that_are_each_others_parent_are_refused(folder):
    other = shutil.copytree(folder, folder.parent / "other")
    _describe(folder, {"id": "a", "parent": str(other)})
    _describe(other, {"id": "b", "parent": str(folder)})
    assert "itself among its parents" in _refused(folder)


@pytest.mark.parametrize(
    "settings",
    [
        {"layout": []},
        {"layout": "haar"},
        {"layout": ["haar", "V99"]},
        {"layout": ["haar", 3]},
        {"layout": [["haar"]]},
        {"layout": ["haar", "V1"], "fold": 0},
        {"layout": ["haar", "V1"], "width": -3},
    ],
    ids=str,
)
def test_settings_of_rescalers_are_checked_too(folder, settings):
    _describe(folder, {"builder": "rescaler.folded", "settings": settings})
    _refused(folder)


@pytest.mark.parametrize("scale", [0, 1, 3, 5, -2])
def test_scales_that_thumbnails_do_not_have_are_refused(folder, scale):
    settings = {"scale": scale, "width": 0}
    _describe(folder, {"builder": "rescaler.bicubic", "settings": settings})
    _refused(folder)


@pytest.mark.parametrize(
    ("spec", "description", "message"),
    [
        (TINY, {"id": "a b", "number": 0}, "id must be"),
        (TINY, {"id": "a", "number": 300}, "number must be"),
        (
            TINY._replace(settings={"blocks": [99, 1]}),
            {"id": "a", "number": 0},
            "blocks is out",
        ),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tiny, tmp_path, spec, description, message):
    with pytest.raises(ModelError, match=message):
        models.save_model(tmp_path / "m", tiny[1], spec, description)
    assert not (tmp_path / "m").exists()


def test_a_saved_model_is_never_half_there(tiny, folder, monkeypatch):
    """Killed between two files, it is the old one or is refused; then it can be saved again."""
    from jaxlic.files import disk

    def killed(path, data):
        if path.name == "model.json":
            raise KeyboardInterrupt
        write(path, data)

    write = disk.write_bytes
    monkeypatch.setattr(disk, "write_bytes", killed)
    other = TINY._replace(settings={**TINY.settings, "error_price": 1.0})
    with pytest.raises(KeyboardInterrupt):
        models.save_model(folder, tiny[1], other, {"id": "m", "number": 0})
    assert models.load_model(folder).spec == TINY  # Such weights as before.
    moved = {"params": {**tiny[1]["params"]}}
    moved["params"]["gain"] = {n: a + 1 for n, a in moved["params"]["gain"].items()}
    models._load_model.cache_clear()
    with pytest.raises(KeyboardInterrupt):
        models.save_model(folder, moved, TINY, {"id": "m", "number": 0})
    assert "not the one that model.json describes" in _refused(folder)
    monkeypatch.undo()
    models.save_model(folder, moved, TINY, {"id": "m", "number": 0})
    assert jaxlic.load(folder).model.id == "m"
