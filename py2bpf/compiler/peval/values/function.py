"""Callables that are not constants, generator expressions and cells."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any

from ...ir.values import Block, Value, const
from .base import Abstract, CellId


@dataclass(slots=True, eq=False)
class Method(Abstract):
    """A method of a run-time object, looked up but not yet called."""

    words = "a method"
    instead = ("call it",)

    owner: Abstract
    name: str


@dataclass(slots=True, eq=False)
class Bound(Abstract):
    """A Python function with leading arguments bound."""

    words = "a function"
    instead = ("call it",)

    fn: Abstract
    args: tuple[Abstract, ...]
    kwargs: tuple[tuple[str, Abstract], ...] = ()


@dataclass(slots=True, eq=False)
class ExceptionOf(Abstract):
    """An exception made from run-time values: it can only be raised, which ends the program."""

    words = "an exception made of run-time values"
    instead = ("raise ends the program",)

    kind: type[BaseException]


@dataclass(slots=True, eq=False)
class Closure(Abstract):
    """A function made in the program; ``cells`` identify the variables that it shares with the function around it."""

    words = "a function"
    instead = ("call it",)

    code: types.CodeType
    globals: dict[str, Any]
    defaults: tuple[Abstract, ...]
    kwdefaults: tuple[tuple[str, Abstract], ...]
    cells: tuple[CellId, ...]

    def truth_at(self, block: Block) -> Value | None:
        return const(1)


@dataclass(slots=True, eq=False)
class GeneratorOf(Abstract):
    """A generator expression; ``path`` is where it was made. The state's heap records whether its items are taken."""

    words = "a generator expression"
    one_object = True

    closure: Closure
    args: tuple[Abstract, ...]
    path: tuple[Any, ...]
    ident: int


@dataclass(slots=True, eq=False)
class CellRef(Abstract):
    """A variable's cell itself, which is about to be put into a closure."""

    words = "a variable of an enclosing function"

    ident: CellId
