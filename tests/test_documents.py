"""What README, docs and docstrings name is there, and what they show runs."""

import doctest
import importlib
import importlib.util
import pathlib
import re
import shlex

import pytest

import jaxlic
from jaxlic.cli import _parser

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BENCHMARKS = sorted((ROOT / "tests" / "benchmarks").glob("*.py"))
SOURCES = sorted((ROOT / "jaxlic").rglob("*.py"))
EXAMPLES = [path for path in SOURCES if ">>>" in path.read_text()]


def _name(path):
    return path.relative_to(ROOT).as_posix()


def _commands(text, program):
    """Command lines of fenced blocks that begin with a program, without comments."""
    for block in re.findall(r"```(?:bash)?\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.partition(" #")[0].split("&&"):
                if re.match(rf"{program} [a-z]", part.strip()):
                    yield part.strip()


def _resolves(name):
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("path", EXAMPLES, ids=_name)
def test_every_example_runs(path):
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    result = doctest.testmod(module, extraglobs={"jnp": importlib.import_module("jax.numpy")})
    assert result.attempted and not result.failed


@pytest.mark.parametrize("path", BENCHMARKS, ids=_name)
def test_every_benchmark_has_what_it_imports(path):
    try:
        importlib.import_module(f"tests.benchmarks.{path.stem}")
    except ModuleNotFoundError as error:
        assert error.name is not None
        assert error.name.partition(".")[0] not in ("jaxlic", "tests", "train"), error.name
        pytest.skip(f"{error.name} is not there")


@pytest.mark.parametrize("path", [*PAGES, *SOURCES], ids=_name)
def test_names_of_the_library_resolve(path):
    for name in re.findall(r"\bjaxlic(?:\.[a-zA-Z]\w*)+", path.read_text()):
        if not name.endswith((".py", ".json", ".md")):
            assert _resolves(name), name


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_files_that_pages_name_exist(path):
    text = path.read_text()
    for name in re.findall(r"\b(?:jaxlic|configs|train|tests|docs)/[\w/.-]+\.\w+", text):
        assert (ROOT / name).exists(), name
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_commands_that_pages_show_are_understood(path):
    text = path.read_text()
    for command in _commands(text, "jaxlic"):
        if "..." not in command and "DIR" not in command:
            _parser().parse_args(shlex.split(command)[1:])
    for command in _commands(text, "python -m"):
        module = command.split()[2]
        assert importlib.util.find_spec(module), command
        for config in re.findall(r"configs/\w+\.py", command):
            assert (ROOT / config).is_file(), command


def test_messages_name_modules_that_the_wheel_has():
    """`python -m ...` in the library's own words is of the library, or says `train`."""
    for path in SOURCES:
        for module in re.findall(r"python -m ([\w.]+)", path.read_text()):
            assert importlib.util.find_spec(module), (path, module)
            assert module.startswith("jaxlic") or "train" in module


def test_the_last_python_of_the_readme_and_of_own_codecs_runs():
    import numpy as np

    image = np.zeros((40, 50, 3), np.uint8)
    for page in (ROOT / "README.md", ROOT / "docs" / "own_codec.md"):
        block = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)[-1]
        exec(compile(block, page.name, "exec"), {"image": image, "jaxlic": jaxlic})
