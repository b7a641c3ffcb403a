"""One door: exported names, floors without circles, and an import that loads nothing heavy."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import classifier

PACKAGE = Path(classifier.__file__).parent
HEAVY = {"torch", "transformers", "sklearn", "jieba", "datasets", "pandas", "scipy", "pyarrow"}
FLOORS = [
    {"errors", "files"},
    {"account_rules"},
    {"cascade", "policy", "text", "encoder"},
    {"examples", "decisions"},
    {"attacks", "bundle", "records"},
    {"data"},
    {"evaluation"},
    {"reports"},
    {"inference"},
    {"batching", "scoring"},
    {"async_inference", "training", "serving", "client", "batch"},
    {"labelling"},
    {"cli"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def _modules():
    return sorted(path for path in PACKAGE.rglob("*.py"))


def _name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _own_imports(path, *, late):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if late else tree.body
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "classifier":
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "classifier")


def test_all_is_sorted_and_complete():
    assert list(classifier.__all__) == sorted(classifier.__all__)
    for name in classifier.__all__:
        assert hasattr(classifier, name)
    public = {name for name, value in vars(classifier).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public - {"PackageNotFoundError", "version"} == set(classifier.__all__)


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_a_room_imports_only_lower_floors_and_never_late(path):
    name = _name(path)
    room = name.split(".")[1] if "." in name else None
    for imported in _own_imports(path, late=True):
        target = imported.split(".")[1] if "." in imported else None
        if room is None or room == "cli":
            continue
        assert target is not None, f"{name} imports the package itself"
        assert target == room or FLOOR_OF[target] < FLOOR_OF[room], f"{name} (floor {FLOOR_OF[room]}) imports {imported}"
    if room != "cli":
        assert sorted(_own_imports(path, late=True)) == sorted(_own_imports(path, late=False)), f"{name} imports late"


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_every_public_name_says_what_it_is_for(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body, f"{path} has no docstring"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


@pytest.mark.parametrize("code", ["import classifier", "from classifier.cli import app", "from classifier.inference import Classifier"])
def test_importing_loads_nothing_heavy(code):
    script = f"import sys\n{code}\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}} & {HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
