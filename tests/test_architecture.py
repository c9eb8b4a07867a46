"""Layers and doors: who may import what, and how large a file or a function may be."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LAYERS = [
    {"core", "errors", "forks", "prng"},
    {"ops"},
    {"files", "nn", "diffusion"},
    {"entropy", "losses", "metrics"},
    {"codecs", "rescaling"},
    {"builders", "coding", "models", "refining"},
    {"effort"},
    {"account", "thumbnail", "api", "portable", "int8"},
    {"refiner", "synset"},
    {"batch", "report"},
    {"study"},
    {"commands", "cli", "__main__", "__init__"},
]
# core.py names types of the layers above, for readers and type checkers alone.
DOORS = {
    "PIL": {"files.images", "files.opening", "files.classic"},
    "imagecodecs": {"files.jxl"},
    "constriction": {"entropy.range_coder"},
    "tensorflow": {"entropy.tfc_coder"},
    "tensorflow_compression": {"entropy.tfc_coder"},
    "safetensors": {"files.weights"},
    "torch": {"metrics.convert"},
    "jax2onnx": {"portable"},
    "fsspec": {"batch.store"},
    "pyarrow": {"batch.rows"},
    "ray": {"batch.engines.ray"},
    "array_record": set(),
    "grain": set(),
    "optax": set(),
    "orbax": set(),
    "train": set(),
}
FILES = sorted((ROOT / "jaxlic").rglob("*.py"))
ALL = [*FILES, *sorted((ROOT / "train").glob("*.py"))]


def _imports(path):
    tree = ast.parse(path.read_text())
    checking = [
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    ]
    for node in ast.walk(tree):
        if node in checking:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "jaxlic":
                yield from (f"jaxlic.{alias.name}" for alias in node.names)
            else:
                yield node.module


def _module(path):
    return ".".join(path.relative_to(ROOT / "jaxlic").with_suffix("").parts)


def _name(path):
    return path.relative_to(ROOT).as_posix()


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
            if not target.startswith("__"):
                assert _layer(target) <= _layer(package), f"{module} imports {name}"


def test_grain_optax_and_orbax_are_for_training_only():
    for path in FILES:
        assert not {"grain", "optax", "orbax"} & {name.split(".")[0] for name in _imports(path)}


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_no_file_is_two_ideas_and_no_function_is_long(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1] if ast.get_docstring(node) and node.body[1:] else node.body[0]
            lines = node.end_lineno - first.lineno + 1
            nested = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef)][1:]
            lines -= sum(n.end_lineno - n.lineno + 1 for n in nested)
            assert lines <= 60, f"{node.name} has {lines} lines"


def test_tests_mirror_the_sources():
    untested = {"__main__", "__init__", "core", "errors", "prng"}
    together = {"codecs": "codecs/test_contract.py", "commands": "test_cli.py"}
    for path in FILES:
        if path.stem in untested or path.stem == "__init__":
            continue
        folder = path.relative_to(ROOT / "jaxlic").parent
        mirror = ROOT / "tests" / folder / f"test_{path.stem}.py"
        shared = ROOT / "tests" / together.get(str(folder), "none")
        assert mirror.is_file() or shared.is_file(), mirror


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_optional_arguments_are_keyword_only(path):
    """Of public functions; not of `__call__`s and methods that a Protocol fixes."""
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            optional = len(node.args.defaults)
            assert optional <= 1, f"{_module(path)}.{node.name}: {optional} optional arguments"


def _public(body, method=False):
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body, method=True)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            static = "staticmethod" in map(ast.unparse, node.decorator_list)
            if not node.name.startswith("_") or node.name == "__call__":
                yield node, method and not static


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_public_functions_are_fully_annotated(path):
    for node, bound in _public(ast.parse(path.read_text()).body):
        args = node.args
        taken = [*args.posonlyargs, *args.args][bound:]
        taken += [*args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
        bare = [arg.arg for arg in taken if arg.annotation is None]
        assert not bare, f"{node.name} (line {node.lineno}) does not annotate {bare}"
        assert node.returns, f"{node.name} (line {node.lineno}) does not annotate its result"
