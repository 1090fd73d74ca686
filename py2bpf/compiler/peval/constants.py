"""Operations on constants, which CPython runs now."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from . import host
from .machine import Machine
from .values import Abstract, wrap

_ENDS: Final = (ArithmeticError, IndexError, KeyError)
_SHIFTS: Final = (operator.lshift, operator.rshift)
"""Whose ValueError is about a negative count."""


def operation(ev: Machine, what: str, function: Callable[..., Any], *args: Any) -> Abstract:
    """Runs an operation on constants now. What the program itself would raise at run time ends the path."""
    ends = (*_ENDS, ValueError) if function in _SHIFTS else _ENDS
    try:
        return wrap(host.run(ev.b, what, function, *args, raises=ends))
    except ends as error:
        ev.b.exit(type(error).__name__)
