"""Refined pictures of whole files, by the Python API and by the command."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxlic import api, models, refiner
from jaxlic.cli import main
from jaxlic.codecs.refined import START
from jaxlic.errors import Error, ModelError
from jaxlic.files import images
from jaxlic.metrics import scores
from jaxlic.metrics.perceptual import perceptual
from jaxlic.models import Spec, assemble
from jaxlic.refiner import How
from tests.conftest import TINY, kodim
from tests.random_params import random_params

CORNERS = [(r, c) for r in (0, 64, 128) for c in (0, 64, 128, 192)]
SETTINGS = dict(base="hyperprior", settings=TINY.settings, widths=[4, 4, 4], embedding=4)


@pytest.fixture(scope="module")
def folders(tiny, tmp_path_factory):
    """A codec and its refiner, of random weights, as they are on disk."""
    root = tmp_path_factory.mktemp("models")
    models.save_model(root / "base", tiny[1], TINY, {"id": "base-of-test", "number": 0})
    spec = Spec("refined.lapped", SETTINGS)
    codec, example = assemble(spec), jnp.zeros((1, 64, 64, 3))
    drawn = random_params(lambda key: codec.init(example, key), jax.random.key(0), scale=0.1)
    base = models.load_model(root / "base").params["params"]
    params = {"params": {**drawn["params"], **base}}
    told = {"id": "refiner-of-test", "number": 0, "parent": str(root / "base")}
    models.save_model(root / "refiner", params, spec, told)
    return root / "base", root / "refiner"


@pytest.fixture(scope="module")
def loaded(folders):
    codec = api.load_codec(folders[0])
    return codec, refiner.refiner_for(codec, str(folders[1]))


@pytest.fixture(scope="module")
def data(loaded, photo):
    return loaded[0].compress(photo[:150, :200], 30)


def test_the_base_is_not_stored_again(folders):
    sizes = [(folder / "weights.safetensors").stat().st_size for folder in folders]
    base, own = (models.load_model(folder) for folder in folders)
    for name, a in base.params["params"].items():
        jax.tree.map(np.testing.assert_array_equal, a, own.params["params"][name])
    assert sizes[1] < 2 * sizes[0]


def test_the_caption_says_what_was_drawn(loaded, data):
    plain = loaded[0].decode(data)
    found = refiner.decode(*loaded, data, How(2, 0.5, 7))
    assert found.rgb.shape == plain.rgb.shape and (found.rgb != plain.rgb).mean() > 0.1
    expected = (
        "jaxlic: 100 % of the pixels refined, steps 2, strength 0.5, noise 0.8, seed 7: what "
        "that adds is drawn, and not in the file; model refiner"
    )
    assert found.text.startswith(expected)
    assert "drawn, and not in the file" in found.notes[-1]
    again = refiner.decode(*loaded, data, How(2, 0.5, 7))
    np.testing.assert_array_equal(found.rgb, again.rgb)
    other = refiner.decode(*loaded, data, How(2, 0.5, 8))
    assert (found.rgb != other.rgb).mean() > 0.1


def test_without_noise_every_seed_gives_the_same(loaded, data):
    one, other = (refiner.decode(*loaded, data, How(2, seed=s, noise=0.0)) for s in (1, 2))
    np.testing.assert_array_equal(one.rgb, other.rgb)
    full = refiner.decode(*loaded, data, How(2, seed=1, noise=1.0))
    assert (full.rgb != one.rgb).mean() > 0.1


def test_without_strength_it_is_the_plain_picture(loaded, data):
    found = refiner.decode(*loaded, data, How(strength=0.0))
    np.testing.assert_array_equal(found.rgb, loaded[0].decompress(data))
    assert found.notes[-1] == "nothing was refined (strength 0)" and "nothing" in found.text


def _changed(found, plain):
    """Which of the twelve tiles of 64 pixels are not those of the plain picture."""
    changed = (found.rgb != plain).any(-1)
    return [changed[r : r + 64, c : c + 64].any() for r, c in CORNERS]


def _needs(loaded, plain):
    unit = 255 * loaded[1].codec.refiner.deviation(30.0)
    return [refiner.predicted_residual(plain[r : r + 64, c : c + 64], unit) for r, c in CORNERS]


def test_auto_leaves_tiles_of_which_little_is_missing(loaded, data, monkeypatch):
    plain, told = loaded[0].decompress(data), []
    needs = _needs(loaded, plain)
    monkeypatch.setattr(refiner, "EDGE", 64)
    monkeypatch.setattr(refiner, "VISIBLE", sorted(needs)[7])
    found = refiner.decode(
        *loaded, data, How(4), auto=True, tell=lambda *done: told.append(done)
    )
    assert _changed(found, plain) == [need >= refiner.VISIBLE for need in needs]
    assert told[-1] == (20, 20)
    assert 25 <= float(found.notes[-1].split()[0]) <= 50


def test_a_budget_takes_the_neediest_first(loaded, data, monkeypatch):
    monkeypatch.setattr(refiner, "EDGE", 64)
    plain = loaded[0].decompress(data)
    monkeypatch.setattr(refiner.refining, "_measured", lambda *a: 1.0)
    some = refiner.decode(*loaded, data, How(4), budget=11.0)  # Two tiles of four steps.
    chosen = np.flatnonzero(_changed(some, plain))
    assert set(chosen) == set(np.argsort(_needs(loaded, plain))[-2:])
    none = refiner.decode(*loaded, data, How(4), budget=0.001)
    np.testing.assert_array_equal(none.rgb, plain)
    assert "nothing was refined" in none.text


def test_what_is_missing_is_predicted_from_what_is_there(photo):
    flat, noisy = np.full((64, 64, 3), 90, np.uint8), photo[:64, :64]
    assert refiner.predicted_residual(flat, 6.0) == 0
    one, two = (refiner.predicted_residual(noisy, unit) for unit in (3.0, 6.0))
    assert two == pytest.approx(2 * one) and 0.2 < two / 6 < 3
    assert refiner.predicted_residual(flat[:1, :1], 6.0) == 0


@pytest.mark.parametrize(
    "how, budget",
    [
        (How(0), None),
        (How(65), None),
        (How(strength=1.1), None),
        (How(noise=1.1), None),
        (How(noise=-0.1), None),
        (How(seed=-1), None),
        (How(), 0.0),
        (How(), float("nan")),
    ],
)
def test_what_cannot_be_asked_is_an_error(loaded, data, how, budget):
    with pytest.raises(Error, match="must be"):
        refiner.decode(*loaded, data, how, budget=budget)


def test_a_refiner_is_for_its_own_codec(folders, loaded):
    with pytest.raises(ModelError, match="no refiner ships for files of base-of-test"):
        refiner.refiner_for(loaded[0])
    with pytest.raises(ModelError, match="is no refiner"):
        refiner.refiner_for(loaded[0], str(folders[0]))
    with pytest.raises(ModelError, match="refines no pictures of base"):
        refiner.refiner_for(api.load_codec("base"), str(folders[1]))
    for load in (api.load, api.load_codec):
        with pytest.raises(ModelError, match="refines files of"):
            load(folders[1])
    own = api.ImageCodec(
        models.load_model(folders[1])
    )  # As of one that was trained with its base.
    assert refiner.refiner_for(own) is own.model


def test_a_student_is_for_the_codec_of_its_teacher(folders, loaded, tmp_path):
    student = models.load_model(folders[1])
    told = {"id": "student", "number": 0, "parent": str(folders[1])}
    models.save_model(tmp_path / "student", student.params, student.spec, told)
    assert refiner.refiner_for(loaded[0], str(tmp_path / "student")).id == "student"
    del told["parent"]
    models.save_model(tmp_path / "alone", student.params, student.spec, told)
    with pytest.raises(ModelError, match="no parent"):
        refiner.refiner_for(loaded[0], str(tmp_path / "alone"))


def test_codecs_of_one_name_are_told_apart(folders, loaded, tiny, tmp_path):
    moved = jax.tree.map(lambda a: a + np.float32(0.01), tiny[1])
    models.save_model(tmp_path / "base", moved, TINY, {"id": "base-of-test", "number": 0})
    with pytest.raises(ModelError, match="another base-of-test"):
        refiner.refiner_for(api.load_codec(tmp_path / "base"), str(folders[1]))


def test_above_what_was_trained_a_note_says_so(loaded, photo):
    data = loaded[0].compress(photo[:64, :64], 90)
    assert "above quality 60" in refiner.decode(*loaded, data).notes[-1]


def test_late_starts_are_those_of_distillation():
    assert refiner.START is START


def test_the_command_refines(folders, data, tmp_path, capsys):
    file = tmp_path / "a.jlic"
    file.write_bytes(data)
    common = ["--model", str(folders[0]), "--refiner", str(folders[1])]
    out = tmp_path / "a.png"
    assert main(["decompress", "--refine", str(file), *common, "--steps", "1"]) == 0
    assert "100 % of the pixels refined, steps 1" in capsys.readouterr().err
    assert "steps 1, strength 1, noise 0.8, seed 0" in Image.open(out).text["Description"]
    first = images.read_rgb(out)
    again = ["decompress", str(file), "--refine", *common, "--steps", "1", "-f", "--seed", "5"]
    assert main(again) == 0
    assert (images.read_rgb(out) != first).mean() > 0.1
    auto = ["decompress", str(file), "--refine", "auto", "--budget", "60", *common, "-f"]
    assert main(auto) == 0
    assert "refined" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong, said",
    [
        (["--steps", "2"], "go with --refine"),
        (["--budget", "2"], "go with --refine"),
        (["--noise", "0.5"], "go with --refine"),
        (["--refine", "--strict"], "goes with --seed alone"),
        (["--refine", "--level", "0"], "goes with --seed alone"),
        (["--refine", "--steps", "0"], "steps must be 1 to 64"),
        (["--refine"], "no refiner ships for files of"),
    ],
)
def test_the_command_says_what_does_not_go(folders, data, tmp_path, capsys, wrong, said):
    file = tmp_path / "a.jlic"
    file.write_bytes(data)
    own = (
        []
        if said.startswith("no refiner")
        else ["--refiner", str(folders[1])] * ("--refine" in wrong)
    )
    assert main(["decompress", str(file), "--model", str(folders[0]), *own, *wrong]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_the_shipped_one_is_nearer_to_the_eye_and_nearly_as_near_in_error():
    image = kodim("kodim05_crop")[:192, :256]
    codec = api.load_codec()
    data, model = codec.compress(image, 15), refiner.refiner_for(codec)
    assert model.id == "refiner" and model.card["parent"] == codec.model.id
    plain, drawn = codec.decode(data).rgb, refiner.decode(codec, model, data).rgb
    distance = jax.jit(perceptual().distance)
    seen = [
        float(distance(*(jnp.asarray(a[None], jnp.float32) / 255 for a in (image, picture)))[0])
        for picture in (plain, drawn)
    ]
    assert seen[1] < 0.9 * seen[0]
    assert scores.psnr(image, drawn) > scores.psnr(image, plain) - 1.5
