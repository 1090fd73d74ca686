"""Each pass by IR before and after: where it fires, and where it must not."""

from __future__ import annotations

import pytest
from pass_tables import OWNERS, TABLES, UNCHANGED, Case, after, read, write

from py2bpf.compiler.ir.values import Function
from py2bpf.compiler.pass_list import Pass
from py2bpf.exception import InternalCompilerError

ALL = [(name, case) for name in OWNERS if (TABLES / f"{name}.ir").exists() for case in read(name)]


def test_every_pass_has_a_table() -> None:
    assert {path.stem for path in TABLES.iterdir()} == OWNERS.keys()


@pytest.mark.parametrize(("name", "case"), ALL, ids=[f"{name}: {case.title}" for name, case in ALL])
def test_case(name: str, case: Case, request: pytest.FixtureRequest) -> None:
    found = after(OWNERS[name], case.before)
    if request.config.getoption("--update-cases"):
        write(name, [other._replace(after=found) if other == case else other for other in read(name)])
        return
    assert found == case.after


@pytest.mark.parametrize("name", OWNERS)
def test_tables_notice_a_pass_that_does_nothing(name: str) -> None:
    def nothing(fn: Function) -> bool:
        return False

    idle = OWNERS[name]._replace(run=nothing)
    assert [case for case in read(name) if _notices(idle, case)]


def _notices(idle: Pass, case: Case) -> bool:
    try:
        return after(idle, case.before) != case.after
    except InternalCompilerError:  # the checker notices
        return True


@pytest.mark.parametrize("name", OWNERS)
def test_tables_say_where_a_pass_must_not_fire(name: str) -> None:
    assert any(case.after == UNCHANGED for case in read(name))
