import pytest

pytest.importorskip("optax")

import jax
import jax.numpy as jnp

from train.experiment import ConfigError, load_experiment, parse_overrides, training_only

CONFIG = "configs/smoke.py"


def test_settings_reach_the_experiment():
    e = load_experiment(CONFIG, parse_overrides(["steps=5", "steps=7", "seed=3"]))
    assert (e.steps, e.seed) == (7, 3)


@pytest.mark.parametrize(
    ("path", "settings", "message"),
    [
        (CONFIG, ["stepz=7"], "has no setting 'stepz'; it has"),
        (CONFIG, ["steps=many"], "steps must be int, got 'many'"),
        (CONFIG, ["steps"], "name=value"),
        ("configs/nosuch.py", [], "no such config"),
        (CONFIG, ["steps=0"], "steps must be 1 or more, got 0"),
        (CONFIG, ["log_every=0"], "log_every must be 1 or more, got 0"),
        (CONFIG, ["save_minutes=nan"], "save_minutes must be 0 or more, got nan"),
        (CONFIG, ["accumulate=0"], "accumulate must be 1 or more, got 0"),
        (
            "configs/dkic.py",
            ["radius=9"],
            r"radius is out of bounds \([\[(]9, .*up to 8\)",
        ),
        ("jaxlic/prng.py", [], "defines no function called experiment"),
    ],
)
def test_mistakes_are_named(path, settings, message):
    with pytest.raises(ConfigError, match=message):
        load_experiment(path, parse_overrides(settings))


def test_a_config_that_is_no_python_is_named(tmp_path):
    (tmp_path / "a.py").write_text("def experiment(:")
    with pytest.raises(ConfigError, match=r"a\.py: "):
        load_experiment(tmp_path / "a.py", {})


OWN = """
import typing
from configs import smoke

def experiment(*, steps=4, of: typing.Optional[int] = None, kind: typing.Literal["a", 2] = "a",
               free=None, needed{needed}):
    assert of in (None, 3) and kind in ("a", 2) and free in (None, "x")
    return {result}
"""


def _own(path, needed="=0", result="smoke.experiment(steps=steps)"):
    path.write_text(OWN.format(needed=needed, result=result))
    return path


def test_settings_have_the_types_of_their_annotations_or_defaults(tmp_path):
    settings = {"steps": "7", "of": "3", "kind": "2", "free": "x"}
    assert load_experiment(_own(tmp_path / "a.py"), settings).steps == 7
    assert load_experiment(tmp_path / "a.py", {"of": "none"}).steps == 4


@pytest.mark.parametrize(
    ("how", "settings", "message"),
    [
        ({}, {"kind": "b"}, "kind must be one of a, 2, got 'b'"),
        ({}, {"of": "b"}, "of must be int, got 'b'"),
        ({"result": "None"}, {}, "returns no Experiment"),
        ({"result": "smoke.nothing"}, {}, "AttributeError"),
        ({"needed": ""}, {}, "TypeError.*needed"),
        ({"needed": "=1/0"}, {}, "ZeroDivisionError"),
    ],
)
def test_mistakes_in_a_config_of_ones_own_are_one_line(tmp_path, how, settings, message):
    with pytest.raises(ConfigError, match=message):
        load_experiment(_own(tmp_path / "a.py", **how), settings)


def test_only_chosen_parameters_are_trained(tiny):
    codec, params, _ = tiny
    x = jax.random.uniform(jax.random.key(0), (1, 64, 64, 3))

    def slopes(parts):
        def cost(params):
            rec = training_only(codec, parts).forward(
                params, x, jnp.array([50.0]), jax.random.key(1)
            )
            return jnp.sum(rec.bits["y"]) + jnp.sum(jnp.square(rec.x_hat - x))

        found = jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(cost))(params))
        return {jax.tree_util.keystr(path): float(jnp.abs(a).max()) for path, a in found}

    every = slopes([])
    for name, size in slopes(["params/gain/"]).items():
        assert size == (pytest.approx(every[name], rel=1e-3) if "['gain']" in name else 0)
    assert sum(size > 0 for size in every.values()) > 10
