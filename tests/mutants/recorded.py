"""Records what the tests do without a change: which pass, how long each takes, and which of our functions it calls."""

from __future__ import annotations

import ast
import functools
import hashlib
import itertools
import json
import math
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from c_core import Core
from mutant import ROOT, Mutant
from mutation_targets import SUITES, World
from trial import Child, Work

HERE: Final = Path(__file__).parent
LONGEST: Final = 10.0
"""Seconds; tests that take longer mostly wait, and what they find others find before."""


@dataclass
class Record:
    """Of one suite. ``calls`` are each passing test's functions; those in ``outside`` run while tests are collected."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, list[str]] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)

    def tests_of(self, mutant: Mutant, enough: float = math.inf, near: bool = False) -> list[str]:
        """Those that may notice: that call the function (``near``: any function of the file), or all where that's no
        matter of calls. The quickest first, until they take ``enough`` seconds together."""
        name = f"C:{mutant.function}" if mutant.file.startswith("csrc/") else f"{mutant.file}:{mutant.function}"
        every = not self._counts(mutant, name)
        tests = [test for test in self.seconds if every or self._calls(test, f"{mutant.file}:" if near else name, near)]
        tests.sort(key=lambda test: self.seconds[test])
        together = itertools.accumulate(self.seconds[test] for test in tests)
        return [test for test, seconds in zip(tests, together, strict=True) if seconds <= enough]

    def _calls(self, test: str, name: str, begins: bool) -> bool:
        called = self.calls.get(test, ())
        return any(each.startswith(name) for each in called) if begins else name in called

    def _counts(self, mutant: Mutant, name: str) -> bool:
        """Whether calls of the function tell which tests depend on it."""
        if mutant.file.endswith(".py"):
            return name not in self.outside and mutant.function in _plain_functions(mutant.file, mutant.source)
        return any(name in called for called in self.calls.values())  # else a macro, a table, or inlined


@functools.cache
def _plain_functions(file: str, source: bytes) -> set[str]:
    """The functions that keep no results, by their dotted names."""
    found = set()

    def walk(node: ast.AST, scope: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            inside = scope
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inside = (*scope, child.name)
                cached = any("cache" in ast.unparse(decorator) for decorator in child.decorator_list)
                if isinstance(child, ast.FunctionDef) and not cached:
                    found.add(".".join(inside))
            walk(child, inside)

    walk(ast.parse(source), ())
    return found


def heard(child: Child) -> Record:
    """The record that a Recorder reported."""
    record, outside = Record(), set()
    for what in child.told:
        if "passed" in what and what.get("seconds", 0) <= LONGEST:
            record.seconds[what["passed"]] = what.get("seconds", 1.0)
        elif "touched" in what:
            record.calls[what["by"]] = what["touched"]
        elif "outside" in what:
            outside |= set(what["outside"])
    failed = {what["failed"] for what in child.told if "failed" in what}
    for test in failed & record.seconds.keys():
        del record.seconds[test]
    record.calls = {test: calls for test, calls in record.calls.items() if test in record.seconds}
    record.outside = sorted(outside)
    return record


def state_of(*folders: str) -> str:
    """Changes with every source file in these folders, this one aside, and with where they are."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            ours = HERE in path.parents
            if path.suffix in (".py", ".c", ".h", ".case", ".txt") and path.is_file() and not ours:
                digest.update(f"{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def save(records: Mapping[str, Record], path: Path) -> None:
    """As JSON, each function's name once."""
    names = sorted({name for record in records.values() for called in record.calls.values() for name in called})
    numbers = {name: number for number, name in enumerate(names)}
    rows = {suite: asdict(record) for suite, record in records.items()}
    for row in rows.values():
        row["calls"] = {test: [numbers[name] for name in called] for test, called in row["calls"].items()}
    path.write_text(json.dumps({"names": names, "records": rows}))


def load(path: Path) -> dict[str, Record]:
    """What save() wrote, less tests in files that are gone; nothing where it wrote nothing."""
    found = json.loads(path.read_text()) if path.exists() else {"names": [], "records": {}}
    names = found["names"]
    for row in found["records"].values():
        row["calls"] = {test: [names[number] for number in called] for test, called in row["calls"].items()}
        gone = {test for test in row["seconds"] if "::" in test and not (ROOT / test.partition("::")[0]).exists()}
        row["seconds"] = {test: seconds for test, seconds in row["seconds"].items() if test not in gone}
    return {suite: Record(**row) for suite, row in found["records"].items()}


def recording(suite: str, folder: Path, core: Core) -> Work:
    """The work of making a suite's record."""
    symbols = {} if SUITES[suite].world is World.C else _symbols(core.build("counted", core.folder))
    return Work(SUITES[suite], None, folder, core, symbols=symbols)


def _symbols(module: Path) -> dict[int, str]:
    """The core's functions by their addresses, counted from p2b_called's."""
    listed = subprocess.run(["nm", str(module)], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    found = [(int(row[0], 16), row[2].partition(".")[0]) for row in rows if len(row) == 3 and row[1] in "tT"]
    base = next(at for at, name in found if name == "p2b_called")
    return {at - base: name for at, name in found}
