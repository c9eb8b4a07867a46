import sys

import numpy as np
import pytest
from rich.console import Console

from train.boards import opened
from train.experiment import ConfigError, load_experiment
from train.log import reporting

TOY = load_experiment("tests/train/toy.py", {})
PICTURE = np.arange(8 * 24 * 3, dtype=np.uint8).reshape(8, 24, 3)


def _run(workdir, **asked):
    with (
        opened(workdir, TOY, asked.get("tensorboard", False), asked.get("wandb")) as boards,
        reporting(TOY, workdir, console=Console(stderr=True), boards=boards) as log,
    ):
        log("train", 4, {"loss": 2.5})
        log("pictures", 4, {"image_0": PICTURE})


def test_tensorboard_has_numbers_and_pictures(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    _run(tmp_path, tensorboard=True)
    (file,) = (tmp_path / "tensorboard").iterdir()
    data, at, found = file.read_bytes(), 0, {}
    while at < len(data):  # TFRecord: length, its checksum, the event, its checksum.
        size = int.from_bytes(data[at : at + 8], "little")
        event = Event.FromString(data[at + 12 : at + 12 + size])
        found |= {value.tag: (event.step, value) for value in event.summary.value}
        at += size + 16
    assert found["train/loss"][0] == 4 and found["train/loss"][1].simple_value == 2.5
    step, value = found["pictures/image_0"]
    assert step == 4 and (value.image.height, value.image.width) == (8, 24)


def test_weights_and_biases_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    _run(tmp_path, wandb="jaxlic-test")
    (file,) = tmp_path.rglob("run-*.wandb")
    data = file.read_bytes()
    assert b"train/loss" in data and b"pictures/image_0" in data


@pytest.mark.parametrize(
    ("asked", "package"),
    [({"tensorboard": True}, "tensorboardX"), ({"wandb": "project"}, "wandb")],
)
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, asked, package):
    monkeypatch.setitem(sys.modules, package, None)
    extra = package.lower().removesuffix("x")
    with pytest.raises(ConfigError, match=rf"pip install 'jaxlic\[{extra}\]'"):
        _run(tmp_path, **asked)
