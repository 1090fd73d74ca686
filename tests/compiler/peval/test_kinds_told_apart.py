"""The kind of a value defines its operations. Functions must not test for each kind in turn, since a forgotten kind
would fall through silently.
"""

from __future__ import annotations

import ast
from pathlib import Path

from test_architecture import ROOT

from py2bpf.compiler.peval import kind, values
from py2bpf.compiler.peval.kinds import KINDS

PEVAL = ROOT / "py2bpf" / "compiler" / "peval"
MOST = 2


def kinds() -> set[str]:
    """The names of all kinds of values."""
    nodes = [node for path in sorted((PEVAL / "values").glob("*.py")) for node in ast.parse(path.read_text()).body]
    return {node.name for node in nodes if isinstance(node, ast.ClassDef)}


def asked_for(function: ast.FunctionDef, kinds: set[str]) -> set[str]:
    """The kinds that isinstance() asks for in a function."""
    return {
        name.id
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "isinstance"
        for name in ast.walk(call.args[1])
        if isinstance(name, ast.Name) and name.id in kinds
    }


def ladders(path: Path) -> dict[str, int]:
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    known = kinds()
    found = {f"{path.relative_to(PEVAL)}: {each.name}": len(asked_for(each, known)) for each in functions}
    return {name: count for name, count in found.items() if count > MOST}


def test_no_function_tells_many_kinds_apart() -> None:
    found: dict[str, int] = {}
    for path in sorted(PEVAL.rglob("*.py")):
        found |= ladders(path)
    assert not found


def test_each_kind_says_what_it_is() -> None:
    """Or describe() raises."""
    for name in kinds() - {"Abstract"}:
        cls = getattr(values, name, None)
        assert cls is not None, f"name {name} in values/__init__.py"
        assert hasattr(cls, "words") or cls.describe is not values.Abstract.describe, name


def test_each_kind_is_registered() -> None:
    """Or its operations are a KeyError."""
    assert {cls.__name__ for cls in KINDS} == kinds() - {"Abstract"}


def test_each_kind_is_true_or_not() -> None:
    """Python asks any value for its truth; only values that the evaluator keeps for itself may lack the operation."""
    silent = [cls.__name__ for cls, its in KINDS.items() if type(its).truth is kind.Kind.truth]
    assert sorted(silent) == sorted(cls.__name__ for cls, its in KINDS.items() if isinstance(its, kind.Hidden))


def test_ladders_are_found() -> None:
    source = "def f(a):\n    return isinstance(a, (Ref, RuntimeInt)) or isinstance(a, Const) or isinstance(a, int)\n"
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert asked_for(function, kinds()) == {"Ref", "RuntimeInt", "Const"}
