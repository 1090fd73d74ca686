"""Abstract values of variables that have no single value: not assigned yet, or different on each path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...ir.values import Block, Value
from .base import Abstract


@dataclass(slots=True, eq=False)
class Null(Abstract):
    """CPython's NULL beside a callable."""

    words = "nothing"


@dataclass(slots=True, eq=False)
class NoValue(Abstract):
    """No single value: ``why`` completes the message "can't use 'x': ..."."""

    why: str

    def describe(self) -> str:
        return f"no single value ({self.why})"


@dataclass(slots=True, eq=False)
class Mixed(NoValue):
    """A value whose type depends on the path, as of ``entry and entry.count``. Programs can only test it and compare
    it with None. ``truth`` is 1 or 0, or None if computing it takes more than an operation or two; ``none`` is 1 for
    None."""

    truth: Value | None
    none: Value

    def none_at(self, block: Block) -> Value:
        return self.none

    def truth_at(self, block: Block) -> Value | None:
        return self.truth


NULL: Final = Null()


UNASSIGNED: Final = NoValue("it is not assigned yet")
