"""All properties of a kind of map are in its row of KINDS: no other code compares kinds."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from test_architecture import MODULES

TABLES = {"py2bpf.uapi.map_types": "the rows", "py2bpf.uapi.helpers": "which kinds a helper takes is a row of its own"}


def is_kind(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node.value) == "MapType"


def kinds_told_apart(tree: ast.AST) -> Iterator[int]:
    """The lines that compare with a kind of map, or choose by one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            asked = [part for side in (node.left, *node.comparators) for part in (side, *getattr(side, "elts", ()))]
        elif isinstance(node, ast.Dict):
            asked = [key for key in node.keys if key is not None]
        else:
            asked = [node.value] if isinstance(node, ast.MatchValue) else []
        yield from (part.lineno for part in asked if is_kind(part))


@pytest.mark.parametrize(
    "source",
    [
        "if spec.kind == MapType.HASH: pass",
        "x = kind in (MapType.HASH, MapType.ARRAY)",
        "x = {MapType.HASH: 1}[kind]",
        "match kind:\n    case MapType.HASH: pass",
    ],
)
def test_a_ladder_is_found(source: str) -> None:
    assert list(kinds_told_apart(ast.parse(source)))


@pytest.mark.parametrize("source", ["kind = MapType.HASH", "x = kind_of(MapType.HASH).keyed == True"])
def test_no_ladder_is_found(source: str) -> None:
    assert not list(kinds_told_apart(ast.parse(source)))


@pytest.mark.parametrize("module", [each for each in MODULES if each not in TABLES])
def test_nobody_tells_kinds_of_maps_apart(module: str) -> None:
    assert list(kinds_told_apart(ast.parse(MODULES[module].read_text()))) == []
