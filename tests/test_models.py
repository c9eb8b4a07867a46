import json

import jax
import numpy as np
import pytest

from jaxlic import models
from jaxlic.core import Codec
from jaxlic.files import weights
from jaxlic.models import ModelError
from tests.conftest import TINY


@pytest.fixture
def stored(tiny, tmp_path):
    models.save_model(tmp_path / "m", tiny[1], TINY, {"id": "m", "number": 0})
    return tmp_path / "m"


def _describe(folder, **changes):
    """Changes `model.json`; None takes a key out."""
    card = json.loads((folder / "model.json").read_text()) | changes
    card = {name: value for name, value in card.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(card))
    models._load_model.cache_clear()


def test_what_is_saved_is_loaded(tiny, stored):
    model = models.load_model(stored)
    for a, b in zip(jax.tree.leaves(model.params), jax.tree.leaves(tiny[1]), strict=True):
        np.testing.assert_allclose(a, b, atol=0.01 * float(np.abs(b).max()) + 1e-7)
    assert set(model.tables) == {"gaussian", "factorized"}
    assert len(model.stream) == len(model.pixels) == len(model.v1) == 4


def test_tables_are_read_and_not_computed(stored, monkeypatch):
    def boom(*args):
        raise AssertionError("tables were recomputed")

    monkeypatch.setattr("jaxlic.codecs.hyperprior.gaussian_tables", boom)
    monkeypatch.setattr("jaxlic.codecs.hyperprior.factorized_tables", boom)
    models.load_model(stored)


def test_every_shipped_model_loads_and_proves_its_bound():
    assert models.shipped()
    for name in models.shipped():
        model = models.load_model(name)
        if isinstance(model.codec, Codec):
            assert model.codec.check(model.params)[0] <= 2**24
        assert model.card["parameters"] == sum(a.size for a in jax.tree.leaves(model.params))


def test_weights_that_could_overflow_are_refused(tiny, stored, tmp_path):
    heavy = jax.tree.map(lambda a: a + 10, tiny[1])
    with pytest.raises(ModelError, match="exceed"):
        models.save_model(tmp_path / "heavy", heavy, TINY, {"id": "h", "number": 0})


def test_damaged_weights_are_refused(stored):
    data = (stored / "weights.safetensors").read_bytes()
    (stored / "weights.safetensors").write_bytes(data[:-100])
    with pytest.raises(ModelError, match="not the one that model"):
        models.load_model(stored)
    _describe(stored, sha256=None)
    with pytest.raises(ModelError, match="cannot be read"):
        models.load_model(stored)


def test_small_weights_take_less_and_are_nearly_the_same(tiny, stored, tmp_path):
    models.save_model(tmp_path / "s", tiny[1], TINY, {"id": "s", "number": 0}, small=True)
    plain, small = stored / "weights.safetensors", tmp_path / "s" / "weights.safetensors.gz"
    assert small.stat().st_size < 0.9 * plain.stat().st_size
    model, before = models.load_model(tmp_path / "s"), models.load_model(stored)
    for a, b in zip(jax.tree.leaves(model.params), jax.tree.leaves(before.params), strict=True):
        assert np.abs(a - b).max() <= 0.015 * max(np.abs(b).max(), 0.1)
    # Written over each other, one file is left.
    models.save_model(tmp_path / "s", tiny[1], TINY, {"id": "s", "number": 0})
    assert not small.exists() and models.load_model(tmp_path / "s").pixels == before.pixels


@pytest.mark.parametrize("damage", ["cut", "more", "garbage", "bomb"])
def test_damaged_small_weights_are_refused(tiny, tmp_path, damage, monkeypatch):
    models.save_model(tmp_path / "s", tiny[1], TINY, {"id": "s", "number": 0}, small=True)
    file = tmp_path / "s" / "weights.safetensors.gz"
    data = file.read_bytes()
    changed = {"cut": data[:-9], "more": data + b"x", "garbage": b"x" * 99, "bomb": data}
    file.write_bytes(changed[damage])
    if damage == "bomb":
        monkeypatch.setattr(weights, "_MAX_INFLATED", 1000)
    with pytest.raises(ModelError, match=r"inflated|cut off|larger"):
        models.load_model(tmp_path / "s")


def test_a_damaged_description_is_refused(stored):
    (stored / "model.json").write_text("{")
    with pytest.raises(ModelError, match=r"model\.json"):
        models.load_model(stored)


def test_unknown_names_are_refused(stored):
    with pytest.raises(ModelError, match="shipped are base"):
        models.load_model("nosuch")


def test_shipped_weights_stay_small_and_have_cards():
    sizes = [p.stat().st_size for p in models.SHIPPED.rglob("*") if p.is_file()]
    assert sum(sizes) < 43e6
    for name in models.shipped():
        assert (models.folder(name) / "card.md").is_file()
        assert json.loads((models.folder(name) / "model.json").read_text())["kodak"]


def test_a_model_that_rests_on_another_holds_what_differs(stored, tmp_path):
    start = models.load_model(stored).params
    changed = jax.tree_util.tree_map_with_path(
        lambda path, a: a + 0.1 if "'gain'" in jax.tree_util.keystr(path) else a, start
    )
    child = {"id": "c", "number": 0, "parent": str(stored)}
    models.save_model(tmp_path / "c", changed, TINY, child)
    alone, resting = (p / "weights.safetensors" for p in (stored, tmp_path / "c"))
    assert resting.stat().st_size < 0.5 * alone.stat().st_size
    parent, model = (models.load_model(p) for p in (stored, tmp_path / "c"))
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(model.params),
        jax.tree.leaves(parent.params),
        strict=True,
    ):
        moved = 0.1 if "'gain'" in jax.tree_util.keystr(path) else 0.0
        np.testing.assert_allclose(a, b + moved, atol=2e-3 if moved else 0)
    assert model.pixels != parent.pixels and model.stream == parent.stream
    description = json.loads((tmp_path / "c" / "model.json").read_text())
    for name, message in {"nobody": "no model called", "c": "its own parent"}.items():
        description["parent"] = name
        (tmp_path / "c" / "model.json").write_text(json.dumps(description))
        models._load_model.cache_clear()
        with pytest.raises(ModelError, match=message):
            models.load_model(tmp_path / "c")


def test_the_stream_of_a_child_is_that_of_the_arrays_as_they_are_stored():
    """Not of biases that were moved from the edge of rounding when the parent was loaded."""
    child, parent = (
        weights.from_bytes(weights.inflate(data) if file.name.endswith(".gz") else data)
        for n in ("base-jnd", "base")
        for file in [models.weights_file(models.folder(n))]
        for data in [file.read_bytes()]
    )
    stored = {n: a for n, a in {**parent, **child}.items() if not n.startswith("tables/")}
    model = models.load_model("base-jnd")
    expected = models._fingerprint(model.spec, weights.grow(stored), model.tables, ("",))
    assert model.pixels == expected
    moved = weights.flat(model.params)
    assert models._fingerprint(model.spec, moved, model.tables, ("",)) != expected
