"""Layers and doors: who may import what."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LAYERS = [
    {"core", "prng", "bitstream"},
    {"ops", "images"},
    {"nn"},
    {"entropy", "losses", "scores"},
    {"codecs"},
    {
        "checkpoint",
        "complexity",
        "data",
        "frechet",
        "perceptual",
        "targets",
        "thumbnail",
        "api",
    },
    {"experiment", "judges", "evaluation", "explain", "metrics"},
    {"commands", "cli", "__main__", "__init__"},
]
# nn/hyper.py returns an entropy model: a value without dependencies.
ALLOWED = {("nn", "entropy"): {"jaxlic.entropy.models"}}
DOORS = {
    "PIL": {"images"},
    "imagecodecs": {"images"},
    "constriction": {"entropy.range_coder"},
    "tensorflow": {"entropy.tfc_coder"},
    "tensorflow_compression": {"entropy.tfc_coder"},
    "grain": {"data"},
    "safetensors": {"checkpoint"},
    "optax": {"experiment"},
    "orbax": set(),
    "train": set(),
}
FILES = sorted(p for p in (ROOT / "jaxlic").rglob("*.py"))


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "jaxlic":
                yield from (f"jaxlic.{alias.name}" for alias in node.names)
            else:
                yield node.module


def _module(path):
    return ".".join(path.relative_to(ROOT / "jaxlic").with_suffix("").parts)


def _layer(package):
    return next(i for i, layer in enumerate(LAYERS) if package in layer)


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_imports_point_down_and_through_the_doors(path):
    module = _module(path)
    package = module.split(".")[0]
    for name in _imports(path):
        head = name.split(".")[0]
        if head in DOORS:
            assert module in DOORS[head], f"{module} imports {name}"
        if head == "jaxlic" and name != "jaxlic" and "." in name:
            target = name.split(".")[1]
            if name in ALLOWED.get((package, target), ()) or target.startswith("__"):
                continue
            assert _layer(target) <= _layer(package), f"{module} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_no_file_is_two_ideas(path):
    assert len(path.read_text().splitlines()) <= 400


def test_tests_mirror_the_sources():
    untested = {"__main__", "__init__", "core", "prng"}
    together = {"codecs": "codecs/test_contract.py", "commands": "test_cli.py"}
    for path in FILES:
        if path.stem in untested or path.stem == "__init__":
            continue
        folder = path.relative_to(ROOT / "jaxlic").parent
        mirror = ROOT / "tests" / folder / f"test_{path.stem}.py"
        shared = ROOT / "tests" / together.get(str(folder), "none")
        assert mirror.is_file() or shared.is_file(), mirror
