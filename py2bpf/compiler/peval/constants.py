"""Operations on constants, which CPython runs at compile time."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from ...exception import TypeMismatch
from . import host
from .machine import Machine
from .values import Abstract, wrap

_ENDS: Final = (ArithmeticError, IndexError, KeyError)
_SHIFTS: Final = (operator.lshift, operator.rshift)
"""Operators whose ValueError is about a negative count."""


def no_string(op: str) -> TypeMismatch:
    """The error for operators that make strings only from constants."""
    return TypeMismatch(0, f"{op} makes no string of run-time values", hints=("write an f-string: f'... {value}'",))


def operation(ev: Machine, what: str, function: Callable[..., Any], *args: Any) -> Abstract:
    """Runs an operation on constants at compile time. An error that the program itself would raise at run time ends the
    path."""
    ends = (*_ENDS, ValueError) if function in _SHIFTS else _ENDS
    try:
        return wrap(host.run(ev.b, what, function, *args, raises=ends))
    except ends as error:
        ev.b.exit(type(error).__name__)
