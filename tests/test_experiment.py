import pytest

pytest.importorskip("optax")

from jaxlic.experiment import ConfigError, load_experiment, parse_overrides

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
        ("jaxlic/prng.py", [], "defines no function called experiment"),
    ],
)
def test_mistakes_are_named(path, settings, message):
    with pytest.raises(ConfigError, match=message):
        load_experiment(path, parse_overrides(settings))
