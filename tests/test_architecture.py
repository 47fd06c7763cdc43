"""The arrows between layers, the purity of the core, and the limits of files, held by a test."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = [
    {"errors"},
    {"names", "quantities"},
    {"events"},
    {"objects"},
    {"projections"},
    {"decisions"},
    {"ports"},
    {"settings"},
    {"adapters", "services", "views", "deployment"},
    {"simulation"},
    {"demo"},
    {"app"},
    {"commands", "cli", "__main__"},
]
APART = {("services", "adapters"), ("adapters", "services"), ("views", "adapters")}
PURE = {"errors", "names", "quantities", "events", "objects", "projections", "decisions"}
PURE_IMPORTS = {"msgspec", "numpy", "sortedcontainers", "yaml"}
IMPURE_STDLIB = {
    *("asyncio", "datetime", "os", "pathlib", "random", "secrets", "socket", "ssl", "subprocess"),
    *("tempfile", "threading", "time", "uuid", "logging", "locale"),
}
OWNED = {"nats": "adapters", "aiohttp": "adapters"}
IMPORTED_AS = {"nats-py": "nats", "pyyaml": "yaml"}
LINES_MAX = 500
FUNCTION_LINES_MAX = 60
FORBIDDEN_WORDS = ("FIXME", "XXX", "TODO")
VAGUE = {"utils", "helpers", "common", "base", "misc"}

FILES = sorted((ROOT / "mcs").rglob("*.py"))


def layer_of(path):
    parts = path.relative_to(ROOT / "mcs").with_suffix("").parts
    return parts[0]


def rank(layer):
    return next((i for i, layers in enumerate(LAYERS) if layer in layers), None)


def imports(tree):
    """Every module imported, dotted."""
    for found in ast.walk(tree):
        if isinstance(found, ast.Import):
            yield from (alias.name for alias in found.names)
        elif isinstance(found, ast.ImportFrom):
            assert found.level == 0, "imports are absolute"
            yield found.module
            yield from (f"{found.module}.{alias.name}" for alias in found.names)


@pytest.fixture(scope="module")
def trees():
    return {path: ast.parse(path.read_text()) for path in FILES}


def name_of(path):
    return str(path.relative_to(ROOT))


def test_arrows_point_upward_only(trees):
    wrong = []
    for path, tree in trees.items():
        here = layer_of(path)
        if here == "__init__":
            continue
        assert rank(here) is not None, f"{name_of(path)} is in no layer"
        for module in imports(tree):
            parts = module.split(".")
            if parts[0] != "mcs" or len(parts) < 2 or rank(parts[1]) is None:
                continue
            there = parts[1]
            if rank(there) > rank(here) or (here, there) in APART:
                wrong.append(f"{name_of(path)} imports {module}")

    assert wrong == []


def test_the_core_is_pure(trees):
    wrong = []
    for path, tree in trees.items():
        if layer_of(path) not in PURE:
            continue
        for module in imports(tree):
            root = module.split(".")[0]
            known = root in sys.stdlib_module_names - IMPURE_STDLIB
            if not known and root not in PURE_IMPORTS | {"mcs"}:
                wrong.append(f"{name_of(path)} imports {module}")
        wrong += [
            f"{name_of(path)}:{found.lineno} is async"
            for found in ast.walk(tree)
            if isinstance(found, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
        ]

    assert wrong == []


def test_each_outside_library_stays_in_its_adapters(trees):
    wrong = [
        f"{name_of(path)} imports {module}"
        for path, tree in trees.items()
        for module in imports(tree)
        if OWNED.get(module.split(".")[0], layer_of(path)) != layer_of(path)
    ]

    assert wrong == []


def test_every_dependency_is_used(trees):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {re.match(r"[\w-]+", each).group() for each in project["dependencies"]}
    used = {module.split(".")[0] for tree in trees.values() for module in imports(tree)}

    missing = {name for name in named if IMPORTED_AS.get(name, name.replace("-", "_")) not in used}
    assert missing == set()


def test_files_and_functions_fit_a_reader(trees):
    wrong = []
    for path, tree in trees.items():
        lines = len(path.read_text().splitlines())
        if lines > LINES_MAX:
            wrong.append(f"{name_of(path)} has {lines} lines")
        for found in ast.walk(tree):
            if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
                length = found.end_lineno - found.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    wrong.append(f"{name_of(path)}:{found.name} has {length} lines")

    assert wrong == []


def test_every_module_tells_its_story(trees):
    wrong = [name_of(path) for path, tree in trees.items() if not ast.get_docstring(tree)]
    wrong += [name_of(path) for path in FILES if path.stem in VAGUE]
    wrong += [
        f"{name_of(path)} says {word}"
        for path in FILES
        for word in FORBIDDEN_WORDS
        if word in path.read_text()
    ]

    assert wrong == []


def test_tests_mirror_the_modules():
    """A test module names a module of the same path, or lies in a folder for several."""
    packages = [folder.name for folder in (ROOT / "mcs").iterdir() if folder.is_dir()]
    wrong = [
        str(test.relative_to(ROOT))
        for package in packages
        for test in (ROOT / "tests" / package).glob("test_*.py")
        if not list((ROOT / "mcs" / package).glob(f"{test.stem.removeprefix('test_')}*"))
    ]

    assert wrong == []
