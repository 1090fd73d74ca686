"""What every abstract value is: what a local variable or stack slot may hold at compile time."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from ...ir.ops import Op
from ...ir.values import Block, Value, const
from .. import block_ends
from ..builder import Builder

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

    one_object: ClassVar[bool] = False
    """Whether two of these that are the same value are one object for Python."""

    by_fields: ClassVar[bool] = False
    """Whether values of several paths are one where all of their fields are."""

    def fields(self) -> tuple[str, ...]:
        """The names of its parts."""
        names: tuple[str, ...] = type(self).__slots__
        return names

    def same(self, other: Abstract) -> bool:
        """Whether two values are surely one."""
        return self is other or (type(self) is type(other) and self.is_like(other))

    def is_like(self, other: Any) -> bool:
        """``same``, of two values of one kind."""
        return all(is_same_field(getattr(self, name), getattr(other, name)) for name in self.fields())

    may_shrink: ClassVar[bool] = False
    """Whether a function that calls itself with it may end: the next one may be smaller, or another constant."""

    def python_class(self) -> Any:
        """The class of the object in Python; None for what has no methods of a user."""
        return None

    @property
    def boolean(self) -> bool | None:
        """Whether the value is a bool in Python, None where that depends on the path; of an integer or None, where it
        isn't None."""
        return False

    def is_int(self) -> bool:
        """Whether the value can be an integer operand."""
        return False

    def integer(self, b: Builder) -> Value | None:
        """The value as an IR integer; None for what is none."""
        return None

    def null_where_none(self) -> Value | None:
        """What is 0, or null, where the value is None; None for what never is, and for constants."""
        return None

    def subprogram_key(self) -> tuple[Any, ...] | None:
        """What the code of a subprogram depends on that gets the value as an argument; None for what it can't get."""
        return None

    def none_at(self, block: Block) -> Value:
        """``value is None`` at the end of a block."""
        asked = self.null_where_none()
        return const(0) if asked is None else block_ends.is_zero(block, asked)

    def truth_at(self, block: Block) -> Value | None:
        """``bool(value)`` at the end of a block; None where it takes more than an operation or two."""
        return None


SIMPLE: Final = (int, str, bytes, bool, float, type(None))
"""Objects of these types are one if they are equal."""


def is_same_field(a: Any, b: Any) -> bool:
    """Whether the parts of two values are surely one."""
    if isinstance(a, Abstract):
        return isinstance(b, Abstract) and a.same(b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(is_same_field(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Value) and isinstance(b, Value):
        return a is b or (a.op is Op.CONST and b.op is Op.CONST and a.attr == b.attr and a.type == b.type)
    return a is b or (isinstance(a, SIMPLE) and type(a) is type(b) and bool(a == b))
