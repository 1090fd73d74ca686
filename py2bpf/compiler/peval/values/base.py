"""What every abstract value is: what a local variable or stack slot may hold at compile time."""

from __future__ import annotations

from typing import Any, ClassVar

CellId = tuple[Any, str]
"""A variable that functions share: the path of calls to the function that has it, and its name. The same in every
attempt at evaluating a program."""


class Abstract:
    """The base of all abstract values. They are immutable; two may be the same value without being equal."""

    __slots__ = ()
    words: ClassVar[str]
    """What it is, as the object of a sentence; where that depends on the value, its describe() tells."""

    instead: ClassVar[tuple[str, ...]] = ("only integers can be computed with at run time",)
    """What to write where a number is needed; where that depends on the value, its number_hint() tells."""

    def describe(self) -> str:
        """The value as the object of a sentence: "the str 'abc'", "an integer known at run time only"."""
        return self.words

    def number_hint(self) -> tuple[str, ...]:
        """What to write where a number is needed."""
        return self.instead
