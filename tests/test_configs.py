"""Every config builds and its step type-checks, by abstract evaluation alone."""

import pathlib
import re

import jax
import jax.numpy as jnp
import pytest

pytest.importorskip("optax")

from jaxlic.files import weights
from jaxlic.models import card
from jaxlic.ops.platforms import traced_for
from train.experiment import ConfigError, load_experiment
from train.parts import ENCODER
from train.step import init_state, make_step

CONFIGS = sorted((pathlib.Path(__file__).parent.parent / "configs").glob("*.py"))

_MEMORY = {"dtype": "bfloat16", "remat": "true", "accumulate": "2"}
_SWIN = {"builder": "sic.swin", "decoder_only": "false", "init_from": "none"}
SETTINGS = {
    "base_jnd": [
        {"loss": "feature"},
        {"loss": "weighted", "features": "0.5"},
        {"init_from": "pyramid-3", "only": "params/gain/"},
    ],
    "dkic": [
        {
            "kernel": "plain",
            "kernel_hidden": "64",
            "passes": "1,1,1,1,1",
            "hyper_kernel": "false",
            "restoration_kernel": "dynamic",
            "error_price": "0",
        },
    ],
    "refiner": [
        {"deterministic": "true", "rho": "0"},
        {"init_from": "refiner", "teacher": "refiner", "few": "2"},
    ],
    "pyramid": [
        {"analysis": "false", "synthesis": "false", "pyramid": "adam"},
        {"decoder_only": "true"},
    ],
    "mbt2018_mean": [_MEMORY],
    "sic": [{**_SWIN, "metric": "none", "consistent": "0", "crop": "64"}],
}
CASES = [
    (path, settings) for path in CONFIGS for settings in [{}, *SETTINGS.get(path.stem, [])]
]


@pytest.mark.parametrize(
    "path, settings", CASES, ids=lambda a: a.stem if isinstance(a, pathlib.Path) else str(a)
)
def test_a_step_keeps_the_shape_of_the_state(path, settings):
    e = load_experiment(path, settings)
    with traced_for("cpu"):  # Both ways of each branch would take twice as long.
        _check(e)


def _check(e):
    state = jax.eval_shape(lambda: init_state(e))
    side = e.crop + 2 * e.margin
    batch = {"image": jax.ShapeDtypeStruct((e.batch, side, side, 3), jnp.uint8)}
    after, metrics = jax.eval_shape(make_step(e), state, batch)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == jax.tree.map(
        lambda a: (a.shape, a.dtype), state
    )
    assert {"loss", "psnr"} <= set(metrics)
    assert "bpp" in metrics or e.only  # Of a frozen base nobody asks what it costs.


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_the_docstring_has_the_command(path):
    assert f"python -m train configs/{path.name}" in path.read_text()


@pytest.mark.parametrize("name", ["pyramid", "sic"])
def test_a_decoder_alone_leaves_alone_what_files_are_made_with(name):
    e = load_experiment(CONFIGS[0].parent / f"{name}.py", {"decoder_only": "true"})
    shapes = weights.flat(jax.eval_shape(lambda: init_state(e)).params)
    parts = {place: place.split("/")[1] for place in shapes}
    trained = {part for place, part in parts.items() if not re.match(ENCODER, place)}
    planes = {part for part in trained if part.startswith("refinement_")}
    assert trained - planes == {"synthesis_transform", "inverse_gain"}
    assert len(planes) == (2 if name == "sic" else 0)
    told = tuple(part for part in e.codec.entropy_path if "refinement" not in part)
    assert all(re.match(ENCODER, place) for place in shapes if place.startswith(told))


def test_a_pyramid_has_the_context_of_the_weights_it_starts_from():
    path = CONFIGS[0].parent / "pyramid.py"
    for given, magnitudes in ({}, True), ({"magnitudes": "false"}, False):
        e = load_experiment(path, {"init_from": "none"} | given)
        assert e.spec.settings.get("magnitudes", False) is magnitudes
    assert load_experiment(path, {"init_from": "pyramid-3"}).spec.settings["magnitudes"]
    with pytest.raises(ConfigError, match="does not fit the context of init_from=pyramid-3"):
        load_experiment(path, {"init_from": "pyramid-3", "magnitudes": "false"})


def test_levels_have_the_settings_of_the_weights_they_start_from():
    path, known = CONFIGS[0].parent / "sic.py", card("sic")["settings"]
    for more, settings in (({}, known), (_SWIN, {})):
        e = load_experiment(path, {"init_from": "sic", "metric": "none"} | more)
        assert e.spec.settings == settings


def test_what_has_no_steps_for_the_eye_is_refused():
    with pytest.raises(ConfigError, match="init_from=sic is not"):
        load_experiment(CONFIGS[0].parent / "base_jnd.py", {"init_from": "sic"})
