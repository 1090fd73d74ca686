"""Statements and calls of every shape (any_shapes.py): all callables with some arguments, all statements with some
operands. The campaign `shapes` draws others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from any_shapes import ARGUMENTS, OPERANDS, STATEMENTS, callables, captured, is_compiled

pytestmark = pytest.mark.slow
STEPS = (0, 17)
"""How far apart in the table the two operands of a statement are."""
ONE_IN = 3
"""How many of the arguments each callable gets."""
CALLABLES = list(enumerate(callables()))


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    with captured() as names:
        yield names


def test_what_is_before_is_compiled(names: dict[str, Any]) -> None:
    assert is_compiled("pass", names)


@pytest.mark.parametrize(("number", "callee"), CALLABLES, ids=[callee for _, callee in CALLABLES])
def test_calls(number: int, callee: str, names: dict[str, Any]) -> None:
    for arguments in ARGUMENTS[number % ONE_IN :: ONE_IN]:
        is_compiled(f"x = {callee}({arguments})", names)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statements(statement: str, names: dict[str, Any]) -> None:
    for number, left in enumerate(OPERANDS):
        for step in STEPS:
            is_compiled(statement.format(left, OPERANDS[(number + step) % len(OPERANDS)]), names)
