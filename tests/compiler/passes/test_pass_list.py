"""PASSES is the only list of passes: each module in passes/ has a row, and nobody else calls it."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from test_architecture import MODULES, imports

from py2bpf.compiler import pass_list, pipeline, warn
from py2bpf.compiler.ir.checker import Rules
from py2bpf.compiler.pass_list import PASSES
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType

PACKAGE = "py2bpf.compiler.passes"
SHARED = f"{PACKAGE}.shared"
ROWS = {row.run.__module__ for row in PASSES} - {"py2bpf.compiler.ir.values"}


def intruders(module: str, source: str) -> list[str]:
    """The passes that a module imports, unless it is one of the pass's own."""
    found = imports(module, ast.parse(source), set(MODULES), Path(MODULES[module]).stem == "__init__")
    return [
        target
        for target, _line in found
        for row in ROWS
        if (target == row or target.startswith(f"{row}.")) and not f"{module}.".startswith(f"{row}.")
    ]


def test_every_module_of_passes_has_a_row() -> None:
    modules = {name for name in MODULES if name.startswith(f"{PACKAGE}.") and name.count(".") == 3} - {SHARED}
    assert modules == ROWS, "see PASSES of pass_list.py"


@pytest.mark.parametrize("module", MODULES)
def test_only_the_list_imports_passes(module: str) -> None:
    if module != pass_list.__name__:
        assert intruders(module, MODULES[module].read_text()) == []


def test_a_call_by_name_is_found() -> None:
    assert intruders(f"{PACKAGE}.constant_folding", "from . import clean") == [f"{PACKAGE}.clean"]
    assert intruders("py2bpf.compiler.pipeline", "from .passes.lower import run") == [f"{PACKAGE}.lower"]


def test_rows_can_be_told_apart() -> None:
    for column in ("name", "letter"):
        assert max(Counter(getattr(row, column) for row in PASSES).values()) == 1, column
    assert [row.letter for row in PASSES if len(row.letter) != 1 or not row.letter.isalpha()] == []


def test_rows_name_rows_before_them() -> None:
    names = [row.name for row in PASSES]
    assert all(row.after in names[:place] for place, row in enumerate(PASSES) if row.after)
    assert all(row.after for row in PASSES if row.again)


def test_exact_operations_never_come_back() -> None:
    rules = [row.checked for row in PASSES]
    assert rules == sorted(rules, key=lambda rule: rule is Rules.RAW) and rules[-1] is Rules.RAW


def test_warnings_are_looked_for_after_passes_that_exist() -> None:
    assert warn.CHECKS.keys() <= {row.name for row in PASSES}


def test_letters_select_what_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def program(skb: Any) -> int:
        return int(skb.len // 8)

    def shown(value: str) -> list[str]:
        monkeypatch.setenv("PY2BPF_VERBOSE", value)
        pipeline.compile_function(program, SK_BUFF, SPECS[ProgType.SOCKET_FILTER])
        return [line[3:] for line in capsys.readouterr().err.splitlines() if line.startswith("== ")]

    assert shown("-le") == ["lower", "cse"]
    assert shown("1")[:3] == ["bytecode", "peval", "prune"] and "asm" in shown("1")
    assert shown("0") == []


def test_modules_have_names_of_their_own() -> None:
    """One name, one meaning: no other file of the compiler has the name of a file of the IR, the analyses or the
    passes.
    """
    files = {name: path.name for name, path in MODULES.items() if name.startswith("py2bpf.compiler.")}
    times = Counter(files.values())
    stages = ("py2bpf.compiler.ir.", "py2bpf.compiler.analysis.", f"{PACKAGE}.")
    found = [name for name in files if name.startswith(stages) and times[files[name]] > 1]
    assert [name for name in found if files[name] != "__init__.py"] == []
