import pytest

pytest.importorskip("optax")

import jax
import jax.numpy as jnp

from train.experiment import ConfigError, load_experiment, parse_overrides, training_only

CONFIG = "configs/smoke.py"


def test_settings_reach_the_experiment():
    e = load_experiment(CONFIG, parse_overrides(["steps=7", "seed=3"]))
    assert (e.steps, e.seed) == (7, 3)


@pytest.mark.parametrize(
    ("path", "settings", "message"),
    [
        (CONFIG, ["stepz=7"], "has no setting 'stepz'; it has"),
        (CONFIG, ["steps=many"], "steps must be int, got 'many'"),
        (CONFIG, ["steps"], "name=value"),
        ("configs/nosuch.py", [], "no such config"),
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
