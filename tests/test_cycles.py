"""Modules depend on each other in one direction: no circle of imports in the package, none of symbols in the C core."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

from test_architecture import MODULES, ROOT, imports

CORE = ROOT / "csrc"
USED = {
    "common": set(),
    "sys": {"common"},
    "vm/map": {"common", "vm/machine", "vm/prog"},
    "vm/helpers": {"common", "vm/map", "vm/machine", "vm/mem", "vm/callback", "vm/trace"},
    "vm": {"common"},
}
"""Whose symbols each part of the C core uses besides its own. A file counts to the first part that fits."""

Graph = Mapping[str, Collection[str]]


def circles(graph: Graph) -> set[frozenset[str]]:
    """The sets of nodes that all lead to each other: strongly connected components of two or more, by Tarjan."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: set[frozenset[str]] = set()

    def visit(node: str) -> None:
        numbers[node] = lowest[node] = len(numbers)
        path.append(node)
        for other in graph.get(node, ()):
            if other not in numbers:
                visit(other)
            if other in path:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == numbers[node]:
            circle = path[path.index(node) :]
            del path[path.index(node) :]
            found.update([frozenset(circle)] if len(circle) > 1 else [])

    for node in graph:
        if node not in numbers:
            visit(node)
    return found


def import_graph() -> Graph:
    def imported(module: str, path: Path) -> Iterator[str]:
        for target, _line in imports(module, ast.parse(path.read_text()), set(MODULES), path.stem == "__init__"):
            if target in MODULES and target != module:
                yield target

    return {module: set(imported(module, path)) for module, path in MODULES.items()}


def symbol_graph(compiler: str, folder: Path) -> Graph:
    """Which C files use symbols of which others, by their object files."""

    def compiled(source: Path) -> Path:
        made = folder / source.relative_to(CORE).with_suffix(".o")
        made.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, f"-I{CORE}", "-c", "-o", made, source], check=True)
        return made

    def file_of(made: Path) -> str:
        return str(made.relative_to(folder).with_suffix(""))

    with ThreadPoolExecutor() as pool:
        objects = list(pool.map(compiled, sorted(CORE.rglob("*.c"))))
    lines = subprocess.run(["nm", "-A", *objects], check=True, capture_output=True, text=True).stdout.splitlines()
    symbols = [(file_of(Path(line.partition(":")[0])), *line.split()[-2:]) for line in lines]
    defined = {name: file for file, kind, name in symbols if kind.isupper() and kind != "U"}
    graph: dict[str, set[str]] = {file_of(made): set() for made in objects}
    for file, kind, name in symbols:
        if kind == "U" and name in defined:
            graph[file].add(defined[name])
    return graph


def include_graph() -> Graph:
    files = sorted(CORE.rglob("*.[ch]"))
    return {str(path.relative_to(CORE)): re.findall(r'^#include "(.*)"', path.read_text(), re.M) for path in files}


def test_circles_are_found() -> None:
    assert circles({"a": "b", "b": "cd", "c": "a", "d": "e", "e": "d", "f": "abf"}) == {
        frozenset("abc"), frozenset("de"),
    }  # fmt: skip


def test_no_circle_of_imports() -> None:
    """Those for types and those inside functions count."""
    assert circles(import_graph()) == set()


def test_no_circle_of_headers() -> None:
    assert circles(include_graph()) == set()


def test_no_circle_of_c_files(tmp_path: Path, missing: Callable[[str], NoReturn]) -> None:
    """No two files use each other, directly or through others, and each part of the core uses only the parts below."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or shutil.which("nm") is None:
        missing("there is no C compiler, or no nm")
    graph = symbol_graph(compiler, tmp_path)
    assert circles(graph) == set()
    for user, others in graph.items():
        part = next(part for part in USED if user.startswith(f"{part}/"))
        allowed = (f"{part}/", *(f"{other}/" for other in USED[part]))
        assert [other for other in others if not f"{other}/".startswith(allowed)] == [], user
