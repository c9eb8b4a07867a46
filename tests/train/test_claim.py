import json

import numpy as np
import pytest

from tests.train.conftest import make_photos
from train import claim as claims
from train.claim import claim, digest
from train.experiment import ConfigError
from train.sources import images_at


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return images_at(make_photos(tmp_path_factory.mktemp("claim") / "photos"))


class _Fewer:
    """All images but the last."""

    def __init__(self, images):
        self.names, self.sizes = images.names[:-1], np.asarray(images.sizes)[:-1]


def _begun(folder, tmp_path, images, **more):
    config = tmp_path / "a.py"
    config.write_text("# a config\n")
    claim(folder, config, {"steps": "3"}, images, **more)
    (folder / "metrics.jsonl").write_text('{"kind": "train", "step": 1}\n')
    return config


def test_the_same_command_goes_on(tmp_path, images):
    config = _begun(tmp_path / "run", tmp_path, images)
    claim(tmp_path / "run", config, {"steps": "3"}, images)
    assert json.loads((tmp_path / "run" / "settings.json").read_text()) == {"steps": "3"}
    (tmp_path / "run" / "data.json").unlink()  # As in runs of earlier releases.
    claim(tmp_path / "run", config, {"steps": "3"}, _Fewer(images))


def test_other_settings_images_or_targets_are_refused(tmp_path, images):
    run = tmp_path / "run"
    config = _begun(run, tmp_path, images, targets=images)
    with pytest.raises(ConfigError, match="other settings"):
        claim(run, config, {"steps": "4"}, images, images)
    for pair in [(_Fewer(images), images), (images, None), (images, _Fewer(images))]:
        with pytest.raises(ConfigError, match="other images or targets"):
            claim(run, config, {"steps": "3"}, *pair)
    config.write_text("# another\n")
    with pytest.raises(ConfigError, match="another config"):
        claim(run, config, {"steps": "3"}, images, images)


def test_a_run_that_never_began_is_in_nobodys_way(tmp_path, images):
    config = _begun(tmp_path / "run", tmp_path, images)
    (tmp_path / "run" / "metrics.jsonl").write_text('{"kind": "start", "step": 0}\n')
    (tmp_path / "run" / "provenance.json").write_text("{}")
    (tmp_path / "run" / "checkpoints").mkdir()
    claim(tmp_path / "run", config, {"steps": "4"}, images)
    assert json.loads((tmp_path / "run" / "settings.json").read_text()) == {"steps": "4"}
    (tmp_path / "run" / "checkpoints" / "4").mkdir()
    with pytest.raises(ConfigError, match="other settings"):
        claim(tmp_path / "run", config, {"steps": "5"}, images)


def test_processes_that_differ_are_told(tmp_path, images, monkeypatch):
    monkeypatch.setattr(claims, "alike", lambda what: False)
    with pytest.raises(ConfigError, match="the processes have different"):
        _begun(tmp_path / "run", tmp_path, images)
    assert not (tmp_path / "run").exists()


def test_sizes_count(images):
    other = _Fewer(images)
    one = digest(other)
    other.sizes = other.sizes + 1
    assert digest(other) != one and digest(None) is None
