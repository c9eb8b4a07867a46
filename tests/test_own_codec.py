"""The page `docs/own_codec.md`, as a user would follow it."""

import dataclasses
import json
import pathlib
import re
import shutil
import sys

import jax
import numpy as np
import pytest
from flax import linen as nn

from jaxlic import account, api, models
from jaxlic.cli import main
from jaxlic.codecs.hyperprior import Hyperprior
from jaxlic.codecs.transform import transform_codec
from jaxlic.commands.code import builders_in
from jaxlic.core import Builder
from jaxlic.entropy.hyper import HyperAnalysis
from jaxlic.entropy.models import IndexedGaussian
from jaxlic.entropy.tables import gaussian_tables
from jaxlic.errors import BitstreamError, ModelError, UsageError
from jaxlic.files import bitstream
from jaxlic.models import Spec
from jaxlic.ops.geometry import depth_to_space, space_to_depth
from tests.conftest import DATA

PAGE = (pathlib.Path(__file__).parent.parent / "docs" / "own_codec.md").read_text()
CODE = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]


def test_it_takes_less_than_thirty_lines_beside_imports():
    lines = [line for line in CODE.splitlines() if line.strip()]
    assert sum(not re.match(r"(from|import) ", line) for line in lines) < 30


def test_it_is_trained_exported_and_used_without_touching_the_library(
    tmp_path, monkeypatch, capsys
):
    pytest.importorskip("grain")
    pytest.importorskip("bjontegaard")
    from tests.train.conftest import make_photos
    from train import export
    from train.__main__ import main as train

    make_photos(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE)
    command = ["mine.py", "--workdir", "run", "--data", "photos", "--set", "steps=3", "batch=2"]
    assert train(command) == 0
    assert export.main(["run", "mymodel"]) == 0
    own = ["--model", "./mymodel", "--code", "mine.py"]
    photo = str(DATA / "kodim05_crop.png")
    assert main(["compress", photo, "-o", "photo.jlic", *own]) == 0
    assert main(["decompress", "photo.jlic", *own]) == 0
    assert (tmp_path / "photo.png").is_file()
    evaluation = [
        "eval",
        "photos",
        "--models",
        "./mymodel",
        "--codecs",
        "",
        "--code",
        "mine.py",
    ]
    assert main([*evaluation, "--qualities", "30,60"]) == 0
    assert "./mymodel" in capsys.readouterr().out
    assert main(["compress", photo, "-o", "other.jlic", "--model", "./mymodel"]) == 2
    assert "no architecture is called 'mine'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("x = 1", "defines no BUILDERS"),
        ("BUILDERS = (3,)", "defines no BUILDERS"),
        ("BUILDERS = 5", "defines no BUILDERS"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_code_that_is_none_is_told_in_a_line(tmp_path, text, message):
    path = tmp_path / "code.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message):
        builders_in(path)


def test_code_finds_what_lies_beside_it_and_in_the_current_folder(tmp_path, monkeypatch):
    for name in ("there", "here"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"own_{name}.py").write_text("STRIDE = 16")
    (tmp_path / "there" / "code.py").write_text(f"import own_here, own_there\n{CODE}")
    monkeypatch.chdir(tmp_path / "here")
    before = sys.path.copy()
    assert [b.name for b in builders_in(tmp_path / "there" / "code.py")] == ["mine"]
    assert sys.path == before


class Blocks(nn.Module):
    latents: int
    stride: int = 16

    @nn.compact
    def __call__(self, x, quality, size=None):
        return nn.Dense(self.latents)(space_to_depth(x - 0.5, 16))


class Picture(nn.Module):
    @nn.compact
    def __call__(self, y_hat, quality, size=None):
        return depth_to_space(nn.Dense(768)(y_hat), 16) + 0.5


class Floating(nn.Module):
    """A codec whose means are floating point: one learned scale a channel, no hyper-latent."""

    slope: float = 1.0
    halo: int = 0
    stride: int = 16
    latent_stride: int = 16
    latents: int = 8

    def setup(self):
        self.blocks, self.picture = Blocks(self.latents), Picture()
        self.mean = self.param("mean", nn.initializers.normal(), (self.latents,))

    def analysis(self, x, quality, size=None):
        return 100 * self.blocks(x, quality)

    def code(self, y, coder, quality, size=None):
        offset = jax.numpy.broadcast_to(self.slope * self.mean, y.shape)
        return coder("y", y, IndexedGaussian(offset, jax.numpy.full(y.shape, 40.0)), size)

    def synthesis(self, y_hat, quality, size=None):
        return self.picture(y_hat / 100, quality)

    def tables(self):
        return {"gaussian": gaussian_tables()}


def _saved(path, settings, params, builders):
    models.save_model(
        path, params, Spec("own", settings), {"id": path.name, "number": 0}, builders=builders
    )
    return api.load(path, builders=builders)


def test_a_floating_point_entropy_path_is_flagged_and_guarded(tmp_path, photo):
    builders = (Builder("own", Floating, transform_codec),)
    example = jax.numpy.zeros((1, 64, 64, 3))
    params = models.assemble(Spec("own", {}), builders).init(example, jax.random.key(0))
    codec = _saved(tmp_path / "m", {}, params, builders)
    data = codec.compress(photo[:64, :64])
    file = bitstream.unpack(data)
    assert not file.header.exact
    assert account.describe(data)["entropy path"] == "floating point"
    assert codec.decompress(data).shape == (64, 64, 3)
    # Another machine's rounding: other symbols at the end of a valid queue.
    payload = bytearray(file.payloads[0][0])
    payload[0] ^= 1
    forged = dataclasses.replace(file, payloads=((bytes(payload),),))
    with pytest.raises(BitstreamError, match="floating point"):
        codec.decompress(bitstream.pack(forged))


def _hyper(*, latents=8, halo=0, factor=1.0):
    return Hyperprior(
        Blocks(latents), Picture(), HyperAnalysis(8, 8), latents, (8, 8), halo=halo
    )


def test_files_know_settings_and_the_entropy_path_but_not_the_synthesis(tmp_path, photo):
    builders = (Builder("own", _hyper, transform_codec),)
    codec = models.assemble(Spec("own", {}), builders)
    params = codec.init(jax.numpy.zeros((1, 64, 64, 3)), jax.random.key(0))
    base = _saved(tmp_path / "base", {}, params, builders)
    data = base.compress(photo[:64, :64])

    def moved(part):
        return jax.tree_util.tree_map_with_path(
            lambda path, a: a + 0.01 if part in jax.tree_util.keystr(path) else a, params
        )

    better = _saved(tmp_path / "b", {}, moved("synthesis_transform"), builders)
    assert better.model.stream == base.model.stream
    assert better.model.pixels != base.model.pixels
    np.testing.assert_array_equal(better.latents(data), base.latents(data))
    assert np.any(better.decompress(data) != base.decompress(data))
    for name, settings, part in (
        ("setting", {"factor": 2.0}, "none"),
        ("hyper", {}, "hyper_synthesis"),
        ("prior", {}, "prior"),
    ):
        other = _saved(tmp_path / name, settings, moved(part), builders)
        with pytest.raises(BitstreamError, match="written by model"):
            other.decompress(data)


def test_a_copy_of_a_shipped_model_with_one_setting_changed_refuses_its_files(tmp_path, photo):
    data = api.load("dkic").compress(photo[:64, :64])
    shutil.copytree(models.folder("dkic"), tmp_path, dirs_exist_ok=True)
    card = json.loads((tmp_path / "model.json").read_text())
    card["settings"]["radius"] = [1, 2]
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(BitstreamError, match="written by model"):
        api.load(tmp_path).decompress(data)


@pytest.mark.parametrize("name", ["base", "dkic"])
def test_decoding_depends_on_the_declared_parts_alone(name):
    """What a decoder's trace touches, found by removing what it does not need."""
    from jax.interpreters import partial_eval

    from jaxlic.report.complexity import _decoder

    model = models.load_model(name)
    module = models.build(model.spec)
    y, quality = jax.numpy.zeros((1, 4, 4, module.latents)), jax.numpy.ones(1)

    def decode(params):
        return module.apply(params, y, _decoder, quality, method="code")

    traced = jax.make_jaxpr(decode)(model.params).jaxpr
    _, used = partial_eval.dce_jaxpr(traced, [True] * len(traced.outvars))
    paths = [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, _ in jax.tree_util.tree_leaves_with_path(model.params)
    ]
    touched = {path for path, needed in zip(paths, used, strict=True) if needed}
    declared = tuple(path for path in model.codec.entropy_path)
    assert touched and all(path.startswith(declared) for path in touched), touched


def test_models_of_one_name_in_the_library_and_of_the_users_are_told_apart(tmp_path):
    with pytest.raises(ModelError, match="no architecture"):
        models.build(Spec("own", {}))
    assert isinstance(
        models.build(Spec("own", {}), (Builder("own", _hyper, transform_codec),)), Hyperprior
    )
